"""Dispatch of requests: ids, deadlines, methods, limits, errors, disconnects, slow clients."""

from __future__ import annotations

import json
import logging
import time

import fake_engine
import pytest
from requests_and_errors import head, whole

from gradsim_serving.http.errors import CODES, RETRIED, STATUS_OF_CODE


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "plain"])
def service(tiny, request):
    with fake_engine.running(tiny, fast=request.param) as running:
        yield running


def error(response):
    return response.status_code, response.json()["error"]["code"]


def test_a_response_has_all_fields_of_the_results(service):
    response = service.ask("a b", "long c")
    first, second = response.json()["predictions"]
    assert first["label"] == "positive"
    assert first["scores"] == {"negative": 0.125, "neutral": 0.125, "positive": 0.75}
    assert (first["truncated"], second["truncated"]) == (False, True)
    assert first["route"] == {
        "language": "hau",
        "confidence": 0.9,
        "group": "g0",
        "collective_similarity": 0.4,
        "reason": "identified",
        "group_confidence": 0.95,
        "candidates": [
            {"language": "hau", "confidence": 0.9, "group": "g0"},
            {"language": "swa", "confidence": 0.05, "group": "g0"},
        ],
        "mixture": [{"group": "g0", "weight": 1.0}],
        "code_mixed": False,
        "second_language": None,
    }
    assert response.json()["bundle"] == "tiny@1.0.0"
    assert response.headers["content-type"] == "application/json"


def test_the_engine_hears_texts_languages_and_policy(service):
    service.ask("a b", "c", language=["hau", None], policy="soft")
    assert service.engine.asked[-1][:4] == ("/sentiment", ["a b", "c"], ["hau", None], "soft")


@pytest.mark.parametrize("policy", ["Best", "", 1, ["soft"], "none", True])
def test_another_policy_is_refused(service, policy):
    response = service.ask("a b", policy=policy)
    assert error(response) == (422, "invalid_policy")
    assert 'it must be null, "best", "soft", "reject" or "fallback"' in response.json()["error"]["message"]


@pytest.mark.parametrize("sent", ["abc-1", "A.b:c/d+e=f@g~", "0" * 128])
def test_a_request_id_comes_back(service, sent):
    for response in (
        service.client.post("/sentiment", json={"texts": ["a b"]}, headers={"X-Request-Id": sent}),
        service.client.get("/nothing", headers={"X-Request-Id": sent}),
        service.client.head("/livez", headers={"X-Request-Id": sent}),
    ):
        assert response.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "0" * 129, "two words", 'a"b', "a\tb", "ጥሩ".encode()])
def test_another_request_id_is_replaced(service, sent):
    ids = {service.client.get("/livez", headers={"X-Request-Id": sent}).headers["x-request-id"] for _ in range(3)}
    assert sent not in ids
    assert len(ids) == 3


def test_a_client_may_shorten_the_deadline(service):
    begin = time.monotonic()
    response = service.client.post("/sentiment", json={"texts": ["wait 9"]}, headers={"X-Request-Timeout-Ms": "80"})
    assert error(response) == (504, "timeout")
    assert time.monotonic() - begin < 5


def test_a_client_cannot_lengthen_the_deadline(service):
    begin = time.monotonic()
    service.client.post("/sentiment", json={"texts": ["a"]}, headers={"X-Request-Timeout-Ms": "999999999"})
    assert service.engine.asked[-1][4] <= begin + 31


@pytest.mark.parametrize("sent", ["0", "-1", "1.5", "soon", "", "9" * 10, "1e3", "٣"])
def test_another_deadline_is_refused(service, sent):
    headers = {"X-Request-Timeout-Ms": sent.encode()}
    response = service.client.post("/sentiment", json={"texts": ["a"]}, headers=headers)
    assert error(response) == (400, "invalid_header")


@pytest.mark.parametrize("code", sorted(set(CODES) - {"internal_error"}))
def test_every_error_of_the_engine_has_its_status(service, code):
    response = service.ask(f"error {code}")
    assert error(response) == (STATUS_OF_CODE[code], code)
    assert response.json()["error"]["index"] == 0
    assert response.headers.get("retry-after") == ("3" if code in RETRIED else None)


def test_an_error_that_is_not_known_is_ours(service):
    assert error(service.ask("error no_such_code")) == (500, "internal_error")


