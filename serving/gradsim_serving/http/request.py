"""A request: id, deadline and path from its headers, and its body, read and inflated within a limit."""

from __future__ import annotations

import random
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope

from gradsim_serving.http.responses import CLOSE, Response, error_response
from gradsim_serving.http.timeouts import ClientDisconnected
from gradsim_shared.errors import RequestError

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


def path_of(scope: Scope, root_path: str) -> str:
    """Return the path of a request, as the endpoints are named.

    A target in absolute form (``http://host/livez``, RFC 9112, section 3.2.2) is read as its path: not every server
    below us takes the host away.

    Args:
        scope: Of ASGI.
        root_path: What a proxy puts before every path; whether it takes that away again or not, the path is found.
    """
    path: str = scope["path"]
    server_prefix = scope.get("root_path")
    if server_prefix:
        path = path.removeprefix(server_prefix)
    if not path.startswith("/"):
        path = _ORIGIN.sub("", path, count=1) or "/"
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path


_ID = re.compile(rb"[A-Za-z0-9._:/+=@~-]{1,128}")
_MILLISECONDS = re.compile(rb"[0-9]{1,9}")


@dataclass(slots=True)
class Request:
    """A request.

    Attributes:
        method: As it was sent.
        path: Without the query, which means nothing here, and without the prefix of a proxy.
        headers: By name, in small letters; of several with one name the last.
        id: The client's ``X-Request-Id`` if it can be logged, else one of ours.
        begun: On the clock of ``time.monotonic``.
        client: Its address; ``None`` where it is not known.
        receive: For messages of the client.
        body: Once it has been read.
        texts: How many texts it holds, once the body is parsed.
        groups: That answered.
        stages: Seconds of each stage of the work.
    """

    method: str
    path: str
    headers: dict[bytes, bytes]
    id: bytes
    begun: float
    client: str | None
    receive: Receive
    body: bytes = b""
    texts: int = 0
    groups: tuple[str, ...] = ()
    stages: Mapping[str, float] | None = None

    def deadline(self, seconds: float) -> float:
        """Return when time is over: after ``seconds``, or sooner where ``X-Request-Timeout-Ms`` says so.

        Raises:
            RequestError: ``invalid_header``.
        """
        asked = self.headers.get(b"x-request-timeout-ms")
        if asked is None:
            return self.begun + seconds
        if _MILLISECONDS.fullmatch(asked) is None or int(asked) == 0:
            message = "X-Request-Timeout-Ms must be a whole number of milliseconds from 1 to 999999999"
            raise RequestError(message, code="invalid_header")
        return self.begun + min(seconds, int(asked) / 1000)

    @property
    def key(self) -> bytes | None:
        """The API key that came with the request."""
        scheme, _, key = self.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            return key.strip()
        return self.headers.get(b"x-api-key")


def new_id() -> bytes:
    """Return an id for a request that brought none."""
    return b"%016x" % random.getrandbits(64)


def request_of(scope: Scope, receive: Receive, root_path: str = "") -> Request:
    """Return the request of an ASGI scope; ``root_path`` is the prefix of a proxy."""
    headers = dict(scope["headers"])
    sent = headers.get(b"x-request-id")
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path_of(scope, root_path),
        headers=headers,
        id=sent if sent is not None and _ID.fullmatch(sent) else new_id(),
        begun=time.monotonic(),
        client=client[0] if client else None,
        receive=receive,
    )


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
