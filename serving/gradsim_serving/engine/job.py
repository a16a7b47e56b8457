"""What goes through the engine: a request's job, a text that waits for a group's model, an answer."""

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
from gradsim_shared.manifest import Policy
from gradsim_shared.routing import Route

AnyFuture = asyncio.Future["Answers"] | concurrent.futures.Future["Answers"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one text.

    Attributes:
        prediction: An instance of the task's ``prediction_type``.
        route: Which language the text was taken for, which group answered, and why.
        truncated: Whether a model that answered did not read all of the text.
        bundle: ``name@version`` of the bundle that answered.
    """

    prediction: Any
    route: Route
    truncated: bool
    bundle: str


class Answers(list[Answer]):
    """The answers of one request, in its order, and where its time went: ``{stage: seconds}``."""

    __slots__ = ("seconds",)

    def __init__(self, answers: Iterable[Answer], seconds: dict[str, float]) -> None:
        super().__init__(answers)
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class Job:
    """One request.

    Attributes:
        served: The bundle that was served when the request came: a reload in between changes nothing for it.
        texts: Its texts.
        routes: Of each; ``None`` while the language is to be identified.
        policy: For texts whose language is not sure; ``None``: the bundle's.
        deadline: On the clock of ``time.monotonic``.
        future: Where the outcome is awaited.
        arrived: On the same clock.
        answers: By index, of the texts that are finished.
        seconds: Time that each stage took.
        complete: There is an answer for each text.
        canary: It is no request of a client: nothing is counted.
        only_in_memory: A group that has been unloaded need not answer; no model is loaded for this.
        over: There is an outcome, or nobody wants one any more: what waits of it is thrown away, not run.
    """

    served: Served
    texts: Sequence[str]
    routes: list[Route | None]
    policy: Policy | None
    deadline: float
    future: AnyFuture
    arrived: float = field(default_factory=time.monotonic)
    answers: dict[int, Answer] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    canary: bool = False
    only_in_memory: bool = False
    complete: bool = False
    over: bool = False

    def wanted(self, now: float) -> bool:
        """Whether it is worth working for."""
        return not self.over and now <= self.deadline

    def spent(self, stage: str, seconds: float) -> None:
        """Note that a stage took so long."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def outcome(self) -> Answers:
        """Return the answers, once there is one for each text."""
        return Answers([self.answers[index] for index in range(len(self.texts))], self.seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Texts of a request that are read together: all of a usual one, a slice of a large one.

    Attributes:
        job: The request.
        first: Its first text that is meant.
        last: Behind its last one.
    """

    job: Job
    first: int
    last: int


@dataclass(slots=True, eq=False)
class Mixing:
    """A text that several groups answer: what they have said so far.

    Attributes:
        groups: How many there are.
        cut: Whether any of them did not read all of the text.
        said: Group to its weight times its probabilities, ``[units, labels]``.
    """

    groups: int
    cut: bool = False
    said: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Waiting:
    """A text that waits for one group's model.

    Attributes:
        job: The request that it came with.
        index: Of the text in the request.
        group: Whose model is to run.
        route: Of the text.
        reading: The text as that model gets it.
        tokens: That the model will see, without padding to others' length.
        weight: Of this group's probabilities in the answer; 1 where it answers alone.
        mixing: Shared with the other groups that answer; ``None`` where it answers alone.
    """

    job: Job
    index: int
    group: str
    route: Route
    reading: Reading
    tokens: int
    weight: float = 1.0
    mixing: Mixing | None = None
