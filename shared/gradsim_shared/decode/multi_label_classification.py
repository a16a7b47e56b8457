"""Several labels per text, or none: each by itself, where its probability reaches its threshold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decode.text_classification import Reader as Reader  # noqa: PLC0414 - texts are read alike
from gradsim_shared.decode.text_classification import apart as apart  # noqa: PLC0414
from gradsim_shared.decode.text_classification import gather as gather  # noqa: PLC0414
from gradsim_shared.decoding import SMALLEST_PROBABILITY, Decoded, Logits, Reading, Text, check_logits

READS = "text"
UNTUNED = 0.5
"""The threshold of a label where none was tuned."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text: the labels that it has, in the bundle's order, and the probability of each label."""

    labels: list[str]
    scores: dict[str, float]


def route_name(_labels: Sequence[str]) -> str:
    """Return the name of the endpoint."""
    return "labels"


def prediction_type(_labels: Sequence[str]) -> type[Prediction]:
    """Return the dataclass of one served prediction."""
    return Prediction


def probabilities(logits: Logits, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the logistic function of ``[texts, labels]``: of labels that do not exclude each other.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    check_logits(logits, labels)
    exact = logits.astype(np.float64)
    small = np.exp(-np.abs(exact))  # never overflows
    found: NDArray[np.float64] = np.where(exact >= 0, 1.0, small) / (1 + small)
    return found


def mixed_logits(weighted: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return logits of an answer that several groups give: the log-odds of the sum of their weighted probabilities.

    Args:
        weighted: Of each group P(group) times its probabilities, ``[1, labels]``.
    """
    total: NDArray[np.float64] = np.sum(list(weighted), axis=0)
    return np.log(np.maximum(total, SMALLEST_PROBABILITY)) - np.log(np.maximum(1 - total, SMALLEST_PROBABILITY))


def decode(
    logits: Sequence[Logits],
    _texts: Sequence[Text],
    _reading: Reading,
    labels: Sequence[str],
    thresholds: Sequence[float] = (),
) -> list[Decoded]:
    """Turn logits, ``[1, labels]`` each, into the labels whose probability is not below their threshold.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    if not logits:
        return []
    chances = probabilities(np.concatenate(logits), labels)
    chosen = chances >= np.array(thresholds or [UNTUNED] * len(labels))
    return [_decoded(row, have, labels) for row, have in zip(chances.tolist(), chosen.tolist(), strict=True)]


def _decoded(chances: Sequence[float], chosen: Sequence[bool], labels: Sequence[str]) -> Decoded:
    answer = tuple(label for label, has in zip(labels, chosen, strict=True) if has)
    return Decoded(answer, Prediction(list(answer), dict(zip(labels, chances, strict=True))))
