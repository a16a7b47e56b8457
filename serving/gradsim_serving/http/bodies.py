"""Read request bodies within a limit of bytes, and inflate gzip."""

from __future__ import annotations

import zlib

from starlette.types import Receive

from gradsim_serving.http.request import Request
from gradsim_serving.http.responses import CLOSE, Response, error_response
from gradsim_serving.http.timeouts import ClientDisconnected
from gradsim_shared.errors import RequestError

DRAIN_BYTES = 32 * 2**20
"""A refused body is read to its end, and thrown away, up to this size: most clients read no answer before."""

FEWER = "send fewer texts in a request"


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """Read a body to its end.

    Args:
        receive: Of the request.
        limit: Bytes that are kept.

    Returns:
        ``None`` when there are more bytes than that.

    Raises:
        ClientDisconnected: In the middle of the body.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):  # nearly all of them
        body: bytes = message.get("body", b"")
        return body if len(body) <= limit else None
    pieces, total = bytearray(), 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        piece = message.get("body", b"")
        total += len(piece)
        if total <= limit:
            pieces += piece
        if not message.get("more_body", False) or total > DRAIN_BYTES:
            return bytes(pieces) if total <= limit else None
        message = await receive()


def json_of(request: Request, body: bytes, limit: int) -> bytes:
    """Return the JSON of a body, inflated where it was sent as gzip.

    Args:
        request: The request.
        body: As it was sent; where it is empty, no header says anything of it.
        limit: Bytes that are inflated, and no more, however small the body is.

    Raises:
        RequestError: ``unsupported_media_type``, ``unsupported_encoding``, ``malformed_gzip`` or ``body_too_large``.
    """
    if not body:
        return body
    if not is_json(request.headers.get(b"content-type", b"")):
        message = "send JSON, with the header Content-Type: application/json"
        raise RequestError(message, code="unsupported_media_type")
    encoding = request.headers.get(b"content-encoding", b"").lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        message = "this Content-Encoding is not read here; send the body as it is, or with Content-Encoding: gzip"
        raise RequestError(message, code="unsupported_encoding")
    return _inflated(body, limit)


def _inflated(body: bytes, limit: int) -> bytes:
    """Return what a gzip body holds: one member, since millions of empty ones would take long to read."""
    member = zlib.decompressobj(wbits=31)
    try:
        whole = member.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestError("the body is not gzip, as its Content-Encoding says", code="malformed_gzip") from error
    if len(whole) > limit:
        raise RequestError(f"the body, inflated, is larger than {limit} bytes; {FEWER}", code="body_too_large")
    if not member.eof:
        raise RequestError("the body ends in the middle of its gzip data", code="malformed_gzip")
    if member.unused_data:
        raise RequestError("more bytes follow the gzip data of the body; send one member", code="malformed_gzip")
    return whole


def is_refused_unread(request: Request, limit: int) -> bool:
    """Say whether a body is not worth reading to its end, by its ``Content-Length``."""
    length = request.headers.get(b"content-length", b"")
    declared = int(length) if length.isdigit() and len(length) < 20 else 0  # a wrong one: the body is counted
    return declared > DRAIN_BYTES or (declared > limit and expects_continue(request))


def expects_continue(request: Request) -> bool:
    """Say whether the client waits for ``100 Continue`` before it sends the body."""
    return request.headers.get(b"expect", b"").lower() == b"100-continue"


def too_large(limit: int) -> Response:
    """Return the refusal of a body that is too large."""
    message = f"the body is larger than {limit} bytes; {FEWER}"
    return error_response("body_too_large", message, headers=(CLOSE,))


def is_json(content_type: bytes) -> bool:
    """Say whether a media type is JSON."""
    if content_type == b"application/json":
        return True
    kind = content_type.split(b";", 1)[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
