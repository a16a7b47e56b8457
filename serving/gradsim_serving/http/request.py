"""A request: headers, id, deadline, body; and its path behind a proxy."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope

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
