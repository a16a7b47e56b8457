"""Questions over HTTP, in our own form, that of Hugging Face and the protocol v2, and in Python."""

from __future__ import annotations

import asyncio
import json
import sys

import numpy as np
import pytest
from huggingface_hub import InferenceClient, constants
from real_server import SOURCES, free_port, running
from tritonclient.http import InferenceServerClient, InferInput

from gradsim_client import AsyncClient, Client, ServiceError
from gradsim_runtime import AnswerPrediction, Bundle, RequestError

HAUSA = {"question": "Ina Musa yake zaune?", "context": "😀  Musa yana\nzaune a Kano. INEC tana can."}
SWAHILI = {"question": "Juma anaishi wapi?", "context": "Juma Omari anaishi Nairobi."}
AMHARIC = {"question": "አበበ የት ይኖራል?", "context": "አበበ በአዲስ አበባ ይኖራል።"}
CROSSED = {"question": HAUSA["question"], "context": AMHARIC["context"]}
ALL = [HAUSA, SWAHILI, AMHARIC]
PLACES = ["Kano", "Nairobi", "በአዲስ አበባ"]


@pytest.fixture(scope="module")
def server(tiny_questions, tmp_path_factory):
    """``gradsim-serve`` with the bundle alone."""
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(tiny_questions), "--port", str(port), "--threads", "1"]
    with running(command, port, tmp_path_factory.mktemp("questions") / "log", {"PYTHONPATH": SOURCES}) as found:
        yield found


@pytest.fixture(scope="module")
def bundle(tiny_questions):
    return Bundle.open(tiny_questions, threads=1)


def post(server, body, path="/qa"):
    return server.client.post(path, json=body)


def test_answers_are_spans_of_the_context_as_it_was_sent(server):
    answer = post(server, {"questions": ALL}).json()
    assert answer["bundle"] == "tiny-questions@1.0.0"
    for asked, one, place in zip(ALL, answer["predictions"], PLACES, strict=True):
        assert one["answer"] == asked["context"][one["start"] : one["end"]] == place
        assert one["answers"][0] == {name: one[name] for name in ("start", "end", "score")} | {"text": place}
        scores = [span["score"] for span in one["answers"]]
        assert scores == sorted(scores, reverse=True) and sum(scores) <= 1 + 1e-9
        assert len({span["text"].casefold() for span in one["answers"]}) == len(scores)
    assert [one["route"]["language"] for one in answer["predictions"]] == ["hau", "swa", "amh"]
    assert server.client.get("/openapi.json").json()["paths"]["/qa"]["post"]["summary"] == "Answer questions: qa"


def test_python_client_and_service_answer_alike(server, bundle):
    ours = bundle.predict(ALL)
    served = post(server, {"questions": ALL}).json()["predictions"]
    url = str(server.client.base_url)
    with Client(url) as client:
        asked = client.answer(ALL, endpoint="qa")

    async def ask():
        async with AsyncClient(url) as client:
            return await client.answer(ALL, "hau", endpoint="qa")

    for one, other, third in zip(ours, served, asked, strict=True):
        assert isinstance(one, AnswerPrediction)
        assert (one.answer, one.start, one.score) == (other["answer"], other["start"], pytest.approx(other["score"]))
        assert (third.answer, third.answers[0].text) == (one.answer, one.answer)
    assert [one.route.reason for one in asyncio.run(ask())] == ["given"] * 3
    assert bundle.predict([tuple(HAUSA.values())])[0] == bundle.predict([HAUSA])[0], "both as two will do"


def test_a_question_in_another_language_is_answered_by_the_groups_of_both(server, bundle):
    (two,) = bundle.predict([CROSSED])
    assert (two.route.reason, two.route.second_language) == ("two_languages", "amh")
    assert two.route.mixture == (("g0", 0.5), ("g1", 0.5)) and two.answer == PLACES[2]
    served = post(server, {"questions": [CROSSED]}).json()["predictions"][0]
    assert (served["answer"], served["score"]) == (two.answer, pytest.approx(two.score))
    named = post(server, {"questions": [CROSSED], "language": [["hau", "amh"]]}).json()["predictions"][0]["route"]
    assert (named["reason"], named["second_language"]) == ("given", "amh")


@pytest.mark.parametrize("path", ["/models/qa", "/predict"])
def test_the_form_of_hugging_face(server, path):
    ours = post(server, {"questions": ALL}).json()["predictions"]
    expected = [{name: one[name] for name in ("score", "start", "end", "answer")} for one in ours]
    assert post(server, {"inputs": HAUSA}, path).json() == pytest.approx(expected[0])
    assert [one["answer"] for one in post(server, {"inputs": ALL}, path).json()] == PLACES
    several = post(server, {"inputs": SWAHILI, "parameters": {"top_k": 3}}, path)
    assert [one["answer"] for one in several.json()] == [span["text"] for span in ours[1]["answers"][:3]]
    assert (
        several.headers["x-gradsim-route"].startswith('swa;group="g0"') or "swa" in several.headers["x-gradsim-route"]
    )


