"""What ``Bundle.predict`` returns: the task's prediction, with its route and whether the text was cut."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gradsim_runtime.predictor import Answer
from gradsim_shared.decode import text_classification, token_classification
from gradsim_shared.routing import Route


@dataclass(frozen=True, slots=True)
class LabelPrediction(text_classification.Prediction):
    """The likeliest label of a text, its probability, the probability of each label, and the route."""

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


Prediction = LabelPrediction | EntitiesPrediction | WordsPrediction

TYPES: dict[type, type[LabelPrediction] | type[EntitiesPrediction] | type[WordsPrediction]] = {
    text_classification.Prediction: LabelPrediction,
    token_classification.Entities: EntitiesPrediction,
    token_classification.Words: WordsPrediction,
}
"""By the type that the task's decoder makes."""


def prediction_of(answer: Answer) -> Prediction:
    """Return an answer as users get it."""
    content = answer.decoded.prediction
    values = {field.name: getattr(content, field.name) for field in fields(content)}
    return TYPES[type(content)](**values, route=answer.route, truncated=answer.truncated)
