"""Texts that wait, one queue per group of each bundle: the fullest goes first, but nobody is passed over for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.job import Waiting

PASSED_OVER_SECONDS = 0.02
"""No text waits longer than this for fuller queues: a few batches of a small model, less than one of a large one."""


@dataclass(slots=True, eq=False)
class Queue:
    """The texts that wait for one group's model, in the order in which they were read."""

    served: Served
    group: str
    texts: deque[Waiting] = field(default_factory=deque)
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that run together in one group's model."""

    served: Served
    group: str
    texts: list[Waiting]


class Queues:
    """All queues of the engine. It is not safe to be used from several threads: the engine's lock guards it.

    Args:
        batch_tokens: A batch is full at so many tokens.
        passed_over_seconds: After so long a text's queue comes before fuller ones.
    """

    def __init__(self, batch_tokens: int, passed_over_seconds: float = PASSED_OVER_SECONDS) -> None:
        self._batch_tokens = batch_tokens
        self._passed_over_seconds = passed_over_seconds
        self._queues: dict[tuple[int, str], Queue] = {}
        self._changed: dict[Queue, None] = {}  # since somebody asked
        self.texts = 0
        self.full = 0  # queues that hold a whole batch

    def add(self, texts: Iterable[Waiting]) -> None:
        """Let texts wait for their groups."""
        for waiting in texts:
            served = waiting.job.served
            key = (id(served), waiting.group)
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = Queue(served, waiting.group)
            queue.texts.append(waiting)
            self._count(queue, 1, waiting.tokens)

    def changes(self) -> list[tuple[str, str, int]]:
        """Return the endpoints and groups whose queues have changed since the last call, and how many texts wait there.

        While a bundle is exchanged, the old and the new one may have texts for a group of the same name: their sum.
        """
        counts = dict.fromkeys(((queue.served.endpoint, queue.group) for queue in self._changed), 0)
        self._changed.clear()
        for queue in self._queues.values():
            if (queue.served.endpoint, queue.group) in counts:
                counts[queue.served.endpoint, queue.group] += len(queue.texts)
        return [(endpoint, group, texts) for (endpoint, group), texts in counts.items()]

    @property
    def more_than_one(self) -> bool:
        """Whether there is a batch for more than one runner."""
        return len(self._queues) > 1 or self.full > 0

    def oldest(self) -> float | None:
        """Return when the text that has waited longest arrived; ``None``: none waits."""
        return min((queue.texts[0].job.arrived for queue in self._queues.values()), default=None)

    def take(self, now: float) -> Batch | None:
        """Take a batch from the fullest queue, unless a text was passed over for long; unwanted texts are dropped.

        Returns:
            The batch; ``None`` if there was nothing to run.
        """
        for queue in list(self._queues.values()):
            while queue.texts and not queue.texts[0].job.wanted(now):
                self._pop(queue)
        if not self._queues:
            return None
        queue = self._next(now)
        texts: list[Waiting] = []
        tokens = 0
        while queue.texts and (not texts or tokens + queue.texts[0].tokens <= self._batch_tokens):
            waiting = self._pop(queue)
            if waiting.job.wanted(now):
                texts.append(waiting)
                tokens += waiting.tokens
        return Batch(queue.served, queue.group, texts)

    def _next(self, now: float) -> Queue:
        """Return the queue to take from: where many groups share the traffic, the fullest makes the best batch."""
        oldest = min(self._queues.values(), key=lambda queue: queue.texts[0].job.arrived)
        if now - oldest.texts[0].job.arrived > self._passed_over_seconds:
            return oldest
        return max(self._queues.values(), key=lambda queue: queue.tokens)

    def _pop(self, queue: Queue) -> Waiting:
        """Take the oldest text of a queue; an empty queue goes, and with it the hold on a bundle served no more."""
        waiting = queue.texts.popleft()
        self._count(queue, -1, -waiting.tokens)
        if not queue.texts:
            del self._queues[id(queue.served), queue.group]
        return waiting

    def _count(self, queue: Queue, texts: int, tokens: int) -> None:
        was_full = queue.tokens >= self._batch_tokens
        queue.tokens += tokens
        self._changed[queue] = None
        self.texts += texts
        self.full += (queue.tokens >= self._batch_tokens) - was_full