def test_the_client_of_hugging_face(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    client = InferenceClient(f"{str(server.client.base_url).rstrip(chr(47))}/models/qa")
    found = client.question_answering(question=HAUSA["question"], context=HAUSA["context"])
    assert found.answer == "Kano" and HAUSA["context"][found.start : found.end] == "Kano"


@pytest.mark.parametrize("binary", [True, False])
def test_the_protocol_v2(server, binary):
    ours = post(server, {"questions": ALL}).json()["predictions"]
    client = InferenceServerClient(f"{server.client.base_url.host}:{server.client.base_url.port}")
    tensors = []
    for name in ("question", "context"):
        tensors.append(InferInput(name, [len(ALL)], "BYTES"))
        values = np.array([asked[name].encode() for asked in ALL], np.object_)
        tensors[-1].set_data_from_numpy(values, binary_data=binary)
    result = client.infer("qa", tensors)
    assert [answer.decode() for answer in result.as_numpy("answer")] == PLACES
    assert result.as_numpy("start").tolist() == [one["start"] for one in ours]
    assert result.as_numpy("score") == pytest.approx([one["score"] for one in ours], abs=1e-6)
    assert [json.loads(each) for each in result.as_numpy("answers")] == [one["answers"] for one in ours]
    assert [one["name"] for one in client.get_model_metadata("qa")["inputs"]] == ["question", "context"]
    client.close()


@pytest.mark.parametrize(
    ("body", "code", "said", "index"),
    [
        ({"texts": ["a"]}, "invalid_request", 'the field "questions" is missing', None),
        ({"questions": []}, "no_texts", "questions is empty: send 1 or more", None),
        ({"questions": ["a"]}, "invalid_text", "question 0 must be an object", 0),
        ({"questions": [{"question": "a"}]}, "invalid_text", "the context of question 0 is missing", 0),
        ({"questions": [HAUSA, HAUSA | {"id": "7"}]}, "invalid_text", "the id of question 1 is no field", 1),
        ({"questions": [HAUSA | {"question": " "}]}, "empty_text", "the question of question 0 is empty", 0),
        ({"questions": [HAUSA | {"context": ""}]}, "empty_text", "the context of question 0 is empty", 0),
        ({"questions": [HAUSA | {"context": 5}]}, "invalid_text", "the context of question 0 must be a string", 0),
        (
            {"questions": [HAUSA | {"context": "Kano " * 20_000}]},
            "text_too_long",
            "the context of question 0 is longer than 20000 characters",
            0,
        ),
        ({"questions": [HAUSA], "language": ["hau", "hau"]}, "language_count", "2 codes for 1 texts", None),
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
        ("Kano", "question 0 must be an object"),
        ({"question": "a"}, "the context of question 0 is missing"),
        ([HAUSA, {"question": "a", "context": " "}], "the context of question 1 is empty"),
    ],
)
def test_so_it_is_in_the_form_of_hugging_face(server, inputs, said):
    response = post(server, {"inputs": inputs}, "/models/qa")
    assert response.status_code == 422 and said in response.json()["error"], response.text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Kano", "this bundle answers questions about a context"),
        ({"question": "a"}, "this bundle answers questions about a context"),
        ({"question": "a", "context": None}, "the context must be a string"),
        (("", "a"), "the question is empty"),
    ],
)
def test_so_it_is_in_python(bundle, asked, said):
    with pytest.raises(RequestError, match=said) as caught:
        bundle.predict([HAUSA, asked])
    assert caught.value.index == 1


def test_the_client_names_the_question(server):
    with Client(str(server.client.base_url)) as client, pytest.raises(ServiceError, match="question 1 is empty") as got:
        client.answer([HAUSA, HAUSA | {"context": " "}], endpoint="qa")
    assert got.value.index == 1


def test_a_long_context_is_read_in_windows_and_bounded_in_a_process(bundle):
    far = {"question": HAUSA["question"], "context": "a " * 300 + HAUSA["context"]}
    (answer,) = bundle.predict([far], "hau")
    assert answer.answer == "Kano" and not answer.truncated
    (bounded,) = bundle.predict([{"question": "a", "context": "Kano " + "a " * 50_000}], "hau")
    assert bounded.truncated and bounded.answer == "Kano"


def test_answers_are_not_counted_by_their_text(server):
    post(server, {"questions": [HAUSA]})
    counted = server.client.get("/metrics").text
    assert 'label="answer"' in counted and "Kano" not in counted
