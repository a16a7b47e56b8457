"""Timeouts of request bodies, and cancelling of work whose client disconnects; one timer each for all requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from starlette.types import Receive

from gradsim_shared.errors import RequestError

T = TypeVar("T")


class ClientDisconnected(Exception):  # noqa: N818 - nothing is wrong
    """The client closed its connection; nobody reads a response."""


class TimeoutQueue(Generic[T]):
    """Calls ``expire`` for each entry that is not cleared in time; an entry costs two dictionary operations.

    All entries have the same delay, so that the oldest stands first.

    Args:
        seconds: The delay.
        expire: Called in the event loop, once for an entry.
    """

    def __init__(self, seconds: float, expire: Callable[[T], None]) -> None:
        self._seconds = seconds
        self._expire = expire
        self._entries: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, entry: T) -> None:
        """Expire this entry unless it is cleared before the delay is over."""
        loop = asyncio.get_running_loop()
        self._entries[entry] = at = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(at, self._check, loop)

    def clear(self, entry: T) -> None:
        """Remove an entry, whether it has expired or not."""
        self._entries.pop(entry, None)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        over = []
        for entry, at in self._entries.items():
            if at > now:
                break
            over.append(entry)
        for entry in over:
            del self._entries[entry]
            self._expire(entry)
        oldest = next(iter(self._entries.values()), None)
        self._timer = None if oldest is None else loop.call_at(oldest, self._check, loop)


class _WaitingTask:
    """The current task, which waits for something and may be cancelled by us."""

    __slots__ = ("cancelled", "receive", "task", "watcher")

    def __init__(self, receive: Receive) -> None:
        self.task: asyncio.Task[Any] | None = asyncio.current_task()
        self.receive = receive
        self.cancelled = False
        self.watcher: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Interrupt the task where it waits."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()

    def was_ours(self) -> bool:
        """Whether a ``CancelledError`` is from ``cancel``, and no one else cancels the task: the server at its stop."""
        return self.cancelled and self.task is not None and self.task.uncancel() == 0


class Timeouts:
    """Limits how long a body may take, and cancels work whose client disconnects.

    Args:
        body_seconds: How long a body may take to arrive.
        watch_seconds: After this time of work, a task begins to watch for a disconnect.
    """

    def __init__(self, body_seconds: float, watch_seconds: float = 0.05) -> None:
        self._body_seconds = body_seconds
        self._bodies: TimeoutQueue[_WaitingTask] = TimeoutQueue(body_seconds, _WaitingTask.cancel)
        self._work: TimeoutQueue[_WaitingTask] = TimeoutQueue(watch_seconds, _watch)

    async def within_body_timeout(self, reading: Awaitable[T], receive: Receive) -> T:
        """Return what was read.

        Raises:
            RequestError: ``body_timeout``.
        """
        waiting = _WaitingTask(receive)
        self._bodies.set(waiting)
        try:
            return await reading
        except asyncio.CancelledError:
            if not waiting.was_ours():
                raise
            message = f"the body did not arrive within {self._body_seconds:g} seconds"
            raise RequestError(message, code="body_timeout") from None
        finally:
            self._bodies.clear(waiting)

    async def unless_disconnected(self, work: Awaitable[T], receive: Receive) -> T:
        """Return the result of the work, and cancel it when the client disconnects.

        Raises:
            ClientDisconnected: Nobody reads a response.
        """
        waiting = _WaitingTask(receive)
        self._work.set(waiting)
        try:
            return await work
        except asyncio.CancelledError:
            if not waiting.was_ours():
                raise
            raise ClientDisconnected from None
        finally:
            self._work.clear(waiting)
            if waiting.watcher is not None:
                waiting.watcher.cancel()


def _watch(waiting: _WaitingTask) -> None:
    waiting.watcher = asyncio.get_running_loop().create_task(_until_disconnect(waiting))


async def _until_disconnect(waiting: _WaitingTask) -> None:
    while (await waiting.receive())["type"] != "http.disconnect":
        pass
    waiting.cancel()
