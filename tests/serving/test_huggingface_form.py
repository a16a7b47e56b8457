"""The Hugging Face task form, asked with the client that people have, and by hand; on both servers."""

from __future__ import annotations

import re

import fake_engine
import pytest
from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import reset_sessions

from gradsim_serving.http.keys import keys_of
from gradsim_serving.http.results import LONGEST_HEADER

GOOD, BAD = "Wannan fim yana da kyau sosai", "Abincin nan ba shi da kyau"
NAMES = "Musa yana zaune a Kano."
KEY = "alice-0123456789"


@pytest.fixture(autouse=True)
def _the_client_may_connect(monkeypatch):
    """Other tests of this process switch the Hub off, and with it every connection of its library."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    reset_sessions()
    yield
    reset_sessions()


def client_of(server, endpoint: str, **settings) -> InferenceClient:
    return InferenceClient(f"{str(server.client.base_url).rstrip('/')}/models/{endpoint}", **settings)


def post(server, body: object, path: str = "/models/sentiment"):
    return server.client.post(path, json=body)


def test_text_classification(server):
    found = client_of(server, "sentiment").text_classification(GOOD)
    ours = server.ask(GOOD).json()["predictions"][0]
    assert {one.label: one.score for one in found} == pytest.approx(ours["scores"])
    assert [one.score for one in found] == sorted(ours["scores"].values(), reverse=True)
    (best,) = client_of(server, "sentiment").text_classification(GOOD, top_k=1)
    assert (best.label, best.score) == (ours["label"], pytest.approx(ours["score"]))


@pytest.mark.parametrize("strategy", [None, "simple"])
def test_token_classification(server, strategy):
    found = client_of(server, "ner").token_classification(NAMES, aggregation_strategy=strategy)
    ours = server.ask(NAMES, endpoint="/ner").json()["predictions"][0]["entities"]
    assert [(one.entity_group, one.word, one.start, one.end) for one in found] == [
        (one["type"], one["text"], one["start"], one["end"]) for one in ours
    ]
    assert {one.word for one in found} == {"Musa", "Kano"}


def test_parts_of_speech_are_token_classification(server):
    found = client_of(server, "pos").token_classification("Juma anaishi Nairobi")
    assert [one.word for one in found] == ["Juma", "anaishi", "Nairobi"]


def test_a_batch_is_answered_as_a_list_for_each_text_and_the_routes_stand_in_a_header(server):
    response = post(server, {"inputs": [GOOD, BAD, "Привет"], "parameters": {"top_k": 1}})
    assert [[one["label"] for one in each] for each in response.json()][:2] == [["positive"], ["negative"]]
    first, second, third = response.headers["x-gradsim-route"].split(", ")
    assert re.fullmatch(r'hau;group="g0";reason=identified;confidence=[01]\.\d{3}', first)
    assert second.startswith("hau;")
    assert third == 'und;group="g0";reason=unknown;confidence=0.000'
    both = post(server, {"inputs": [NAMES, NAMES]}, "/models/ner").json()
    assert both[0] == both[1] != []


def test_a_language_and_a_policy_may_be_given(server):
    given = post(server, {"inputs": [GOOD, BAD], "parameters": {"language": ["swa", None]}})
    assert given.headers["x-gradsim-route"].startswith('swa;group="g0";reason=given, hau;')
    refused = post(server, {"inputs": "?!", "parameters": {"policy": "reject"}})
    assert (refused.status_code, refused.json()["error_type"]) == (422, "Validation")


def test_the_header_is_no_longer_than_proxies_take(server):
    routes = post(server, {"inputs": [GOOD] * 256}).headers["x-gradsim-route"]
    assert len(routes) < LONGEST_HEADER + 20
    *shown, more = routes.split(", ")
    assert more == f"*;more={256 - len(shown)}"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/models/sentiment", {"inputs": ""}, 422, "text 0 is empty"),
        ("/models/sentiment", {"inputs": []}, 422, "texts is empty"),
        ("/models/sentiment", {"inputs": GOOD, "parameters": {"topk": 1}}, 422, "'parameters.topk'"),
        ("/models/sentiment", {"inputs": GOOD, "parameters": {"top_k": 0}}, 422, "parameters.top_k"),
        ("/models/sentiment", {"inputs": GOOD, "parameters": {"language": "xyz"}}, 422, "unknown language 'xyz'"),
        ("/models/sentiment", {"inputs": GOOD, "parameters": {"function_to_apply": "none"}}, 422, "function_to_apply"),
        ("/models/sentiment", {"inputs": GOOD, "options": {}}, 422, "'options'"),
        ("/models/ner", {"inputs": NAMES, "parameters": {"aggregation_strategy": "none"}}, 422, "aggregation_strategy"),
        ("/models/ner", {"inputs": NAMES, "parameters": {"top_k": 1}}, 422, "'parameters.top_k'"),
        ("/models/sentiment", {"texts": [GOOD]}, 422, "'texts'"),
        ("/models/sentiment", {"inputs": 5}, 422, "inputs"),
        ("/models/sentiment", {"inputs": [GOOD] * 257}, 422, "more than 256 texts"),
        ("/models/nothing", {"inputs": GOOD}, 404, "nothing at this path"),
    ],
)
def test_errors_have_the_form_of_text_embeddings_inference(server, path, body, status, said):
    response = post(server, body, path)
    assert response.status_code == status
    assert response.json().keys() == {"error", "error_type"}
    assert response.json()["error_type"] == "Validation"
    assert said in response.json()["error"]


def test_the_client_raises_what_the_service_says(server):
    with pytest.raises(HfHubHTTPError, match="text 0 is empty"):
        client_of(server, "sentiment").text_classification(" ")
    assert "Traceback" not in server.log.read_text(encoding="utf-8")


def test_a_key_is_sent_as_bearer_token(tiny):
    with fake_engine.running(tiny, keys=keys_of([KEY])) as service:
        (best,) = client_of(service, "sentiment", token=KEY).text_classification("a b", top_k=1)
        assert best.label == "positive"
        with pytest.raises(HfHubHTTPError, match="not one of this service's"):
            client_of(service, "sentiment", token=KEY[:-1]).text_classification("a b")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [("overloaded", 429, "Overloaded"), ("not_ready", 503, "Unhealthy"), ("internal_error", 500, "Backend")],
)
def test_each_failure_has_its_kind(tiny, code, status, kind):
    with fake_engine.running(tiny) as service:
        response = post(service, {"inputs": f"error {code}"})
    assert (response.status_code, response.json()["error_type"]) == (status, kind)


def test_predict_answers_where_there_is_one_bundle(tiny, server):
    with fake_engine.running(tiny) as service:
        one = post(service, {"inputs": "a b"}, "/predict")
        assert one.json()[0] == {"label": "positive", "score": 0.75}
        assert [each[0]["label"] for each in post(service, {"inputs": ["a", "b"]}, "/predict").json()] == [
            "positive"
        ] * 2
    assert post(server, {"inputs": "a b"}, "/predict").status_code == 404
