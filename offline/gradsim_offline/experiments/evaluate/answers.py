"""The answers to labelled texts, from a bundle here or a service over HTTP, and whether they can judge a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gradsim_offline.core.dataset import AnyExample, Dataset, Gold, RightAnswers, Split
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.excerpts import cut, listing, quoted
from gradsim_shared.nearest import nearest
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
        exact = [language for language in self.languages if language.code == code]
        return next(iter(exact or (language for language in self.languages if code in language.aliases)), None)


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
    """Answers texts for a bundle: in process, or over HTTP."""

    @property
    def target(self) -> Target:
        """The bundle."""

    def answers(self, examples: Sequence[AnyExample], language: str | None) -> Answers:
        """Answer texts of one language; ``None``: one that cannot be named, as it is not served."""


def put_together(parts: Sequence[Answers]) -> Answers:
    """Return the answers of several batches as one."""
    return Answers(
        _joined([part.routes for part in parts]) or [],
        _joined([part.given for part in parts]),
        _joined([part.identified for part in parts]),
        _joined([part.spans for part in parts]),
        _joined([part.refusals for part in parts]) or [],
    )


def _joined(pieces: Sequence[Sequence[Part] | None]) -> list[Part] | None:
    """Concatenate the batches of a column; ``None`` if it is missing in one."""
    there = [piece for piece in pieces if piece is not None]
    return [value for piece in there for value in piece] if len(there) == len(pieces) else None


def spans_of(prediction: Mapping[str, Any]) -> set[Span]:
    """Return the spans of a JSON prediction for tagged words: entities, or words with tags."""
    name, kind = ("entities", "type") if "entities" in prediction else ("words", "tag")
    return {(str(span[kind]), int(span["start"]), int(span["end"])) for span in prediction[name]}


def check_fits(target: Target, dataset: Dataset, split: Split) -> None:
    """Check that the data set has the bundle's task and no label that the bundle does not know.

    Raises:
        SettingsError: The data set is for another task.
        DataError: It has a label that the bundle does not know.
    """
    if dataset.task != target.task:
        raise SettingsError(
            f"{target.title} is for {target.task}, the data set {dataset.name} for {dataset.task}; "
            "name a bundle and a data set of one task"
        )
    for code, label, count in unknown_labels(target, dataset, split):
        guesses = nearest(label, target.labels, limit=1)
        meant = f"did you mean {cut(guesses[0])}? " if guesses else ""
        raise DataError(
            f"{dataset.name}: {split} of {code} has the label {quoted(label)} ({count} x), which {target.title} does "
            f"not know; {meant}it knows {listing(target.labels)}"
        )


def unknown_labels(target: Target, dataset: Dataset, split: Split) -> Iterator[tuple[str, str, int]]:
    """Yield language, label and count of each label that the bundle does not know."""
    for code in dataset.languages:
        golds = (gold for each in dataset.split(code, split) if not isinstance(gold := each.gold, RightAnswers))
        counts = Counter(label for gold in golds for label in ((gold,) if isinstance(gold, str) else gold))
        yield from ((code, label, count) for label, count in counts.items() if label not in target.labels)
