"""A text as it was sent: one string, or two segments, such as a premise and a hypothesis, that are read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gradsim_shared.normalisation import NEWEST, normalise


class Pair(NamedTuple):
    """Two segments that a model reads at once."""

    first: str
    second: str


class Question(Pair):
    """A question and the context that it is to be answered from: both are read at once."""

    __slots__ = ()

    @property
    def question(self) -> str:
        """Return what is asked."""
        return self.first

    @property
    def context(self) -> str:
        """Return where the answer stands."""
        return self.second


Sent = str | Pair
"""One string, or two segments."""

Given = str | Sequence[str | None] | None
"""The language of a text as a caller names it; of a pair also a list with that of each of its two texts."""

Languages = str | Sequence[Given] | None
"""Of all texts, or of each; ``None``: it is identified."""


def segments(text: Sent) -> tuple[str, ...]:
    """Return the strings that a text is made of: one, or two."""
    return text if isinstance(text, Pair) else (text,)


def normalised(text: Sent, version: int = NEWEST) -> Sent:
    """Return a text whose segments are normalised."""
    if isinstance(text, Pair):
        return type(text)(*(normalise(segment, version) for segment in text))
    return normalise(text, version)


def length_of(text: Sent) -> int:
    """Return how many characters a text has."""
    return sum(map(len, segments(text)))


HOLDS: Mapping[type, str] = {str: "texts", Pair: "pairs", Question: "questions"}
"""The field of a request that holds what a bundle answers, by its type."""


def field_of(texts: Sequence[Sent]) -> str:
    """Return the field of a request that holds these texts: ``texts``, ``pairs`` or ``questions``."""
    return HOLDS[type(texts[0])] if texts else "texts"


def as_json(text: Sent) -> object:
    """Return a text as it stands in a request: a string, a list of two, or an object with question and context."""
    if isinstance(text, Question):
        return {"question": text.question, "context": text.context}
    return list(text) if isinstance(text, Pair) else text
