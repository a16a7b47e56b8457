"""What both clients are set up with: address, key, limits."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from gradsim_serving.client.attempts import Attempts
from gradsim_shared.errors import SettingsError

BYTES_PER_REQUEST = 2**19
"""Half of what the service takes by default."""

LONGEST_SECONDS = 999_999.0
"""The most that the header can say, and half of what a socket can be told to wait; longer counts as no limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to try, and how much to send at once; ``timeout_seconds`` of ``None`` or infinity means no limit.

    Raises:
        SettingsError: One of them is not possible.
    """

    timeout_seconds: float | None
    retries: int
    texts_per_request: int

    def __post_init__(self) -> None:
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise SettingsError(f"timeout_seconds is {self.timeout_seconds}; it must be above 0")
        if self.retries < 0:
            raise SettingsError(f"retries is {self.retries}; it must be 0 or more")
        if self.texts_per_request < 1:
            raise SettingsError(f"texts_per_request is {self.texts_per_request}; it must be 1 or more")

    def deadline(self) -> float:
        """Return when a call that begins now must end, on the clock of ``time.monotonic``."""
        return time.monotonic() + self.seconds

    @property
    def seconds(self) -> float:
        """How long one call may take."""
        return math.inf if self.timeout_seconds is None else self.timeout_seconds

    def attempts(self, deadline: float, offset: int = 0) -> Attempts:
        """Return the attempts at one request of that call."""
        return Attempts(deadline, self.retries, offset)


def headers(api_key: str | None) -> dict[str, str]:
    """Return what every request carries."""
    try:
        name = f"gradsim-client/{version('gradsim-router')}"
    except PackageNotFoundError:  # run from the sources
        name = "gradsim-client"
    found = {"User-Agent": name, "Content-Type": "application/json", "Accept": "application/json"}
    return found | ({"Authorization": f"Bearer {api_key}"} if api_key else {})


def time_left(seconds: float) -> dict[str, str]:
    """Return the header that tells the service when nobody waits for the answer any more; none where that is never."""
    return {"X-Request-Timeout-Ms": str(math.ceil(1000 * seconds))} if seconds <= LONGEST_SECONDS else {}


def patience(seconds: float) -> float | None:
    """Return how long httpx is to wait for one answer; ``None``: as long as it takes."""
    return seconds if seconds <= LONGEST_SECONDS else None
