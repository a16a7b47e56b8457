"""The responses of the service as typed objects; fields that a newer service adds are ignored."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Endpoint = Literal["sentiment", "ner", "pos"]
Policy = Literal["best", "soft", "reject", "fallback"]


class _Schema(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Candidate(_Schema):
    """A language that a text may be in, and the group that serves it."""

    language: str
    confidence: float
    group: str


class Share(_Schema):
    """A group that took part in an answer, and its weight, 0 to 1."""

    group: str
    weight: float


class Route(_Schema):
    """Which language a text was taken for, which group answered, and why.

    Attributes:
        language: ISO 639-3; ``None`` when the text was taken for no language of the bundle.
        confidence: The identifier's probability of that language, 0 to 1; ``None``: the caller named it.
        group: Which group answered; of two, the likelier.
        collective_similarity: Of the language in that group; ``None``: it is no member.
        reason: ``given``, ``identified``, ``same_group``, ``soft``, ``too_short``, ``unknown`` or ``fallback``.
        group_confidence: Probability of the group, summed over its languages; ``None`` like ``confidence``.
        candidates: The likeliest languages, most likely first.
        mixture: The groups that answered; weights sum to 1.
        code_mixed: Parts of the text look like different languages.
    """

    language: str | None
    confidence: float | None
    group: str
    collective_similarity: float | None
    reason: str
    group_confidence: float | None = None
    candidates: tuple[Candidate, ...] = ()
    mixture: tuple[Share, ...] = ()
    code_mixed: bool = False


class _Prediction(_Schema):
    route: Route
    truncated: bool = False
    """The end of the text was not read: it was too long."""


class Sentiment(_Prediction):
    """The answer for one text at ``/sentiment``: the likeliest label, its probability, the probability of each."""

    label: str
    score: float
    scores: dict[str, float]


class Entity(_Schema):
    """A name: what it names, and where: ``text == sent[start:end]``."""

    type: str
    text: str
    start: int
    end: int
    score: float


class Entities(_Prediction):
    """The answer for one text at ``/ner``: its names in order; none overlap."""

    entities: tuple[Entity, ...]


class Word(_Schema):
    """A word and its part of speech: ``text == sent[start:end]``."""

    text: str
    start: int
    end: int
    tag: str
    score: float


class Words(_Prediction):
    """The answer for one text at ``/pos``: its words in order."""

    words: tuple[Word, ...]


Prediction = Sentiment | Entities | Words

SCHEMAS: dict[str, type[Sentiment] | type[Entities] | type[Words]] = {
    "sentiment": Sentiment,
    "ner": Entities,
    "pos": Words,
}


class ServedLanguage(_Schema):
    """One language that one endpoint serves.

    Attributes:
        code: ISO 639-3.
        collective_similarity: In the group that serves it.
        scores: Of the whole service path: ``{split: {metric: score}}``.
    """

    task: str
    endpoint: str
    code: str
    name: str
    aliases: tuple[str, ...]
    scripts: tuple[str, ...]
    group: str
    collective_similarity: float | None
    scores: dict[str, dict[str, float]]


class ServedGroup(_Schema):
    """One group of one bundle.

    Attributes:
        members: Languages that its model was trained on.
        serves: Languages that it answers for.
        fallback: It answers when the language is not known well enough.
        precision: Of the exported model that answers.
    """

    task: str
    endpoint: str
    bundle: str
    id: str
    members: tuple[str, ...]
    serves: tuple[str, ...]
    fallback: bool
    precision: str
