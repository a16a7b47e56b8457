"""The endpoints beside the answers, through both doors."""

from __future__ import annotations

import re

import tiny_bundle

STATUSES = {"200", "400", "413", "415", "422", "429", "500", "503", "504"}


def test_languages(server):
    languages = server.client.get("/languages").json()["languages"]
    assert [language["code"] for language in languages] == ["amh", "hau", "pcm", "swa"]
    assert languages[1] == {
        "task": "text_classification",
        "code": "hau",
        "name": "Hausa",
        "aliases": ["ha"],
        "scripts": ["LATIN"],
        "group": "g0",
        "collective_similarity": 0.4,
        "scores": {"test": {"weighted_f1": 0.9}},
    }


def test_groups(server):
    groups = server.client.get("/groups").json()["groups"]
    assert {group["id"]: group["members"] for group in groups} == tiny_bundle.MEMBERS
    assert {group["id"]: group["serves"] for group in groups} == {"g0": ["hau", "swa"], "g1": ["amh", "pcm"]}
    assert [group["fallback"] for group in groups] == [True, False]
    for group in groups:
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
    assert index["bundles"][0]["endpoint"] == "/sentiment"
    for path in index["endpoints"]:
        assert server.client.get(path).status_code in (200, 405)
    assert "http" not in response.text


def test_openapi_is_complete(server):
    schema = server.client.get("/openapi.json").json()
    answer = schema["paths"]["/sentiment"]["post"]
    assert set(answer["responses"]) == STATUSES
    for status in STATUSES - {"200"}:
        form = answer["responses"][status]["content"]["application/json"]["schema"]
        assert form == {"$ref": "#/components/schemas/ErrorAnswer"}
    forms = schema["components"]["schemas"]
    assert set(forms["SentimentPrediction"]["properties"]) == {"label", "score", "scores", "route"}
    assert set(forms["RouteForm"]["properties"]["reason"]["enum"]) == {"given", "identified", "fallback", "unknown"}
    assert forms["Texts"]["additionalProperties"] is False


def test_metrics_count_requests_and_texts_under_bounded_labels(server):
    server.ask("Wannan fim yana da kyau sosai")
    for number in range(3):
        server.client.get(f"/random/{number}")
    response = server.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    pattern = r'gradsim_texts_total\{group="g0",language="hau",reason="identified",task="text_classification"\} (\S+)'
    found = re.search(pattern, response.text)
    assert found is not None
    assert float(found[1]) >= 1
    assert 'gradsim_requests_total{endpoint="other",status="404"}' in response.text
    assert "random" not in response.text
    assert 'gradsim_request_seconds_count{endpoint="/sentiment"}' in response.text
