"""Uvicorn's configuration, with parser and event loop in C where installed, and a server with a bounded stop."""

from __future__ import annotations

import asyncio
import socket
from importlib.util import find_spec
from types import FrameType
from typing import Any

import uvicorn

from gradsim_serving.bundles.lifecycle import Lifecycle

FAST = all(find_spec(name) is not None for name in ("httptools", "uvloop"))
"""Whether the packages in C are there; on Windows they are not."""


def configuration(app: Any, *, fast: bool = FAST, **settings: Any) -> uvicorn.Config:  # noqa: ANN401 - as uvicorn's
    """Return uvicorn's configuration: no websockets, no access log, no server header, no proxy headers.

    Args:
        app: Of ASGI.
        fast: Whether to use the packages in C.
        settings: More of uvicorn's.
    """
    protocol = settings.pop("http", None) or protocol_class(fast)
    return uvicorn.Config(
        app,
        http=protocol,
        loop="uvloop" if fast else "asyncio",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # they decide nothing here
        **settings,
    )


def protocol_class(fast: bool = FAST) -> type[asyncio.Protocol]:
    """Return the protocol class of a connection."""
    if fast:
        from gradsim_serving.http.fast_connection import FastConnection

        return FastConnection
    from gradsim_serving.http.connection import Connection

    return Connection


class Server(uvicorn.Server):
    """Uvicorn's server with a bounded stop: its own waits without limit for clients that never read.

    Args:
        config: Of uvicorn.
        lifecycle: Stopped first, so that requests that take too long are answered with 503.
        stop_seconds: For requests in flight, and for clients to read the responses; then connections are aborted.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, stop_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._stop_seconds = stop_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse requests at once, on open connections too; then stop."""
        self._lifecycle.close()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and end the open ones."""
        ending = asyncio.create_task(self._end())
        await super().shutdown(sockets)
        ending.cancel()

    async def _end(self) -> None:
        reading = asyncio.create_task(asyncio.sleep(self._stop_seconds))
        await self._lifecycle.stop(self._stop_seconds)
        await reading
        await asyncio.sleep(1)  # for the refusals to be read
        for connection in list(self.server_state.connections):
            connection.transport.abort()
