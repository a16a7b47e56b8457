"""Cancel work whose client disconnects: nobody would read the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")

WATCH_SECONDS = 0.05
"""After this time of work a request begins to watch for its client: most are answered sooner, and spared the task."""


class ClientDisconnected(Exception):  # noqa: N818 - nothing is wrong
    """The client closed its connection; nobody reads a response."""


async def unless_disconnected(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Return the result of the work, and cancel it when the client disconnects.

    Raises:
        ClientDisconnected: Nobody reads a response.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    watching: asyncio.Task[None] | None = None
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await receive())["type"] != "http.disconnect":
            pass
        is_gone = True
        if task is not None:
            task.cancel()

    def begin() -> None:
        nonlocal watching
        watching = loop.create_task(watch())

    timer = loop.call_later(WATCH_SECONDS, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if is_gone and task is not None and task.uncancel() == 0:  # else the server cancels it, at its stop
            raise ClientDisconnected from None
        raise
    finally:
        timer.cancel()
        if watching is not None:
            watching.cancel()
