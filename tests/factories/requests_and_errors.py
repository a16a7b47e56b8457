"""Requests as bytes, answers read from a socket, and the check of the one form of errors."""

from __future__ import annotations

import httpx


def head(body: bytes, *lines: str, length: int | None = None, path: str = "/sentiment") -> bytes:
    """Return a request, as bytes."""
    size = len(body) if length is None else length
    first = [f"POST {path} HTTP/1.1", "Host: t", "Content-Type: application/json", f"Content-Length: {size}", *lines]
    return "\r\n".join(first).encode() + b"\r\n\r\n" + body


def whole(connection) -> bytes:
    """Return one answer in JSON; its head and its body may come apart."""
    answer = b""
    while not answer.endswith(b"}"):
        piece = connection.recv(65536)
        assert piece, answer
        answer += piece
    return answer


def expect(response: httpx.Response, status: int, code: str, index: int | None = None) -> str:
    """Check the one error form, and return the message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "index"]
    assert (body["error"]["code"], body["error"]["index"]) == (code, index)
    assert "Traceback" not in response.text
    message = body["error"]["message"]
    assert 0 < len(message) < 400
    if index is not None and code != "unknown_language":
        assert str(index) in message or code == "invalid_language"
    return str(message)
