"""Decode a text classifier: logits to a label, its score and the scores of all labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUTE_NAME = "sentiment"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text: the likeliest label, its probability, and the probability of each label."""

    label: str
    score: float
    scores: dict[str, float]


def decode(logits: NDArray[np.floating], labels: Sequence[str]) -> list[Prediction]:
    """Turn logits into predictions.

    Args:
        logits: ``[texts, labels]``.
        labels: Names of the columns of ``logits``.

    Returns:
        One prediction per row. Ties go to the label that stands first.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels")
    if not np.isfinite(logits).all():
        raise ValueError("the model's outputs are not finite")
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)  # [texts, labels]
    return [_prediction(row, labels) for row in probabilities]


def _prediction(probabilities: NDArray[np.float64], labels: Sequence[str]) -> Prediction:
    best = int(probabilities.argmax())
    scores = {label: float(probability) for label, probability in zip(labels, probabilities, strict=True)}
    return Prediction(labels[best], scores[labels[best]], scores)
