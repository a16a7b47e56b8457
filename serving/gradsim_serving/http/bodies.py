"""Read the body of a request, of which no more than a fixed number of bytes is ever kept."""

from __future__ import annotations

import zlib

from starlette.types import Receive

from gradsim_serving.http.calls import Call
from gradsim_serving.http.patience import ClientGone
from gradsim_serving.http.replies import CLOSE, Reply, error_reply
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
        ClientGone: The client hung up in the middle.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):  # nearly all of them
        body: bytes = message.get("body", b"")
        return body if len(body) <= limit else None
    pieces, total = bytearray(), 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        total += len(piece)
        if total <= limit:
            pieces += piece
        if not message.get("more_body", False) or total > DRAIN_BYTES:
            return bytes(pieces) if total <= limit else None
        message = await receive()


def json_of(call: Call, body: bytes, limit: int) -> bytes:
    """Return the JSON of a body, inflated where it was sent as gzip.

    Args:
        call: The request.
        body: As it was sent; where it is empty, no header says anything of it.
        limit: Bytes that are inflated, and no more, however small the body is.

    Raises:
        RequestError: ``unsupported_media_type``, ``unsupported_encoding``, ``malformed_gzip`` or ``body_too_large``.
    """
    if not body:
        return body
    if not is_json(call.headers.get(b"content-type", b"")):
        message = "send JSON, with the header Content-Type: application/json"
        raise RequestError(message, code="unsupported_media_type")
    encoding = call.headers.get(b"content-encoding", b"").lower()
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


def is_refused_unread(call: Call, limit: int) -> bool:
    """Say whether a body is so large, by its own word, that it is not worth reading to its end."""
    length = call.headers.get(b"content-length", b"")
    declared = int(length) if length.isdigit() and len(length) < 20 else 0  # a wrong one: the body is counted
    return declared > DRAIN_BYTES or (declared > limit and expects_continue(call))


def expects_continue(call: Call) -> bool:
    """Say whether the client waits for a word before it sends the body."""
    return call.headers.get(b"expect", b"").lower() == b"100-continue"


def too_large(limit: int) -> Reply:
    """Return the refusal of a body that is too large."""
    message = f"the body is larger than {limit} bytes; {FEWER}"
    return error_reply("body_too_large", message, headers=(CLOSE,))


def is_json(content_type: bytes) -> bool:
    """Say whether a media type is JSON."""
    if content_type == b"application/json":
        return True
    kind = content_type.split(b";", 1)[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
