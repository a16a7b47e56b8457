"""When a request is sent again: exponential backoff with jitter, and ``Retry-After``."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpx

Failure = httpx.Response | httpx.TransportError

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
RETRIED_STATUSES = (429, 503)
"""Overloaded, or not ready."""
RETRIED_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
)
"""The service is not there, or went away; it may be asked again, since to answer a text twice changes nothing."""


class RetryPolicy(Protocol):
    """Decides about the next attempt at a request."""

    def pause(self, failure: Failure, attempts: int, waited: float) -> float | None:
        """Return the seconds until the next attempt; ``None``: there is none.

        Args:
            failure: What came of the last attempt.
            attempts: How many were made.
            waited: Seconds of all pauses so far.
        """


@dataclass(frozen=True, slots=True)
class Backoff:
    """Retries ``retries`` times, after pauses of random length whose bound doubles, and after ``Retry-After``."""

    retries: int

    def pause(self, failure: Failure, attempts: int, waited: float) -> float | None:  # noqa: ARG002
        """Return the seconds until the next attempt; ``None``: another one would not help, or there were enough."""
        if isinstance(failure, httpx.Response):
            is_retried, least = failure.status_code in RETRIED_STATUSES, retry_after(failure)
        else:
            is_retried, least = isinstance(failure, RETRIED_ERRORS), 0.0
        if not is_retried or attempts > self.retries:
            return None
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempts - 1))
        return least + random.uniform(longest / 2, longest)  # noqa: S311 - no secret; clients must not come in step


def retry_after(response: httpx.Response) -> float:
    """Return the seconds of ``Retry-After``, a number or a date; 0 where there is none."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0
