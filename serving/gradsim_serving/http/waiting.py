"""Wait for a body no longer than is allowed, and for results no longer than somebody would read them.

Both cancel the request's task where it waits, by a timer that most requests take back; ``asyncio.timeout`` does the
same at five times the cost, which is felt at a thousand requests a second.
"""

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


class _Waiting:
    """The current task, which waits for something and may be cancelled by us."""

    __slots__ = ("is_ours", "task")

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.is_ours = False

    def cancel(self) -> None:
        """Interrupt the task where it waits."""
        self.is_ours = True
        if self.task is not None:
            self.task.cancel()

    def was_ours(self) -> bool:
        """Whether a ``CancelledError`` is from ``cancel``, and no one else cancels the task: the server at its stop."""
        return self.is_ours and self.task is not None and self.task.uncancel() == 0


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the work.

    Raises:
        TimeoutError: It takes longer.
    """
    waiting = _Waiting()
    timer = asyncio.get_running_loop().call_later(seconds, waiting.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        if waiting.was_ours():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


async def unless_disconnected(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Return the result of the work, and cancel it when the client disconnects.

    Raises:
        ClientDisconnected: Nobody reads a response.
    """
    waiting, watchers = _Waiting(), list[asyncio.Task[None]]()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(WATCH_SECONDS, _watch, loop, waiting, receive, watchers)
    try:
        return await work
    except asyncio.CancelledError:
        if waiting.was_ours():
            raise ClientDisconnected from None
        raise
    finally:
        timer.cancel()
        for watcher in watchers:
            watcher.cancel()


def _watch(
    loop: asyncio.AbstractEventLoop, waiting: _Waiting, receive: Receive, watchers: list[asyncio.Task[None]]
) -> None:
    async def until_disconnect() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        waiting.cancel()

    watchers.append(loop.create_task(until_disconnect()))
