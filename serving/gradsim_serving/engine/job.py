"""What goes through the engine: a job for each request, a queue entry for each text and group, a result."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_serving.bundles.served import Served
from gradsim_shared.decoding import Reading
from gradsim_shared.manifest import TRUNK, Policy
from gradsim_shared.routing import Route
from gradsim_shared.segments import Sent

AnyFuture = asyncio.Future["JobResult"] | concurrent.futures.Future["JobResult"]


@dataclass(frozen=True, slots=True)
class TextResult:
    """The result for one text.

    Attributes:
        prediction: An instance of the task's ``prediction_type``.
        route: The identified or given language, the group that answered, and the reason.
        truncated: Whether a model that answered did not read all of the text.
        bundle: ``name@version`` of the bundle that answered.
    """

    prediction: Any
    route: Route
    truncated: bool
    bundle: str


class JobResult(list[TextResult]):
    """The results of a job's texts, in their order, and the time of each stage: ``{stage: seconds}``."""

    __slots__ = ("seconds",)

    def __init__(self, results: Iterable[TextResult], seconds: dict[str, float]) -> None:
        super().__init__(results)
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class Job:
    """The texts of one request on their way through the engine.

    Attributes:
        served: The bundle that was served when the request was admitted; a reload does not change it.
        texts: The texts.
        routes: Of each text; ``None`` until its language is identified.
        policy: For texts of uncertain language; ``None``: the bundle's.
        deadline: On the clock of ``time.monotonic``.
        future: Receives the result or the error.
        arrived: On the same clock.
        results: By index, of the texts that are finished.
        seconds: Time that each stage took.
        canary: A health check of ours: not counted in any metric.
        only_in_memory: A canary that is skipped, instead of loading a model, where the group was unloaded.
        complete: There is a result for each text.
        ended: It has its result or error, or its caller has gone: its queued texts are dropped.
    """

    served: Served
    texts: Sequence[Sent]
    routes: list[Route | None]
    policy: Policy | None
    deadline: float
    future: AnyFuture
    arrived: float = field(default_factory=time.monotonic)
    results: dict[int, TextResult] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    canary: bool = False
    only_in_memory: bool = False
    complete: bool = False
    ended: bool = False

    def is_live(self, now: float) -> bool:
        """Whether a caller still waits for it, and its deadline has not passed."""
        return not self.ended and now <= self.deadline

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Add to the time of a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def result(self) -> JobResult:
        """Return the results, once there is one for each text."""
        return JobResult([self.results[index] for index in range(len(self.texts))], self.seconds)


@dataclass(frozen=True, slots=True, eq=False)
class JobSlice:
    """Texts ``first`` to ``last - 1`` of a job, preprocessed together: all of a usual job, a part of a large one."""

    job: Job
    first: int
    last: int


@dataclass(slots=True, eq=False)
class Mixture:
    """The shared state of a text that several groups answer together.

    Attributes:
        groups: How many groups answer.
        truncated: Whether a model did not read all of the text.
        probabilities: Group to its weight times its probabilities, ``[units, labels]``; filled as they run.
    """

    groups: int
    truncated: bool = False
    probabilities: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class QueuedText:
    """A tokenised text that waits for one group's answer.

    Attributes:
        job: The request's job.
        index: Of the text in the job.
        group: Whose model is to run.
        route: Of the text.
        reading: The text as that model reads it.
        tokens: Length, padded to the model's multiple but not to other texts; 0 where it waits for another group on
            the same trunk as well, which runs once for both.
        weight: Of this group's probabilities in the result; 1 where it answers alone.
        mixture: Shared with the other groups that answer; ``None`` where it answers alone.
        on_trunk: Whether the group's model stands on the bundle's trunk.
    """

    job: Job
    index: int
    group: str
    route: Route
    reading: Reading
    tokens: int
    weight: float = 1.0
    mixture: Mixture | None = None
    on_trunk: bool = False

    @property
    def queue(self) -> str:
        """Where it waits: of its group, or of all groups on the trunk."""
        return TRUNK if self.on_trunk else self.group
