"""Pairs of texts over HTTP, in our own form, that of Hugging Face and the protocol v2, and in Python."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from real_server import SOURCES, free_port, running
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from gradsim_client import Client, ServiceError
from gradsim_runtime import Bundle, RequestError

GOOD, BAD = "Wannan fim yana da kyau sosai", "Abincin nan ba shi da kyau"
SWAHILI, AMHARIC = "Filamu hii ni nzuri sana", "ይህ ፊልም በጣም ጥሩ ነው"
PAIRS = [(GOOD, GOOD), (BAD, BAD), (GOOD, AMHARIC)]


@pytest.fixture(scope="module")
def server(tiny_pairs, tmp_path_factory):
    """``gradsim-serve`` with the bundle alone."""
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(tiny_pairs), "--port", str(port), "--threads", "1"]
    with running(command, port, tmp_path_factory.mktemp("pairs") / "log", {"PYTHONPATH": SOURCES}) as found:
        yield found


@pytest.fixture(scope="module")
def bundle(tiny_pairs):
    return Bundle.open(tiny_pairs, threads=1)


def post(server, body, path="/nli"):
    return server.client.post(path, json=body)


def test_the_endpoint_is_named_by_the_labels(server):
    answer = post(server, {"pairs": PAIRS}).json()
    assert answer["bundle"] == "tiny-pairs@1.0.0"
    assert [one["label"] for one in answer["predictions"][:2]] == ["entailment", "contradiction"]
    assert set(answer["predictions"][0]) == {"label", "score", "scores", "truncated", "route"}
    assert server.client.get("/openapi.json").json()["paths"]["/nli"]["post"]["summary"] == "Answer pairs: nli"


def test_python_client_and_service_answer_alike(server, bundle):
    ours = bundle.predict(PAIRS)
    served = post(server, {"pairs": PAIRS}).json()["predictions"]
    with Client(str(server.client.base_url)) as client:
        asked = client.answer(PAIRS, endpoint="nli")
    for one, other, third in zip(ours, served, asked, strict=True):
        assert (one.label, one.score) == (other["label"], pytest.approx(other["score"]))
        assert (third.label, third.route.language) == (one.label, one.route.language)


def test_a_pair_of_two_languages_is_answered_by_the_groups_of_both(bundle):
    same, _, two = (prediction.route for prediction in bundle.predict(PAIRS))
    assert (same.reason, same.language, same.second_language) == ("identified", "hau", None)
    assert (two.reason, two.language, two.second_language) == ("two_languages", "hau", "amh")
    assert two.mixture == (("g0", 0.5), ("g1", 0.5))
    (within,) = bundle.predict([(GOOD, SWAHILI)])
    assert within.route.second_language == "swa" and within.route.mixture == (("g0", 1.0),), "one group serves both"


def test_its_answer_is_the_mean_of_both_groups(bundle):
    mixed = bundle.predict([(GOOD, AMHARIC)])[0].scores
    alone = [bundle.predict([(GOOD, AMHARIC)], code)[0].scores for code in ("hau", "amh")]
    assert mixed == pytest.approx({label: (alone[0][label] + alone[1][label]) / 2 for label in mixed})


@pytest.mark.parametrize(
    ("given", "languages", "mixture"),
    [
        ("ha", ("hau", None), (("g0", 1.0),)),
        ([["hau", "am"]], ("hau", "amh"), (("g0", 0.5), ("g1", 0.5))),
        ([["hau", "swa"]], ("hau", "swa"), (("g0", 1.0),)),
        ([["hau", "hau"]], ("hau", None), (("g0", 1.0),)),
        ([[None, "amh"]], ("amh", None), (("g1", 1.0),)),
    ],
)
def test_one_or_two_languages_may_be_given(server, bundle, given, languages, mixture):
    (route,) = (one.route for one in bundle.predict([(GOOD, AMHARIC)], given))
    assert (route.language, route.second_language, route.mixture, route.reason) == (*languages, mixture, "given")
    served = post(server, {"pairs": [[GOOD, AMHARIC]], "language": given}).json()["predictions"][0]["route"]
    assert (served["language"], served["second_language"]) == languages


def test_of_neither_text_given_it_is_identified(bundle):
    (asked,) = bundle.predict([(GOOD, GOOD)], [[None, None]])
    assert (asked.route.language, asked.route.reason) == ("hau", "identified")


@pytest.mark.parametrize("path", ["/models/nli", "/predict"])
def test_the_form_of_hugging_face(server, path):
    ours = post(server, {"pairs": [PAIRS[0]]}).json()["predictions"][0]["scores"]
    one = {"text": PAIRS[0][0], "text_pair": PAIRS[0][1]}
    for single in (one, list(PAIRS[0])):
        found = post(server, {"inputs": single}, path).json()
        labels = found if path == "/predict" else found[0]
        assert {each["label"]: each["score"] for each in labels} == pytest.approx(ours)
    several = post(server, {"inputs": [one, list(PAIRS[2])], "parameters": {"top_k": 1}}, path)
    assert [each[0]["label"] for each in several.json()] == ["entailment", "entailment"]
    assert several.headers["x-gradsim-route"].endswith(";second=amh")


def tensors(first, second, *, binary=True):
    found = []
    for name, values in (("text", first), ("text_pair", second)):
        tensor = InferInput(name, [len(values)], "BYTES")
        tensor.set_data_from_numpy(np.array([value.encode() for value in values], np.object_), binary_data=binary)
        found.append(tensor)
    return found


@pytest.fixture
def triton(server):
    client = InferenceServerClient(f"{server.client.base_url.host}:{server.client.base_url.port}")
    yield client
    client.close()


@pytest.mark.parametrize("binary", [True, False])
def test_the_protocol_v2(server, triton, binary):
    ours = post(server, {"pairs": PAIRS}).json()["predictions"]
    result = triton.infer("nli", tensors(*zip(*PAIRS, strict=True), binary=binary))
    assert [label.decode() for label in result.as_numpy("label")] == [one["label"] for one in ours]
    assert [json.loads(route) for route in result.as_numpy("route")] == [one["route"] for one in ours]
    names = [one["name"] for one in triton.get_model_metadata("nli")["inputs"]]
    assert names == ["text", "text_pair"]


def test_the_protocol_v2_says_what_is_missing(triton):
    with pytest.raises(InferenceServerException, match="text 2 and text_pair 1 texts; a pair needs one of each"):
        triton.infer("nli", tensors([GOOD, BAD], [GOOD]))
    text = tensors([GOOD], [GOOD])[0]
    with pytest.raises(InferenceServerException, match="there is no input text_pair; needed: text, text_pair"):
        triton.infer("nli", [text, text])
    with pytest.raises(InferenceServerException, match="at least 2 items"):
        triton.infer("nli", [text])


@pytest.mark.parametrize(
    ("body", "code", "said", "index"),
    [
        ({"pairs": []}, "no_texts", "pairs is empty: send 1 or more", None),
        ({"texts": [GOOD]}, "invalid_request", 'the field "pairs" is missing', None),
        ({"pairs": [GOOD]}, "invalid_text", "pair 0 must be a list of two texts, not a string", 0),
        ({"pairs": [[GOOD, GOOD], [GOOD]]}, "invalid_text", "pair 1 must be a list of two texts, not of 1", 1),
        ({"pairs": [[GOOD] * 3]}, "invalid_text", "pair 0 must be a list of two texts, not of 3", 0),
        ({"pairs": [[GOOD, 7]]}, "invalid_text", "the second text of pair 0 must be a string, not a number", 0),
        ({"pairs": [["  ", GOOD]]}, "empty_text", "the first text of pair 0 is empty: it has no visible character", 0),
        ({"pairs": [["", ""]]}, "empty_text", "the first text of pair 0 is empty", 0),
        ({"pairs": [[GOOD, "a" * 20_001]]}, "text_too_long", "the second text of pair 0 is longer than 20000", 0),
        ({"pairs": [[GOOD, GOOD]], "language": ["hau", "hau"]}, "language_count", "2 codes for 1 texts", None),
        ({"pairs": [[GOOD, GOOD]], "language": [["hau"]]}, "invalid_language", "a list of two, that of each text", 0),
        ({"pairs": [[GOOD, GOOD]], "language": [["hau", "xyz"]]}, "unknown_language", "unknown language 'xyz'", 0),
        ({"pairs": [[GOOD, GOOD]], "texts": []}, "unknown_field", "allowed: pairs, language, policy", None),
    ],
)
def test_what_is_wrong_is_said_with_its_place(server, body, code, said, index):
    response = post(server, body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["index"]) == (422, code, index), error
    assert said in error["message"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (GOOD, "inputs must be an object"),
        ([], "pairs is empty"),
        ([GOOD, GOOD, GOOD], "input 0 must be an object"),
        ({"text": GOOD}, "input 0 must be an object"),
        ([{"text": GOOD, "text_pair": GOOD}, {"text": GOOD, "pair": GOOD}], "input 1 must be an object"),
        ({"text": GOOD, "text_pair": 5}, "the second text of pair 0 must be a string"),
        ({"text": GOOD, "text_pair": " "}, "the second text of pair 0 is empty"),
    ],
)
def test_so_it_is_in_the_form_of_hugging_face(server, inputs, said):
    response = post(server, {"inputs": inputs}, "/models/nli")
    assert response.status_code == 422 and said in response.json()["error"], response.text


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ((GOOD, ""), "the second text is empty"),
        ((None, GOOD), "the first text must be a string"),
        (GOOD, "this bundle answers pairs: give two texts"),
        ((GOOD,), "this bundle answers pairs: give two texts"),
    ],
)
def test_so_it_is_in_python(bundle, pair, said):
    with pytest.raises(RequestError, match=said) as caught:
        bundle.predict([(GOOD, GOOD), pair])
    assert caught.value.index == 1


def test_the_client_names_the_pair(server):
    with (
        Client(str(server.client.base_url)) as client,
        pytest.raises(ServiceError, match="second text of pair 1") as caught,
    ):
        client.answer([(GOOD, GOOD), (GOOD, " ")], endpoint="nli")
    assert caught.value.index == 1


def test_what_fits_no_more_is_cut_from_the_longer_text(bundle):
    (answer,) = bundle.predict([(GOOD, " ".join([BAD] * 40))], "hau")
    assert answer.truncated
    (same,) = bundle.predict([(" ".join([BAD] * 40), GOOD)], "hau")
    assert same.score == pytest.approx(answer.score), "the short text is whole, wherever it stands"


def test_a_bundle_of_single_texts_takes_no_pairs(tiny):
    with pytest.raises(RequestError, match="the text must be a string"):
        Bundle.open(tiny, threads=1).predict([(GOOD, GOOD)])