def test_an_exception_is_500_without_details_and_logs_no_text(service, caplog):
    with caplog.at_level(logging.DEBUG):
        response = service.ask("fail Zanbarawa")
    assert error(response) == (500, "internal_error")
    assert "Zanbarawa" not in response.text + caplog.text
    assert "Traceback" not in response.text + caplog.text
    assert f"internal error in request {response.headers['x-request-id']}" in caplog.text
    assert "ValueError" in caplog.text
    assert "fake_engine.py" in caplog.text


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/languages", "/groups", "/openapi.json"])
def test_head_is_get_without_the_body(service, path):
    got, head_only = service.client.get(path), service.client.head(path)
    assert (got.status_code, head_only.status_code, head_only.content) == (200, 200, b"")
    assert got.headers["content-length"] == head_only.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/sentiment", "OPTIONS, POST"), ("/livez", "GET, HEAD, OPTIONS"), ("/", "GET, HEAD, OPTIONS")],
)
def test_options_lists_the_methods_of_a_path(service, path, allowed):
    response = service.client.options(path)
    assert (response.status_code, response.headers["allow"], response.content) == (204, allowed, b"")
    refused = service.client.put(path, content=b"x")
    assert error(refused) == (405, "method_not_allowed")
    assert refused.headers["allow"] == allowed


def test_a_query_changes_nothing(service):
    assert service.client.post("/sentiment?texts=x&a=1", json={"texts": ["a b"]}).status_code == 200
    assert service.client.get("/languages?page=2").status_code == 200


