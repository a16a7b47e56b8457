"""The bodies of requests: read within a limit and a time, inflated within the same limit, and parsed as JSON."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_serving.http.errors import BODY_FORM, response_of
from gradsim_serving.http.record import Record, record_of
from gradsim_serving.http.waiting import ClientDisconnected, within
from gradsim_serving.unique_keys import unique_keys
from gradsim_shared.errors import RequestError

DRAIN_BYTES = 32 * 2**20
"""A body that is too large is read to its end, and thrown away, up to this size: most clients read no answer before."""

MAX_FIELDS = 100
"""Of an object: more than any form has, and few enough that an error for each of them costs nothing."""

FEWER = "send fewer texts in a request"

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyMiddleware:
    """Reads the body of a request into its record, before anything else sees the request.

    Args:
        app: What answers; all that it may still receive is that the client has gone.
        limit: Bytes of a body.
        seconds: How long it may take to arrive.
    """

    def __init__(self, app: ASGIApp, *, limit: int, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] not in _BODILESS:
            record = record_of(scope)
            try:
                self._check_length(record.headers)
                record.body = await within(self._seconds, self._read(receive))
                if not record.body and b"upgrade" in record.headers:
                    _check_lost(record.headers)
            except TimeoutError:
                message = f"the body did not arrive within {self._seconds:g} seconds"
                await response_of(RequestError(message, code="body_timeout"))(scope, receive, send)
                return
            except RequestError as error:
                await response_of(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check_length(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a body that is not worth reading to its end, by its ``Content-Length``."""
        length = headers.get(b"content-length", b"")
        declared = int(length) if length.isdigit() and len(length) < 20 else 0  # a wrong one: the body is counted
        waits = headers.get(b"expect", b"").lower() == b"100-continue"
        if declared > DRAIN_BYTES or (declared > self._limit and waits):
            raise self._too_large()

    async def _read(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):  # nearly all of them
            body: bytes = message.get("body", b"")
            if len(body) > self._limit:
                raise self._too_large()
            return body
        pieces, total = bytearray(), 0
        while True:
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            piece = message.get("body", b"")
            total += len(piece)
            if total <= self._limit:
                pieces += piece
            if total > DRAIN_BYTES or not message.get("more_body", False):
                break
            message = await receive()
        if total > self._limit:
            raise self._too_large()
        return bytes(pieces)

    def _too_large(self) -> RequestError:
        return RequestError(f"the body is larger than {self._limit} bytes; {FEWER}", code="body_too_large")


def _check_lost(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request whose body uvicorn has passed over, as it does behind an offer to speak another protocol."""
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        message = "a body behind the header Upgrade is not read: send plain HTTP/1.1 (in Java: Version.HTTP_1_1)"
        raise RequestError(message, code="upgrade_refused")


def json_of(record: Record, limit: int) -> bytes:
    """Return the JSON of a request's body, inflated where it was sent as gzip.

    Args:
        record: Of the request; where its body is empty, no header says anything of it.
        limit: Bytes that are inflated, and no more, however small the body is.

    Raises:
        RequestError: ``unsupported_media_type``, or as of `inflated`.
    """
    if record.body and not _is_json(record.headers.get(b"content-type", b"")):
        message = "send JSON, with the header Content-Type: application/json"
        raise RequestError(message, code="unsupported_media_type")
    return inflated(record, limit)


def inflated(record: Record, limit: int) -> bytes:
    """Return a request's body, inflated where it was sent as gzip.

    Raises:
        RequestError: ``unsupported_encoding``, ``malformed_gzip`` or ``body_too_large``.
    """
    body, encoding = record.body, record.headers.get(b"content-encoding", b"").lower()
    if not body:
        return body
    if encoding in {b"", b"identity"}:
        return body
    if encoding not in {b"gzip", b"x-gzip"}:
        message = "this Content-Encoding is not read here; send the body as it is, or with Content-Encoding: gzip"
        raise RequestError(message, code="unsupported_encoding")
    return _inflated(body, limit)


def _is_json(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))


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


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_FIELDS:
        raise RequestError(f"an object of the body has more than {MAX_FIELDS} fields", code="unknown_field")
    return unique_keys(pairs)


_decode = json.JSONDecoder(object_pairs_hook=_object).decode


def parsed(body: bytes, form: str = BODY_FORM) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the JSON of a body, with exact errors; keys that are there twice, which parsers let pass, are refused.

    Raises:
        RequestError: ``invalid_request``, ``invalid_encoding``, ``malformed_json``, ``repeated_key`` or
            ``unknown_field``.
    """
    if not body.strip():
        raise RequestError(f"the body is empty; it {form}", code="invalid_request")
    try:
        return _decode(body.decode("utf-8-sig", "surrogatepass"))
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: byte {error.start} is wrong"
        raise RequestError(message, code="invalid_encoding") from error
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg} at character {error.pos}"
        raise RequestError(message, code="malformed_json") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; lists in lists in lists
        raise RequestError("the body cannot be read as JSON", code="malformed_json") from error
