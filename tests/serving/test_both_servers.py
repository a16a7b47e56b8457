"""Policies, cuts, ids, deadlines and reload, with real models and on both servers."""

from __future__ import annotations

import pytest


def test_a_text_that_the_model_cannot_read_whole_says_so(server):
    short, long = server.ask("Wannan fim yana da kyau", "fim " * 100, language="hau").json()["predictions"]
    assert (short["truncated"], long["truncated"]) == (False, True)


@pytest.mark.parametrize("endpoint", ["/ner", "/pos"])
def test_texts_that_are_read_in_windows_are_not_cut(server, endpoint):
    (long,) = server.ask("Musa yana zaune a Kano. " * 100, language="hau", endpoint=endpoint).json()["predictions"]
    assert long["truncated"] is False


def test_the_policy_of_a_request_wins(server):
    unsure = "?!"
    body = {"texts": ["Wannan fim yana da kyau", unsure]}
    refused = server.client.post("/sentiment", json={**body, "policy": "reject"})
    assert refused.status_code == 422
    assert (refused.json()["error"]["code"], refused.json()["error"]["index"]) == ("unsupported_language", 1)
    assert unsure not in refused.json()["error"]["message"]
    fallback = server.client.post("/sentiment", json={**body, "policy": "fallback"}).json()["predictions"][1]["route"]
    assert fallback["group"] == "g0"


def test_the_request_id_comes_back(server):
    headers = {"X-Request-Id": "test-77"}
    assert server.client.get("/livez", headers=headers).headers["x-request-id"] == "test-77"
    answer = server.client.post("/sentiment", json={"texts": ["a b"]}, headers=headers)
    assert answer.headers["x-request-id"] == "test-77"


def test_no_time_at_all_is_504_or_an_answer(server):
    headers = {"X-Request-Timeout-Ms": "1"}
    statuses = {
        server.client.post("/ner", json={"texts": ["a b " * 3000] * 60}, headers=headers).status_code for _ in range(3)
    }
    assert statuses == {504}


def test_a_reload_is_answered(server):
    bundles = server.client.post("/admin/reload").json()["bundles"]
    assert bundles["/sentiment"] == {"before": "tiny@1.0.0", "after": "tiny@1.0.0"}
    assert server.ask("Wannan fim").status_code == 200
