"""The scheduler: one queue per group of each bundle, or for all groups on its trunk; none of them starves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.job import QueuedText

STARVATION_SECONDS = 0.02
"""After this wait a text goes before fuller queues: a few batches of a small model, less than one of a large one."""


@dataclass(slots=True, eq=False)
class TextQueue:
    """The texts that wait for one group's model, or for the trunk, in the order in which they were tokenised."""

    served: Served
    name: str
    texts: deque[QueuedText] = field(default_factory=deque)
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that run together: those of one queue."""

    served: Served
    queue: str
    texts: list[QueuedText]


class Scheduler:
    """Takes batches from all queues. Not thread-safe: the engine's lock guards it.

    Args:
        batch_tokens: A batch is full at so many tokens.
        starvation_seconds: After so long a text's queue comes before fuller ones.
    """

    def __init__(self, batch_tokens: int, starvation_seconds: float = STARVATION_SECONDS) -> None:
        self._batch_tokens = batch_tokens
        self._starvation_seconds = starvation_seconds
        self._queues: dict[tuple[int, str], TextQueue] = {}
        self._changed: dict[TextQueue, None] = {}  # since the last call of changes()
        self.texts = 0
        self.full = 0  # queues that hold a whole batch

    def add(self, texts: Iterable[QueuedText]) -> None:
        """Append texts to their queues."""
        for text in texts:
            served = text.job.served
            key = (id(served), text.queue)
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = TextQueue(served, text.queue)
            queue.texts.append(text)
            self._count(queue, 1, text.tokens)

    def changes(self) -> list[tuple[str, str, int]]:
        """Return endpoint, name and length of the queues that have changed since the last call.

        During a reload the old and the new bundle may both have a queue of the same name: their sum.
        """
        counts = dict.fromkeys(((queue.served.endpoint, queue.name) for queue in self._changed), 0)
        self._changed.clear()
        for queue in self._queues.values():
            if (queue.served.endpoint, queue.name) in counts:
                counts[queue.served.endpoint, queue.name] += len(queue.texts)
        return [(endpoint, name, texts) for (endpoint, name), texts in counts.items()]

    @property
    def has_several_batches(self) -> bool:
        """Whether there is a batch for more than one runner."""
        return len(self._queues) > 1 or self.full > 0

    def oldest(self) -> float | None:
        """Return the arrival time of the oldest text; ``None``: all queues are empty."""
        return min((queue.texts[0].job.arrived for queue in self._queues.values()), default=None)

    def take(self, now: float) -> Batch | None:
        """Take a batch from the fullest queue, or the one whose oldest text is starving; ended jobs are dropped.

        Returns:
            The batch; ``None`` if there was nothing to run.
        """
        for queue in list(self._queues.values()):
            while queue.texts and not queue.texts[0].job.is_live(now):
                self._pop(queue)
        if not self._queues:
            return None
        queue = self._next(now)
        texts: list[QueuedText] = []
        tokens = 0
        while queue.texts and (not texts or tokens + queue.texts[0].tokens <= self._batch_tokens):
            text = self._pop(queue)
            if text.job.is_live(now):
                texts.append(text)
                tokens += text.tokens
        return Batch(queue.served, queue.name, texts)

    def _next(self, now: float) -> TextQueue:
        """Return the queue to take from: where many share the traffic, the fullest makes the best batch."""
        oldest = min(self._queues.values(), key=lambda queue: queue.texts[0].job.arrived)
        if now - oldest.texts[0].job.arrived > self._starvation_seconds:
            return oldest
        return max(self._queues.values(), key=lambda queue: queue.tokens)

    def _pop(self, queue: TextQueue) -> QueuedText:
        """Take the oldest text of a queue; an empty queue is removed, and with it the reference to its bundle."""
        text = queue.texts.popleft()
        self._count(queue, -1, -text.tokens)
        if not queue.texts:
            del self._queues[id(queue.served), queue.name]
        return text

    def _count(self, queue: TextQueue, texts: int, tokens: int) -> None:
        was_full = queue.tokens >= self._batch_tokens
        queue.tokens += tokens
        self._changed[queue] = None
        self.texts += texts
        self.full += (queue.tokens >= self._batch_tokens) - was_full
