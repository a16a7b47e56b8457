"""What is sent back: a status, headers and bytes; and the one JSON form of every error."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gradsim_serving.http.codes import RETRIED, STATUS_OF_CODE
from gradsim_shared.errors import RequestError

Headers = tuple[tuple[bytes, bytes], ...]

JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")
ACCEPTED = ((b"accept-encoding", b"gzip"),)
"""What RFC 9110, section 15.5.16, adds to a 415 that is about the encoding."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        body: All of it.
        status: Of HTTP.
        headers: All but the length of the body and the id of the request.
        code: Of the error; ``None`` where there is none.
    """

    body: bytes
    status: int = 200
    headers: Headers = (JSON,)
    code: str | None = None


def json_reply(content: Any, status: int = 200) -> Reply:  # noqa: ANN401 - whatever JSON knows
    """Return an answer in JSON."""
    return Reply(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), status)


def error_reply(code: str, message: str, index: int | None = None, headers: Headers = ()) -> Reply:
    """Return an error in the one form that all have.

    Args:
        code: One of `codes.STATUS_OF_CODE`.
        message: What is wrong and what is allowed.
        index: Which text is meant; ``None`` means the request as a whole.
        headers: Beside those of every error with this code.
    """
    content = {"error": {"code": code, "message": message, "index": index}}
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Reply(body, STATUS_OF_CODE[code], (JSON, *headers), code)


def not_http(message: str) -> Reply:
    """Return the refusal of what is no HTTP, in uvicorn's words and our form."""
    return error_reply("invalid_http", message.rstrip(".").lower().replace("http", "HTTP"), headers=(CLOSE,))


def reply_of(error: RequestError) -> Reply:
    """Return the answer to a request that cannot be answered; those worth another try say when."""
    code = error.code if error.code in STATUS_OF_CODE else "internal_error"
    if code not in RETRIED:
        return error_reply(code, str(error), error.index, ACCEPTED if code == "unsupported_encoding" else ())
    seconds = max(1, math.ceil(getattr(error, "retry_after", None) or 1))
    return error_reply(code, str(error), error.index, ((b"retry-after", b"%d" % seconds),))


def reply_bytes(reply: Reply) -> bytes:
    """Return an answer as it goes over the wire, where there is no app that sends it."""
    lines = [b"HTTP/1.1 %d %s" % (reply.status, HTTPStatus(reply.status).phrase.encode())]
    lines += [name + b": " + value for name, value in reply.headers]
    lines.append(b"content-length: %d" % len(reply.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + reply.body
