"""How many texts a second run, and so how long those that wait will take."""

from __future__ import annotations

import math

SHARE = 0.1
"""Of the latest batch in the average: it follows a change of load within some ten batches."""

LONGEST_SECONDS = 30
"""Nobody is told to stay away for longer: by then the load may be another."""


class Pace:
    """The mean pace of a batch, times the batches that run at the same time.

    It is not safe to be used from several threads: the engine's lock guards it.

    Args:
        runners: Batches that run at the same time.
    """

    def __init__(self, runners: int) -> None:
        self._runners = runners
        self._texts_per_second: float | None = None  # of one runner

    def ran(self, texts: int, seconds: float) -> None:
        """Note that a batch of so many texts took so long."""
        latest = texts / max(seconds, 1e-6)
        before = latest if self._texts_per_second is None else self._texts_per_second
        self._texts_per_second = (1 - SHARE) * before + SHARE * latest

    def seconds(self, texts: int) -> int:
        """Return after how many seconds so many texts will have run: 1 to 30; 1 while no batch has run yet."""
        if not self._texts_per_second:
            return 1
        return min(max(math.ceil(texts / (self._texts_per_second * self._runners)), 1), LONGEST_SECONDS)
