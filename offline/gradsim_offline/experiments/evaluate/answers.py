"""What labelled texts were answered: the same form whether a bundle was asked here, or a service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gradsim_offline.core.dataset import AnyExample, Gold
from gradsim_shared.routing import Route

Part = TypeVar("Part")

Span = tuple[str, int, int]
"""Entity type, or part of speech, with start and end in code points of the text."""


@dataclass(frozen=True, slots=True)
class ServedLanguage:
    """One language that is served.

    Attributes:
        code: ISO 639-3.
        group: The group that serves it.
        aliases: Its other codes.
    """

    code: str
    group: str
    aliases: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """The bundle that is scored.

    Attributes:
        title: Its name and version.
        task: What it predicts.
        labels: The labels that it knows.
        languages: The languages that it serves.
    """

    title: str
    task: str
    labels: Sequence[str]
    languages: Sequence[ServedLanguage]

    def serving(self, code: str) -> ServedLanguage | None:
        """Return the served language that a code of the data stands for; ``None``: there is none."""
        exact = [one for one in self.languages if one.code == code]
        return next(iter(exact or (one for one in self.languages if code in one.aliases)), None)


@dataclass(frozen=True)
class Answers:
    """What some texts were answered, in their order. A text that was refused has ``None`` in each column.

    Attributes:
        routes: Whom each text went to with its language identified.
        given: The answers with the language named; ``None``: it was not named.
        identified: The answers with the language identified; ``None``: words cannot be sent.
        spans: What was found in the raw texts, for tasks that tag words; ``None``: the task does not.
        refusals: Why texts were refused, once for each.
    """

    routes: Sequence[Route | None]
    given: Sequence[Gold | None] | None
    identified: Sequence[Gold | None] | None
    spans: Sequence[set[Span] | None] | None
    refusals: Sequence[str] = ()


class Answerer(Protocol):
    """Whoever answers for a bundle."""

    @property
    def target(self) -> Target:
        """The bundle."""

    def answers(self, examples: Sequence[AnyExample], language: str | None) -> Answers:
        """Answer texts of one language; ``None``: one that cannot be named, as it is not served."""


def put_together(parts: Sequence[Answers]) -> Answers:
    """Return the answers of several batches as one."""
    return Answers(
        _whole([part.routes for part in parts]) or [],
        _whole([part.given for part in parts]),
        _whole([part.identified for part in parts]),
        _whole([part.spans for part in parts]),
        _whole([part.refusals for part in parts]) or [],
    )


def _whole(pieces: Sequence[Sequence[Part] | None]) -> list[Part] | None:
    """Join a column's pieces; it is there in all batches or in none."""
    there = [piece for piece in pieces if piece is not None]
    return [one for piece in there for one in piece] if len(there) == len(pieces) else None


def spans_of(prediction: Mapping[str, Any]) -> set[Span]:
    """Return what a prediction for tagged words, as JSON has it, says of its text: entities, or words with tags."""
    name, kind = ("entities", "type") if "entities" in prediction else ("words", "tag")
    return {(str(one[kind]), int(one["start"]), int(one["end"])) for one in prediction[name]}
