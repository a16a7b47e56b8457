"""The completion of jobs: results and errors handed to their callers from any thread, and the deadline timer."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from gradsim_serving.engine.job import Job, JobResult
from gradsim_serving.observing.log import describe
from gradsim_serving.observing.observer import Observer
from gradsim_shared.errors import RequestError

logger = logging.getLogger(__name__)

Fail = Callable[[Job, BaseException, int | None], None]
"""Ends a job with an error, and the index of the text that raised it."""


def complete(jobs: Sequence[Job]) -> None:
    """Set the results of finished jobs, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if isinstance(job.future, asyncio.Future):
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        elif not job.ended:
            job.ended = True
            job.future.set_result(job.result())
    for loop, of_loop in by_loop.items():
        _call(loop, _set_results, of_loop)


def skip(canary: Job) -> None:
    """End a canary without results."""
    if not canary.ended:
        canary.ended = True
        canary.future.set_result(JobResult([], canary.seconds))


def fail(job: Job, error: BaseException, index: int | None) -> None:
    """End a job with an error; an internal one is logged without its message, which may hold a text."""
    if not isinstance(error, RequestError) and not job.canary:  # the caller of a canary gets the error itself
        logger.error("internal error: %s", describe(error))
        where = "the request" if index is None else f"text {index}"
        message = f"the service failed to answer {where}; its log says where"
        error = RequestError(message, code="internal_error", index=index)
    elif not isinstance(error, Exception):  # a panic in Rust would end the thread that waits for the canary
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    if isinstance(job.future, asyncio.Future):
        job.ended = True  # at once: its other texts are not run
        _call(job.future.get_loop(), _set_exception, job, error)
    elif not job.ended:
        job.ended = True
        job.future.set_exception(error)


def _set_results(jobs: Sequence[Job]) -> None:
    """In the event loop: set the results of jobs that have none yet."""
    for job in jobs:
        job.ended = True
        if not job.future.done():
            job.future.set_result(job.result())


def _set_exception(job: Job, error: BaseException) -> None:
    """In the event loop: end a job with an error, unless it has ended."""
    if not job.future.done():
        job.future.set_exception(error)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # the loop is closed, and with it all callers
        logger.debug("a result came after the event loop had ended")


class PendingJobs:
    """The jobs that callers in one event loop wait for; used in that loop only.

    One timer serves all of them, set to the earliest deadline: a timer for each job would outlive it by its timeout.

    Args:
        loop: The event loop.
        observer: Counts jobs that were dropped.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Observer) -> None:
        self.loop = loop
        self._observer = observer
        self._jobs: set[Job] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def wait(self, job: Job) -> JobResult:
        """Wait for the result of a job; if the caller is cancelled, the job is dropped.

        Raises:
            RequestError: The job failed; ``timeout``: its deadline has passed.
        """
        assert isinstance(job.future, asyncio.Future)
        self._jobs.add(job)
        self._empty.clear()
        if math.isfinite(job.deadline) and (self._timer is None or job.deadline < self._timer.when()):
            self._set_timer(job.deadline)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._observer.dropped(job.served.endpoint, "disconnected")
            raise
        finally:
            job.ended = True
            self._jobs.discard(job)
            if not self._jobs:
                self._empty.set()

    async def drain(self, seconds: float) -> bool:
        """Wait until no job is pending; ``False`` if that takes longer."""
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End the jobs that are still pending."""
        if self._timer is not None:
            self._timer.cancel()
        for job in self._jobs:
            self._drop(job, "shutting_down", "the service is being stopped; ask again, it may be another one")

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(max(0.0, deadline - time.monotonic()), self._expire)

    def _expire(self) -> None:
        """End jobs whose deadline has passed, and set the timer to the next deadline."""
        self._timer, now = None, time.monotonic()
        for job in self._jobs:
            if job.deadline <= now:
                self._drop(job, "timeout", "the answer took too long; send fewer texts in a request")
        earliest = min((job.deadline for job in self._jobs if job.deadline > now), default=math.inf)
        if math.isfinite(earliest):
            self._set_timer(earliest)

    def _drop(self, job: Job, code: str, message: str) -> None:
        if not job.future.done():
            job.ended = True
            self._observer.dropped(job.served.endpoint, code)
            job.future.set_exception(RequestError(message, code=code))
