"""Threads that compute answers off the event loop, with a bounded number of requests waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from gradsim_shared.errors import RequestError

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A few threads and a bounded queue in front of them.

    Args:
        threads: Requests that are computed at the same time.
        queue: Requests that may wait beyond those.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="gradsim-answer")
        self._limit = threads + queue
        self._pending = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in a thread and return what it returns.

        Raises:
            RequestError: ``overloaded``: the queue is full.
        """
        if self._pending >= self._limit:
            raise RequestError(f"{self._limit} requests are being answered or wait; try again", code="overloaded")
        self._pending += 1
        future = asyncio.wrap_future(self._executor.submit(lambda: function(*args, **kwargs)))
        future.add_done_callback(self._leave)
        return await future

    def stop(self) -> None:
        """Let what runs finish, and begin nothing more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _: asyncio.Future[T]) -> None:
        self._pending -= 1
