"""The admission queue: jobs that are not preprocessed yet; and the throughput estimate behind ``Retry-After``."""

from __future__ import annotations

import math
from collections import deque

from gradsim_serving.engine.job import Job, JobSlice
from gradsim_shared.segments import length_of

TEXTS_AT_ONCE = 128
"""Texts that are identified and tokenised in one step; more would keep the models waiting."""

CHARACTERS_AT_ONCE = 32_768
"""Characters in one step: 128 texts of 256; more only where a single text is longer."""

LATEST_BATCH_WEIGHT = 0.1
"""Of the latest batch in the moving average: it follows a change of load within some ten batches."""

LONGEST_RETRY_SECONDS = 30
"""Upper bound of ``Retry-After``: by then the load may be another."""


class AdmissionQueue:
    """Jobs that wait for preprocessing, first in, first out; of a large one, a slice in each round.

    Not thread-safe: the engine's lock guards it.
    """

    def __init__(self) -> None:
        self._slices: deque[JobSlice] = deque()
        self.texts = 0

    def __len__(self) -> int:
        return len(self._slices)

    def add(self, job: Job) -> None:
        """Append a job."""
        self._push(JobSlice(job, 0, len(job.texts)))

    def take(self, now: float) -> list[JobSlice]:
        """Take what is to be preprocessed next: whole jobs, or a slice of one that is too large for one step.

        The rest of a sliced job goes to the end of the queue, behind small jobs. Jobs that have ended are dropped.
        """
        taken: list[JobSlice] = []
        texts, characters = TEXTS_AT_ONCE, CHARACTERS_AT_ONCE  # that may still be taken
        while self._slices:
            head = self._slices[0]
            if not head.job.is_live(now):
                self._pop()
                continue
            last, size = _fitting(head, texts, characters)
            if last < head.last and taken:
                break
            self._pop()
            if last < head.last:
                if last == head.first:  # a single text beyond the bound is taken alone
                    last, size = head.first + 1, characters
                head, rest = JobSlice(head.job, head.first, last), JobSlice(head.job, last, head.last)
                if rest.first < rest.last:
                    self._push(rest)
            taken.append(head)
            texts -= head.last - head.first
            characters -= size
        return taken

    def _push(self, job_slice: JobSlice) -> None:
        self._slices.append(job_slice)
        self.texts += job_slice.last - job_slice.first

    def _pop(self) -> None:
        job_slice = self._slices.popleft()
        self.texts -= job_slice.last - job_slice.first


def _fitting(job_slice: JobSlice, texts: int, characters: int) -> tuple[int, int]:
    """Return the end of the part of a slice that has at most so many texts and characters, and its characters."""
    size = 0
    last = min(job_slice.last, job_slice.first + texts)
    for index in range(job_slice.first, last):
        length = length_of(job_slice.job.texts[index])
        if size + length > characters:
            return index, size
        size += length
    return last, size


class ThroughputEstimate:
    """A moving average of texts per second, times the batches that run at the same time.

    Not thread-safe: the engine's lock guards it.

    Args:
        runners: Batches that run at the same time.
    """

    def __init__(self, runners: int) -> None:
        self._runners = runners
        self._texts_per_second: float | None = None  # of one runner

    def record(self, texts: int, seconds: float) -> None:
        """Add a batch of so many texts that took so long."""
        latest = texts / max(seconds, 1e-6)
        before = latest if self._texts_per_second is None else self._texts_per_second
        self._texts_per_second = (1 - LATEST_BATCH_WEIGHT) * before + LATEST_BATCH_WEIGHT * latest

    def retry_after_seconds(self, texts: int) -> int:
        """Return after how many seconds so many texts will have run, 1 to 30; 1 while no batch has run yet."""
        if not self._texts_per_second:
            return 1
        seconds = math.ceil(texts / (self._texts_per_second * self._runners))
        return min(max(seconds, 1), LONGEST_RETRY_SECONDS)
