"""Class balance: how much two languages' label distributions overlap. A control for other measures."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.dataset import Dataset, RightAnswers
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import SettingsError


def measure(context: MeasureContext) -> Measured:
    """Compare the languages' shares of each label in the training texts (for tagging: of each tag in their words).

    ``S[i, j]`` is the sum over labels of the smaller share, 1 less the total variation distance: 1 for the same class
    balance, 0 where no label is common. Nothing is trained, and no text is read.
    """
    started = time.monotonic()
    shares = label_shares(context.dataset)
    matrix = np.minimum(shares[:, None], shares[None, :]).sum(axis=2)
    seconds = time.monotonic() - started
    return Measured("labels", context.dataset.languages, matrix, seconds=seconds)


def check(dataset: Dataset, _options: Any) -> None:  # noqa: ANN401 - there are none
    """Refuse questions.

    Raises:
        SettingsError: Answers have no labels.
    """
    if dataset.asks:
        raise SettingsError("measure labels compares how often labels are given, and answers to questions have none")


def label_shares(dataset: Dataset) -> NDArray[np.float64]:
    """Return the share of each label among a language's training examples, or words, ``[languages, labels]``."""
    counts = np.zeros((len(dataset.languages), len(dataset.labels)))
    for row, code in enumerate(dataset.languages):
        of_language: Counter[str] = Counter()
        for example in dataset.split(code, "train"):
            gold = () if isinstance(example.gold, RightAnswers) else example.gold
            of_language.update([gold] if isinstance(gold, str) else gold)
        counts[row] = [of_language[label] for label in dataset.labels]
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    return shares


PLUGIN = SimilarityMeasure(measure, check)
