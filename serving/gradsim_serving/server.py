"""Uvicorn as it comes, configured; a signal refuses new requests at once, and a stop takes a bounded time."""

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

CONNECTIONS_TO_ACCEPT = 65_535
"""That wait in the kernel, which holds at most net.core.somaxconn, and resets what is beyond after some 15 seconds."""

READ_SECONDS = 1.0
"""For clients to read the last answers; then their connections are closed."""


def configuration(app: Any, *, fast: bool = FAST, **settings: Any) -> uvicorn.Config:  # noqa: ANN401 - as uvicorn's
    """Return uvicorn's configuration: no websockets, no access log, no server header, no proxy headers.

    Args:
        app: Of ASGI.
        fast: Whether to use the packages in C.
        settings: More of uvicorn's.
    """
    return uvicorn.Config(
        app,
        http="httptools" if fast else "h11",
        loop="uvloop" if fast else "asyncio",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # they decide nothing here
        backlog=CONNECTIONS_TO_ACCEPT,
        **settings,
    )


class Server(uvicorn.Server):
    """Uvicorn's server, which tells the service of a signal before it waits for requests in flight.

    Args:
        config: Of uvicorn.
        lifecycle: Refuses requests from a signal on, on open connections too.
        stop_seconds: For requests in flight.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, stop_seconds: float) -> None:
        config.timeout_graceful_shutdown = stop_seconds + READ_SECONDS  # type: ignore[assignment] # it may have a fraction
        super().__init__(config)
        self._lifecycle = lifecycle
        self._stop_seconds = stop_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse requests at once, on open connections too; then stop."""
        self._lifecycle.close()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and end the open ones; requests that take too long are answered with 503."""
        ending = asyncio.create_task(self._lifecycle.stop(self._stop_seconds))
        await super().shutdown(sockets)
        await ending
