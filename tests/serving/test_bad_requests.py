"""What a bad request is answered, on both servers: always a 4xx in the one form, never a traceback."""

from __future__ import annotations

import json

import pytest
from requests_and_errors import expect

BAD_TEXTS = {
    "empty list": ([], "no_texts", None),
    "empty text": (["a b", ""], "empty_text", 1),
    "whitespace": ([" \n\t\u00a0"], "empty_text", 0),
    "zero width": (["a b", "c d", "\u200b\ufeff"], "empty_text", 2),
    "only NUL": (["\x00"], "empty_text", 0),
    "number": (["a b", 5], "invalid_text", 1),
    "boolean": ([True], "invalid_text", 0),
    "null": (["a b", None], "invalid_text", 1),
    "list": ([["a b"]], "invalid_text", 0),
    "lone surrogate": (["a b", "c\ud800"], "invalid_text", 1),
    "20 001 characters": (["a" * 20_001], "text_too_long", 0),
    "257 texts": (["a"] * 257, "too_many_texts", None),
    "no list": ("a b", "invalid_request", None),
    "no texts": (None, "invalid_request", None),
}
BAD_LANGUAGES = {
    "unknown": ("huu", "unknown_language", None),
    "unknown in a list": (["hau", "xyz"], "unknown_language", 1),
    "empty": ("", "invalid_language", None),
    "long": ("h" * 1000, "invalid_language", None),
    "number": (5, "invalid_language", None),
    "number in a list": (["hau", 5], "invalid_language", 1),
    "surrogate": ("\ud800", "invalid_language", None),
    "surrogate in a list": ([None, "\ud800"], "invalid_language", 1),
    "too few": (["hau"], "language_count", None),
    "too many": (["hau", None, None], "language_count", None),
    "none": ([], "language_count", None),
}
WRONG_LANGUAGES = {
    "number": (5, "language is 5; it must be null, a code"),
    "empty": ("", 'language is ""; it must be null, a code'),
    "object": ({"hau": 1}, "language is an object; it must be"),
    "surrogate": ("\ud800", 'language is "\\ud800"; it must be'),
    "long": ("h" * 1000, f'language is "{"h" * 40}"... (1000 characters); it must be'),
    "number in a list": (["hau", 5], 'language 1 is 5; it must be a code such as "hau", or null'),
    "empty in a list": (["", "hau"], 'language 0 is ""; it must be a code'),
    "boolean in a list": ([None, True], "language 1 is true; it must be a code"),
    "list in a list": ([["hau"], None], "language 0 is a list; it must be a code"),
}
BAD_BODIES = {
    "nothing": (b"", 422, "invalid_request"),
    "no JSON": (b'{"texts": ["a"', 400, "malformed_json"),
    "deep": (b'{"texts":' + b"[" * 500_000, 400, "malformed_json"),
    "NaN": (b'{"texts": NaN}', 422, "invalid_request"),
    "not UTF-8": (b'{"texts": ["\xff\xfe"]}', 400, "invalid_encoding"),
    "cut UTF-8": ('{"texts": ["ጥሩ'.encode()[:-1], 400, "invalid_encoding"),
    "encoded surrogate": (b'{"texts": ["\xed\xa0\x80"]}', 422, "invalid_text"),
    "null": (b"null", 422, "invalid_request"),
    "list": (b'["a"]', 422, "invalid_request"),
    "other field": (b'{"texts": ["a"], "lang": "hau"}', 422, "unknown_field"),
    "10 MB": (b'{"texts": ["' + b"a" * 10_000_000 + b'"]}', 413, "body_too_large"),
}


@pytest.mark.parametrize(("texts", "code", "index"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_texts_that_cannot_be_answered(server, texts, code, index):
    expect(server.send(json.dumps({"texts": texts}).encode()), 422, code, index)


@pytest.mark.parametrize(("language", "code", "index"), BAD_LANGUAGES.values(), ids=BAD_LANGUAGES)
def test_languages_that_cannot_be_used(server, language, code, index):
    body = json.dumps({"texts": ["a b", "c d"], "language": language}).encode()
    message = expect(server.send(body), 422, code, index)
    if language == "huu":
        assert message == "unknown language 'huu'. Did you mean hau? Known: amh, hau, pcm, swa."


@pytest.mark.parametrize(("language", "expected"), WRONG_LANGUAGES.values(), ids=WRONG_LANGUAGES)
def test_a_wrong_language_is_named(server, language, expected):
    body = json.dumps({"texts": ["a b", "c d"], "language": language}).encode()
    assert server.send(body).json()["error"]["message"].startswith(expected)


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bodies_that_cannot_be_read(server, body, status, code):
    expect(server.send(body), status, code, 0 if code == "invalid_text" else None)


def test_a_large_body_without_a_declared_length(server):
    pieces = (b"a" * 100_000 for _ in range(100))
    response = server.client.post("/sentiment", content=pieces, headers={"Content-Type": "application/json"})
    expect(response, 413, "body_too_large")


def test_a_body_of_exactly_the_limit_is_read(server):
    body = json.dumps({"texts": ["a b"]}).encode()
    assert server.send(body + b" " * (2**20 - len(body))).status_code == 200
    expect(server.send(body + b" " * (2**20 - len(body) + 1)), 413, "body_too_large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
def test_other_media_types(server, content_type):
    expect(server.send(b'{"texts": ["a b"]}', content_type), 415, "unsupported_media_type")


def test_a_media_type_with_a_parameter(server):
    assert server.send(b'{"texts": ["a b"]}', "application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/sentiment//", "/healthz", "/schema.json", "/assets/x", "/..%2f"])
def test_paths_that_are_not_there(server, path):
    expect(server.client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/sentiment", "OPTIONS, POST"),
        ("DELETE", "/sentiment", "OPTIONS, POST"),
        ("POST", "/languages", "GET, HEAD, OPTIONS"),
        ("POST", "/livez", "GET, HEAD, OPTIONS"),
        ("GET", "/admin/reload", "OPTIONS, POST"),
    ],
)
def test_methods_that_are_not_allowed(server, method, path, allowed):
    response = server.client.request(method, path)
    message = expect(response, 405, "method_not_allowed")
    assert message == f"this path does not answer '{method}'; allowed: {allowed}"
    assert response.headers["allow"] == allowed


def test_no_text_of_a_client_is_logged(server):
    secret = "Zanbarawa-7731"
    server.ask(f"Wannan fim {secret}")
    server.ask(secret, "")
    server.ask("a", language=secret)
    server.client.get(f"/{secret}?q={secret}")
    server.send(f'{{"{secret}": '.encode())
    assert secret not in server.log.read_text(encoding="utf-8")
    assert "Traceback" not in server.log.read_text(encoding="utf-8")
