"""Responses, and errors: every code with its status and meaning, and the one JSON form of all of them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gradsim_shared.errors import RequestError

CODES: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "invalid_encoding": (400, "The body is not UTF-8."),
    "malformed_gzip": (400, "The body is not what `Content-Encoding: gzip` says."),
    "invalid_header": (400, "A header has a value that cannot be used."),
    "invalid_http": (400, "What was sent is not HTTP; the connection is closed."),
    "unauthorized": (401, "There is no key in the request, or not one of the service's."),
    "forbidden": (403, "The key may not do this, or the web page may not."),
    "not_found": (404, "There is nothing at this path."),
    "method_not_allowed": (405, "The path does not answer this method; the header `Allow` names those that it does."),
    "body_timeout": (408, "The body did not arrive in time; the connection is closed."),
    "reload_refused": (409, "The new bundle is not valid or does not answer; the old one still does."),
    "body_too_large": (413, "The body is larger than the service allows."),
    "unsupported_media_type": (415, "The body is not declared as application/json."),
    "unsupported_encoding": (415, "The body is compressed in another way than gzip, or more than once."),
    "invalid_request": (422, "The body has another form than it must have."),
    "repeated_key": (422, "An object of the body has the same key twice."),
    "unknown_field": (422, "The body has a field that there is not."),
    "no_texts": (422, "The list of texts is empty."),
    "too_many_texts": (422, "There are more texts than the service takes at once."),
    "invalid_text": (422, "A text is no string, or no Unicode."),
    "empty_text": (422, "A text has no visible character."),
    "text_too_long": (422, "A text has more characters than the service allows."),
    "invalid_language": (422, "A language has another form than it must have."),
    "language_count": (422, "There are more or fewer languages than texts."),
    "unknown_language": (422, "The endpoint does not know the language."),
    "unsupported_language": (422, "Under the policy `reject`: the text's language is not sure, or not one of these."),
    "invalid_policy": (422, "There is no such policy."),
    "overloaded": (429, "Too many texts are waiting; try again after the seconds in `Retry-After`."),
    "internal_error": (500, "The service failed; its log says where."),
    "not_ready": (503, "The models are being loaded, or one of them does not answer; try again."),
    "shutting_down": (503, "The service is being stopped; ask another one."),
    "timeout": (504, "The answer took longer than the service, or the caller, allows."),
}
"""Code -> status and meaning."""

STATUS_OF_CODE = {code: status for code, (status, _) in CODES.items()}

RETRIED = frozenset(code for code, status in STATUS_OF_CODE.items() if status in (429, 503))
"""Errors that carry ``Retry-After``."""


def codes_of(status: int) -> dict[str, str]:
    """Return the codes with this status, and what they mean."""
    return {code: meaning for code, (other, meaning) in CODES.items() if other == status}


Headers = tuple[tuple[bytes, bytes], ...]

JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")
ACCEPTED = ((b"accept-encoding", b"gzip"),)
"""What RFC 9110, section 15.5.16, adds to a 415 that is about the encoding."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response.

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


def json_response(content: Any, status: int = 200) -> Response:  # noqa: ANN401 - whatever JSON knows
    """Return a response in JSON."""
    return Response(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), status)


def error_response(code: str, message: str, index: int | None = None, headers: Headers = ()) -> Response:
    """Return an error in the one form that all have.

    Args:
        code: One of `CODES`.
        message: What is wrong and what is allowed.
        index: Which text is meant; ``None`` means the request as a whole.
        headers: Beside those of every error with this code.
    """
    content = {"error": {"code": code, "message": message, "index": index}}
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, STATUS_OF_CODE[code], (JSON, *headers), code)


def not_http(message: str) -> Response:
    """Return the error for what is not HTTP: uvicorn's message in our form."""
    return error_response("invalid_http", message.rstrip(".").lower().replace("http", "HTTP"), headers=(CLOSE,))


def response_of(error: RequestError) -> Response:
    """Return the response for an error; ``Retry-After`` says when to retry, where that may help."""
    code = error.code if error.code in STATUS_OF_CODE else "internal_error"
    if code not in RETRIED:
        return error_response(code, str(error), error.index, ACCEPTED if code == "unsupported_encoding" else ())
    seconds = max(1, math.ceil(getattr(error, "retry_after", None) or 1))
    return error_response(code, str(error), error.index, ((b"retry-after", b"%d" % seconds),))


def response_bytes(response: Response) -> bytes:
    """Return a response as it goes over the wire, where a connection writes it itself."""
    lines = [b"HTTP/1.1 %d %s" % (response.status, HTTPStatus(response.status).phrase.encode())]
    lines += [name + b": " + value for name, value in response.headers]
    lines.append(b"content-length: %d" % len(response.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + response.body