def test_without_cors_no_page_is_told_that_it_may_ask(service):
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    for response in (
        service.client.options("/sentiment", headers=headers),
        service.client.post("/sentiment", json={"texts": ["a b"]}, headers=headers),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_with_cors_only_the_named_pages_may_ask(tiny):
    with fake_engine.running(tiny, cors_origins=("https://example.org",)) as service:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key, content-type"}
        allowed = service.client.options("/sentiment", headers={"Origin": "https://example.org", **asked})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        refused = service.client.options("/sentiment", headers={"Origin": "https://evil.example", **asked})
        assert error(refused) == (403, "forbidden")
        assert "access-control-allow-origin" not in refused.headers
        answer = service.client.post("/sentiment", json={"texts": ["a"]}, headers={"Origin": "https://example.org"})
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        wrong = service.client.post("/sentiment", json={"texts": []}, headers={"Origin": "https://example.org"})
        assert wrong.headers["access-control-allow-origin"] == "https://example.org"


def test_limits_are_settings_and_messages_name_them(tiny):
    with fake_engine.running(tiny, max_texts=2, max_characters=5, max_body_bytes=200) as service:
        assert service.ask("12345", "አበበ በሶ"[:5]).status_code == 200
        many, long, large = service.ask("a", "b", "c"), service.ask("a", "123456"), service.ask("a" * 200)
        assert (error(many), error(long), error(large)) == (
            (422, "too_many_texts"),
            (422, "text_too_long"),
            (413, "body_too_large"),
        )
        assert "more than 2 texts" in many.json()["error"]["message"]
        assert long.json()["error"] == {
            "code": "text_too_long",
            "message": "text 1 is longer than 5 characters",
            "index": 1,
        }
        assert "larger than 200 bytes" in large.json()["error"]["message"]


def test_long_texts_are_cut_and_flagged_where_the_service_says_so(tiny):
    with fake_engine.running(tiny, max_characters=5, cut_texts=True) as service:
        answer = service.ask("12345", "1234567", "💐💐💐💐💐💐").json()
        assert [one["truncated"] for one in answer["predictions"]] == [False, True, True]
        assert service.engine.asked[-1][1] == ["12345", "12345", "💐" * 5]
        unseen = service.ask("a", " " * 5 + "a")
        assert error(unseen) == (422, "empty_text")
        assert unseen.json()["error"]["index"] == 1


def test_a_byte_order_mark_is_skipped_and_other_encodings_are_refused(service):
    body = json.dumps({"texts": ["a b"]})
    headers = {"Content-Type": "application/json"}
    assert service.client.post("/sentiment", content=body.encode("utf-8-sig"), headers=headers).status_code == 200
    for encoding in ("utf-16", "utf-32"):
        refused = service.client.post("/sentiment", content=body.encode(encoding), headers=headers)
        assert refused.status_code == 400


def test_a_client_that_hangs_up_ends_its_work(service):
    before = service.engine.dropped
    with service.socket() as connection:
        connection.sendall(head(json.dumps({"texts": ["wait 20"]}).encode()))
        time.sleep(0.2)
    for _ in range(100):
        if service.engine.dropped > before:
            break
        time.sleep(0.02)
    assert service.engine.dropped == before + 1
    assert 'code="client_gone"' in service.metrics.text().decode()
    assert service.ask("a b").status_code == 200


def test_a_disconnect_in_the_middle_of_a_body_fails_no_other_request(service, caplog):
    for cut in (1, 50, 500):
        with service.socket() as connection:
            connection.sendall(head(b"x" * cut, length=1000))
    assert service.ask("a b").status_code == 200
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("fast", [True, False])
def test_a_slow_body_is_ended(tiny, fast):
    with fake_engine.running(tiny, body_seconds=0.3, fast=fast) as service:
        body = json.dumps({"texts": ["a b"]}).encode()
        with service.socket() as connection:
            connection.sendall(head(body[:-3], length=len(body)))
            answer = b"".join(iter(lambda: connection.recv(65536), b""))  # it is closed in the end
        status, _, content = answer.partition(b"\r\n\r\n")
        assert b" 408 " in status
        assert json.loads(content)["error"]["code"] == "body_timeout"
        with service.socket() as connection:  # slow, but not too slow
            connection.sendall(head(body[:-3], length=len(body)))
            time.sleep(0.05)
            connection.sendall(body[-3:])
            assert b" 200 " in whole(connection)


def test_a_large_body_that_waits_for_a_word_is_refused_before_it_is_sent(service):
    with service.socket() as connection:
        connection.sendall(head(b"", "Expect: 100-continue", length=2**24))
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_requests_in_one_packet_are_answered_in_order(service):
    bodies = [json.dumps({"texts": ["a"] * count}).encode() for count in (1, 3, 2)]
    answer = service.raw(b"".join(head(body) for body in bodies))
    assert [piece.count(b'"label"') for piece in answer.split(b"HTTP/1.1 200")[1:]] == [1, 3, 2]


def test_each_request_is_logged_once_without_its_text(tiny, caplog):
    caplog.set_level(logging.INFO, "gradsim_serving.requests")
    with fake_engine.running(tiny, log_requests=True) as service:
        service.client.post("/sentiment", json={"texts": ["Zanbarawa", "b"]}, headers={"X-Request-Id": "r1"})
        service.client.get("/Zanbarawa?Zanbarawa")
        service.ask("")
    lines = [record.fields for record in caplog.records if record.name == "gradsim_serving.requests"]
    seen = [(line["endpoint"], line["status"], line["code"], line["texts"], line["groups"]) for line in lines]
    assert seen == [
        ("/sentiment", 200, None, 2, ["g0"]),
        ("other", 404, "not_found", 0, []),
        ("/sentiment", 422, "empty_text", 0, []),
    ]
    assert lines[0]["request"] == "r1"
    assert "Zanbarawa" not in caplog.text + str(lines)


def test_preflights_are_counted_and_have_ids(tiny, caplog):
    caplog.set_level(logging.INFO, "gradsim_serving.requests")
    with fake_engine.running(tiny, log_requests=True, cors_origins=("https://example.org",)) as service:
        asked = {"Access-Control-Request-Method": "POST", "X-Request-Id": "mine"}
        allowed = service.client.options("/sentiment", headers={"Origin": "https://example.org", **asked})
        refused = service.client.options("/nothing", headers={"Origin": "https://evil.example", **asked})
        assert [one.status_code for one in (allowed, refused)] == [200, 403]
        assert [one.headers["x-request-id"] for one in (allowed, refused)] == ["mine", "mine"]
    lines = [record.fields for record in caplog.records if record.name == "gradsim_serving.requests"]
    assert [(line["request"], line["status"], line["code"]) for line in lines] == [
        ("mine", 200, None),
        ("mine", 403, "forbidden"),
    ]


@pytest.mark.parametrize("path", ["/sentiment/", "/livez/", "/languages/"])
def test_a_slash_at_the_end_changes_nothing(service, path):
    plain = service.client.get(path[:-1])
    slashed = service.client.get(path)
    assert (slashed.status_code, slashed.content) == (plain.status_code, plain.content)
    assert service.client.post("/sentiment/", json={"texts": ["a b"]}).status_code == 200
