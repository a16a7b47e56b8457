"""From a fastText model's output to calibrated language probabilities: the same for scores and for served answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import BundleError
from gradsim_shared.identifier_text import identifier_text


class FastTextModel(Protocol):
    """The part of fastText's model that is used."""

    def predict(self, text: list[str], k: int, threshold: float) -> tuple[Any, Any]:
        """Return labels and probabilities, one list each per text."""

    def get_labels(self) -> list[str]:
        """Return every label."""


class LanguageIdentifier:
    """Says how likely each language is for a text. It may be asked from several threads.

    Args:
        model: A fastText model.
        labels: fastText label -> language code; several labels may name one language.
        temperature: Probabilities are raised to 1/temperature and renormalised over the model's labels.

    Raises:
        BundleError: The model knows none of the labels.
    """

    def __init__(self, model: FastTextModel, labels: Mapping[str, str], temperature: float) -> None:
        names = list(model.get_labels())
        self._model = model
        self._columns = {name: column for column, name in enumerate(names)}
        self._codes = sorted(set(labels.values()))
        self._temperature = temperature
        # [labels, languages]: adds up the labels that name one language; a label of no language counts for none
        self._sums = np.zeros((len(names), len(self._codes)))
        for column, name in enumerate(names):
            if name in labels:
                self._sums[column, self._codes.index(labels[name])] = 1.0
        if not self._sums.any():
            raise BundleError(f"the identifier knows none of its labels, such as {next(iter(labels))}")

    def probabilities(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return ``{language: probability}`` for each text; uniform when nothing of the text is left to judge by."""
        if not texts:
            return []
        cleaned = [identifier_text(text) for text in texts]
        summed = self._calibrated(cleaned) @ self._sums  # [texts, languages]
        summed[[not text for text in cleaned]] = 1.0 / len(self._codes)
        return [dict(zip(self._codes, map(float, row), strict=True)) for row in summed]

    def _calibrated(self, cleaned: list[str]) -> NDArray[np.float64]:
        """Return probabilities ``[texts, labels]`` that sum to 1 for each text."""
        labels, values = self._model.predict(cleaned, k=-1, threshold=0.0)  # one list per text: NumPy 2 breaks str
        raw = np.zeros((len(cleaned), len(self._columns)))
        for row, (names, probabilities) in enumerate(zip(labels, values, strict=True)):
            raw[row, [self._columns[name] for name in names]] = probabilities
        return calibrate(raw, self._temperature)


def calibrate(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Raise probabilities ``[texts, labels]`` to 1/temperature and make each row sum to 1 again."""
    sharpened = np.maximum(probabilities, 1e-12) ** (1.0 / temperature)
    return np.asarray(sharpened / sharpened.sum(axis=1, keepdims=True))
