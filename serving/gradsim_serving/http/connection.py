"""A connection under uvicorn that waits for headers only so long, and refuses what is no HTTP in our form of errors."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gradsim_serving.http.unheard import late_headers, no_http


class Connection(H11Protocol):
    """Uvicorn's, with a limit for those who send headers byte by byte, or none at all.

    Between two requests of a connection uvicorn's own keep-alive limit holds.
    """

    header_seconds: float = 10
    """How long the headers of a request may take."""

    _headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Look at what has come; a request that has only begun must be whole in time."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._headers_due is None and self.conn.trailing_data[0]:
            self._wait_for_headers()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the form of all errors."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:  # else an answer is already on its way
            reply = no_http(self.app, msg)
            length = (b"content-length", b"%d" % len(reply.body))
            response = h11.Response(status_code=reply.status, headers=[*reply.headers, length], reason=b"Bad Request")
            for event in (response, h11.Data(data=reply.body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait_for_headers(self) -> None:
        self._headers_due = self.loop.call_later(self.header_seconds, self._close_late)

    def _close_late(self) -> None:
        if self.conn.trailing_data[0]:  # else nothing was asked
            late_headers(self.app, self.header_seconds)
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None
