"""How a body may be sent: as gzip, in pieces, and never with one key twice; on both servers."""

from __future__ import annotations

import gzip
import json
import zlib

import fake_engine
import pytest
from requests_and_errors import expect, head, whole

BODY = json.dumps({"texts": ["a b"], "language": "hau"}).encode()
HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
GZIP = gzip.compress(BODY, mtime=0)


def send(server, body, **headers):
    """Send a body with these headers beside those of a gzip one."""
    return server.client.post("/sentiment", content=body, headers=HEADERS | headers)


@pytest.mark.parametrize("encoding", ["gzip", "GZip", "x-gzip"])
def test_a_gzip_body_is_answered_as_the_plain_one(server, encoding):
    plain = server.send(BODY)
    assert plain.status_code == 200
    assert send(server, GZIP, **{"Content-Encoding": encoding}).content == plain.content
    assert send(server, BODY, **{"Content-Encoding": "identity"}).content == plain.content
    pieces = (GZIP[place : place + 7] for place in range(0, len(GZIP), 7))  # chunked
    assert send(server, pieces).content == plain.content


UNREADABLE = {
    "cut": (GZIP[:-1], 400, "malformed_gzip"),
    "cut in its head": (GZIP[:5], 400, "malformed_gzip"),
    "wrong sum": (GZIP[:-8] + b"\0" * 8, 400, "malformed_gzip"),
    "not compressed": (BODY, 400, "malformed_gzip"),
    "bytes behind it": (GZIP + b"x", 400, "malformed_gzip"),
    "two members": (GZIP + GZIP, 400, "malformed_gzip"),
    "of nothing": (gzip.compress(b"", mtime=0), 422, "invalid_request"),
    "nothing": (b"", 422, "invalid_request"),
    "no JSON": (gzip.compress(b"{", mtime=0), 400, "malformed_json"),
    "large as it is": (b"x" * (2**20 + 1), 413, "body_too_large"),
    "large inflated": (gzip.compress(b" " * 2**20 + BODY, mtime=0), 413, "body_too_large"),
    "a bomb": (gzip.compress(bytes(2**25), 9, mtime=0), 413, "body_too_large"),
}


@pytest.mark.parametrize(("body", "status", "code"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_gzip_body_that_cannot_be_read_is_refused(server, body, status, code):
    expect(send(server, body), status, code)


def test_the_limit_counts_inflated_bytes(server):
    exactly = gzip.compress(BODY + b" " * (2**20 - len(BODY)), mtime=0)
    assert send(server, exactly).status_code == 200


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
def test_another_encoding_is_refused_and_the_answer_names_gzip(server, encoding):
    response = send(server, zlib.compress(BODY), **{"Content-Encoding": encoding})
    expect(response, 415, "unsupported_encoding")
    assert response.headers["accept-encoding"] == "gzip"
    other = send(server, GZIP, **{"Content-Type": "text/plain"})
    expect(other, 415, "unsupported_media_type")
    assert "accept-encoding" not in other.headers


@pytest.mark.parametrize("fast", [True, False])
def test_a_gzip_body_may_wait_for_a_word(tiny, fast):
    with fake_engine.running(tiny, fast=fast) as service, service.socket() as connection:
        connection.sendall(head(b"", "Content-Encoding: gzip", "Expect: 100-continue", length=len(GZIP)))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(GZIP)
        assert b" 200 " in whole(connection)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"texts": ["a"], "texts": ["b"]}', "texts"),
        (b'{"texts": {"a": NaN}, "texts": ["b"]}', "texts"),
        (b'{"texts": ["a"], "te\\u0078ts": ["b"]}', "texts"),
        (b'{"t\\u0065xts": ["a"], "te\\u0078ts": ["b"]}', "texts"),
        (b'{"texts": ["a"], "language": "hau", "language": null}', "language"),
        (b'\xef\xbb\xbf{"texts": ["a"], "policy": "best", "texts": ["a"], "policy": "best", "policy": 1}', "policy"),
        (b'{"texts": ["a"], "language": {"of": 1, "of": 2}}', "of"),
        (b'{"texts": [{"text": "a", "text": "b"}]}', "text"),
        (b'{"\\u00e9%b": 1, "\\u00e9%b": 2}' % (b"x" * 90, b"x" * 90), "\\xe9" + "x" * 39 + "'"),
    ],
)
@pytest.mark.parametrize("endpoint", ["/sentiment", "/ner", "/pos"])
def test_a_key_that_is_there_twice_is_refused_by_its_name(server, endpoint, body, key):
    message = expect(server.send(body, endpoint=endpoint), 422, "repeated_key")
    assert message.startswith(f"the key '{key}")


@pytest.mark.parametrize(
    "texts", [["texts", "texts"], ['"texts": 1, "texts": 2'], ["policy", "language"], ["\\u0061", "a\\"]]
)
def test_texts_that_look_like_keys_are_texts(tiny, texts):
    with fake_engine.running(tiny) as service:
        assert service.ask(*texts, language=None, policy="soft").status_code == 200
        assert service.engine.asked[-1][1] == texts
