"""Uvicorn's h11 connection with a timeout for headers, and errors in our form; what it rejects is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gradsim_serving.http.request import new_id
from gradsim_serving.http.responses import Response, not_http

HEADER_TIMEOUT = Response(b"", 408, (), "header_timeout")
"""Counted and logged, never sent: a client that sends headers byte by byte reads no response."""


def rejected_http(app: Any, message: str) -> Response:  # noqa: ANN401 - of ASGI; ours counts
    """Return the error for what is not HTTP, and count it.

    Args:
        app: Of ASGI; ours counts.
        message: Uvicorn's.
    """
    request_id = new_id()
    response = not_http(message)
    _count(app, request_id, response, 0.0)
    return replace(response, headers=(*response.headers, (b"x-request-id", request_id)))


def header_timeout(app: Any, seconds: float) -> None:  # noqa: ANN401 - as above
    """Count a connection that is closed because the headers of a request did not arrive in time."""
    _count(app, new_id(), HEADER_TIMEOUT, seconds)


def _count(app: Any, request_id: bytes, response: Response, seconds: float) -> None:  # noqa: ANN401
    count = getattr(app, "count_rejected", None)
    if count is not None:
        count(request_id, response, seconds)


class Connection(H11Protocol):
    """Uvicorn's, with a timeout for clients that send headers byte by byte, or none at all.

    Between two requests of a connection uvicorn's own keep-alive limit holds.
    """

    header_seconds: float = 10
    """How long the headers of a request may take."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self._start_header_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self._cancel_header_timeout()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Process received data; a request that has begun must have its headers in time."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._cancel_header_timeout()
        elif self._header_timer is None and self.conn.trailing_data[0]:
            self._start_header_timeout()

    def send_400_response(self, msg: str) -> None:
        """Reject what is not HTTP, in the form of all errors."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:  # else an answer is already on its way
            response = rejected_http(self.app, msg)
            length = (b"content-length", b"%d" % len(response.body))
            head = h11.Response(status_code=response.status, headers=[*response.headers, length], reason=b"Bad Request")
            for event in (head, h11.Data(data=response.body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _start_header_timeout(self) -> None:
        self._header_timer = self.loop.call_later(self.header_seconds, self._close_on_timeout)

    def _close_on_timeout(self) -> None:
        if self.conn.trailing_data[0]:  # else no request had begun
            header_timeout(self.app, self.header_seconds)
        self.transport.close()

    def _cancel_header_timeout(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
