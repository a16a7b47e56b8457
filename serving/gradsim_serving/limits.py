"""Refuse bodies that are too large or not JSON before anything parses them."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradsim_serving.errors import error_response

DRAIN_BYTES = 32 * 2**20
"""A refused body is read to its end, and thrown away, up to this size: most clients read no answer before."""


class BodyLimit:
    """ASGI middleware: reads the body, counts it, and passes it on whole.

    Args:
        app: What is behind it.
        max_body_bytes: Larger bodies are refused with 413.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its body may be read."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        declared = int(length) if length.isascii() and length.isdigit() else 0  # a wrong one: the body is counted
        waits = headers.get("expect", "").lower() == "100-continue"
        if declared > self.max_body_bytes and (waits or declared > DRAIN_BYTES):
            await self._refuse(scope, receive, send)
            return
        body = await _read(receive, self.max_body_bytes)
        if body is None:
            return  # the client has gone
        if len(body) > self.max_body_bytes:
            await self._refuse(scope, receive, send)
        elif body and not _is_json(headers.get("content-type", "")):
            message = "send JSON, with the header Content-Type: application/json"
            await error_response("unsupported_media_type", message)(scope, receive, send)
        else:
            await self.app(scope, _replay(bytes(body), receive), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"the body is larger than {self.max_body_bytes} bytes; send fewer texts in a request"
        response = error_response("body_too_large", message, headers={"Connection": "close"})
        await response(scope, receive, send)


async def _read(receive: Receive, limit: int) -> bytearray | None:
    """Read a body, keeping at most a little more than ``limit`` bytes; ``None`` when the client has gone."""
    body, total = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        total += len(chunk)
        if len(body) <= limit:
            body += chunk
        if not message.get("more_body", False) or total > DRAIN_BYTES:
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that hands out the body that was read, then goes on with the client's messages."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


def _is_json(content_type: str) -> bool:
    kind = content_type.split(";", 1)[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
