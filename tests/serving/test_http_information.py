"""The endpoints beside the answers, on both servers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import tiny_bundle
import tiny_tags

SCORES, ENTITY_SCORES = {"test": {"weighted_f1": 0.9}}, {"test": {"entity_f1": 0.9}}
STATUSES = {"200", "400", "405", "408", "413", "415", "422", "429", "500", "503", "504"}


def test_languages(server):
    answer = server.client.get("/languages").json()
    assert answer["endpoints"] == {
        "/sentiment": ["amh", "hau", "pcm", "swa"],
        "/ner": ["amh", "hau", "swa", "yor"],
        "/pos": ["eng", "hau"],
    }
    found = [(language["endpoint"], language["code"]) for language in answer["languages"]]
    assert found == [(endpoint, code) for endpoint, codes in answer["endpoints"].items() for code in codes]
    hausa = {
        "code": "hau",
        "name": "Hausa",
        "aliases": ["ha"],
        "scripts": ["LATIN"],
        "group": "g0",
        "collective_similarity": 0.4,
    }
    hausa |= {"texts": {"train": 28, "test": 28}, "estimate": []}
    sentiment, ner = ({"scores": found, "multilingual": found} for found in (SCORES, ENTITY_SCORES))
    sentiment |= {"task": "text_classification", "endpoint": "/sentiment"}
    ner |= {"task": "token_classification", "endpoint": "/ner"}
    assert answer["languages"][1] == hausa | sentiment
    assert answer["languages"][5] == hausa | ner


def test_groups(server):
    every = server.client.get("/groups").json()["groups"]
    members = {"/sentiment": tiny_bundle.MEMBERS, "/ner": tiny_tags.NER_GROUPS, "/pos": tiny_tags.POS_GROUPS}
    for endpoint, expected in members.items():
        groups = [group for group in every if group["endpoint"] == endpoint]
        assert {group["id"]: group["members"] for group in groups} == expected
        assert [group["fallback"] for group in groups] == [True, False]
    assert [group["serves"] for group in every[:4]] == [["hau", "swa"], ["amh", "pcm"], ["hau", "swa"], ["amh", "yor"]]
    for group in every:
        assert group["precision"] == "fp32"
        assert group["parity"] == {"texts": 1, "max_difference": 0.0, "label_agreement": 1.0}
        assert group["latency_milliseconds"] == 0.1


def test_health(server):
    assert server.client.get("/livez").json() == {"status": "live"}
    assert server.client.get("/readyz").json() == {"status": "ready"}
    for path in ("/livez", "/readyz"):
        got, headers = server.client.get(path), server.client.head(path)
        assert (headers.status_code, headers.content) == (200, b"")
        assert headers.headers["content-length"] == got.headers["content-length"]


def test_the_index_names_every_endpoint_and_loads_nothing_from_elsewhere(server):
    response = server.client.get("/")
    index = response.json()
    assert [bundle["endpoint"] for bundle in index["bundles"]] == ["/sentiment", "/ner", "/pos"]
    assert [bundle["bundle"] for bundle in index["bundles"]] == ["tiny@1.0.0", "tiny-ner@1.0.0", "tiny-pos@1.0.0"]
    for path in index["endpoints"]:
        assert server.client.get(path).status_code in (200, 405)
    assert "http" not in response.text


PREDICTIONS = {"/sentiment": {"label", "score", "scores"}, "/ner": {"entities"}, "/pos": {"words"}}
NAMES = {"/sentiment": "Label", "/ner": "Entities", "/pos": "Words"}


@pytest.mark.parametrize("endpoint", PREDICTIONS)
def test_openapi_is_complete(server, endpoint):
    schema = server.client.get("/openapi.json").json()
    answer = schema["paths"][endpoint]["post"]
    assert set(answer["responses"]) == STATUSES
    for status in STATUSES - {"200"}:
        form = answer["responses"][status]["content"]["application/json"]["schema"]
        assert form == {"$ref": "#/components/schemas/ErrorAnswer"}
    forms, name = schema["components"]["schemas"], NAMES[endpoint]
    assert answer["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(f"/{name}Answer")
    assert set(forms[f"{name}Prediction"]["properties"]) == PREDICTIONS[endpoint] | {"truncated", "route"}
    reasons = {"given", "identified", "same_group", "soft", "too_short", "unknown", "fallback", "two_languages"}
    assert set(forms["Route"]["properties"]["reason"]["enum"]) == reasons
    assert forms["Texts"]["additionalProperties"] is False


@pytest.mark.parametrize("form", ["Entity", "Word"])
def test_openapi_states_the_unit_of_offsets(server, form):
    parts = server.client.get("/openapi.json").json()["components"]["schemas"][form]["properties"]
    for name in ("start", "end"):
        assert "code points" in parts[name]["description"]
    assert all(part.get("description") for part in parts.values())


@pytest.mark.parametrize("endpoint", PREDICTIONS)
def test_the_examples_of_openapi_can_be_sent_and_are_answered_as_openapi_says(server, endpoint):
    schema = server.client.get("/openapi.json").json()
    examples = schema["paths"][endpoint]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"identify", "given", "some", "soft"}
    for shown in examples.values():
        response = server.client.post(endpoint, json=shown["value"])
        assert response.status_code == 200
        conforms(response.json(), {"$ref": f"#/components/schemas/{NAMES[endpoint]}Answer"}, schema)


def conforms(value: object, form: dict[str, Any], schema: dict[str, Any]) -> None:
    """Check a value against its form in an OpenAPI document: kinds, and exactly the properties that are named."""
    if "$ref" in form:
        form = schema["components"]["schemas"][form["$ref"].rpartition("/")[2]]
    if "anyOf" in form:
        kinds = [one for one in form["anyOf"] if one.get("type") != "null"]
        return None if value is None else conforms(value, kinds[0], schema)
    assert isinstance(value, KINDS[form["type"]]), (value, form)
    if form["type"] == "array":
        for one in value:
            conforms(one, form["items"], schema)
    elif "properties" in form:
        assert set(value) == set(form["properties"]) == set(form["required"])
        for name, one in value.items():
            conforms(one, form["properties"][name], schema)
    elif form["type"] == "object":
        for one in value.values():
            conforms(one, form["additionalProperties"], schema)
    return None


KINDS = {"array": list, "boolean": bool, "object": dict, "string": str, "integer": int, "number": (int, float)}


def test_metrics_count_requests_and_texts_under_bounded_labels(server):
    server.ask("Wannan fim yana da kyau sosai")
    server.ask("Musa yana zaune a Kano.", endpoint="/ner")
    for number in range(3):
        server.client.get(f"/random/{number}")
    response = server.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    for task in ("sentiment", "ner"):
        pattern = rf'gradsim_texts_total\{{endpoint="/{task}",group="g0",language="hau",reason="identified"\}} (\S+)'
        found = re.search(pattern, response.text)
        assert found is not None
        assert float(found[1]) >= 1
    assert re.search(r'gradsim_requests_total\{code="\w+",endpoint="other",status="404"\}', response.text)
    assert "random" not in response.text
    assert 'gradsim_request_seconds_count{endpoint="/sentiment"}' in response.text
