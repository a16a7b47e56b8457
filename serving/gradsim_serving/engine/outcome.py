"""How a request ends: its answers or its error, handed to whoever waits, from any thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gradsim_serving.engine.job import Answers, Job
from gradsim_serving.faults import describe
from gradsim_shared.errors import RequestError

logger = logging.getLogger(__name__)

Fail = Callable[[Job, BaseException, int | None], None]
"""Ends a request with what went wrong, and the index of the text that it went wrong with."""


def deliver(jobs: Sequence[Job]) -> None:
    """Hand over the answers of finished requests, with one call into each event loop that waits for them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if isinstance(job.future, asyncio.Future):
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        elif not job.over:
            job.over = True
            job.future.set_result(job.outcome())
    for loop, mine in by_loop.items():
        _call(loop, _settle, mine)


def skip(canary: Job) -> None:
    """End a canary that need not be answered."""
    if not canary.over:
        canary.over = True
        canary.future.set_result(Answers([], canary.seconds))


def fail(job: Job, error: BaseException, index: int | None) -> None:
    """End a request with an error; one that is no fault of the caller is logged, without its message."""
    if not isinstance(error, RequestError) and not job.canary:  # who sends a canary wants to know what happened
        logger.error("internal error: %s", describe(error))
        where = "the request" if index is None else f"text {index}"
        message = f"the service failed to answer {where}; its log says where"
        error = RequestError(message, code="internal_error", index=index)
    elif not isinstance(error, Exception):  # such as a panic in Rust: it would end the thread that sent the canary
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    if isinstance(job.future, asyncio.Future):
        job.over = True  # at once: nothing more of it is to be run
        _call(job.future.get_loop(), _refuse, job, error)
    elif not job.over:
        job.over = True
        job.future.set_exception(error)


def _settle(jobs: Sequence[Job]) -> None:
    """In the event loop: end requests with their answers, those that still wait."""
    for job in jobs:
        job.over = True
        if not job.future.done():
            job.future.set_result(job.outcome())


def _refuse(job: Job, error: BaseException) -> None:
    """In the event loop: end a request with an error, if it still waits."""
    if not job.future.done():
        job.future.set_exception(error)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # the loop is closed: nobody waits any more
        logger.debug("an answer came after the event loop had ended")
