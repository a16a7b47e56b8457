"""What ``Bundle.predict`` returns: the task's prediction, with its route and whether the text was cut."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gradsim_runtime.predictor import Answer
from gradsim_shared.decode import (
    multi_label_classification,
    question_answering,
    text_classification,
    token_classification,
)
from gradsim_shared.routing import Route


@dataclass(frozen=True, slots=True)
class LabelPrediction(text_classification.Prediction):
    """The likeliest label of a text, its probability, the probability of each label, and the route."""

    truncated: bool
    route: Route


@dataclass(frozen=True, slots=True)
class LabelsPrediction(multi_label_classification.Prediction):
    """The labels of a text, of which there may be none, the probability of each label, and the route."""

    truncated: bool
    route: Route


@dataclass(frozen=True, slots=True)
class EntitiesPrediction(token_classification.Entities):
    """The named entities of a text, and the route."""

    truncated: bool
    route: Route


@dataclass(frozen=True, slots=True)
class WordsPrediction(token_classification.Words):
    """The words of a text with their parts of speech, and the route."""

    truncated: bool
    route: Route


@dataclass(frozen=True, slots=True)
class AnswerPrediction(question_answering.Prediction):
    """The answer to a question, where it stands in the context, the likeliest spans, and the route."""

    truncated: bool
    route: Route


@dataclass(frozen=True, slots=True)
class OtherPrediction:
    """The prediction of a task that has no type of its own here: ``content`` is its decoder's."""

    content: Any
    truncated: bool
    route: Route


Prediction = (
    LabelPrediction | LabelsPrediction | EntitiesPrediction | WordsPrediction | AnswerPrediction | OtherPrediction
)

TYPES: dict[
    type, type[LabelPrediction | LabelsPrediction | EntitiesPrediction | WordsPrediction | AnswerPrediction]
] = {
    text_classification.Prediction: LabelPrediction,
    multi_label_classification.Prediction: LabelsPrediction,
    token_classification.Entities: EntitiesPrediction,
    token_classification.Words: WordsPrediction,
    question_answering.Prediction: AnswerPrediction,
}
"""By the type that the task's decoder makes."""


def prediction_of(answer: Answer) -> Prediction:
    """Return an answer as users get it."""
    content = answer.decoded.prediction
    typed = TYPES.get(type(content))
    if typed is None:
        return OtherPrediction(content, answer.truncated, answer.route)
    values = {field.name: getattr(content, field.name) for field in fields(content)}
    return typed(**values, route=answer.route, truncated=answer.truncated)
