"""Identify languages: the bundle's fastText model, calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import fasttext
import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import BundleError
from gradsim_shared.identifier_text import identifier_text


class LanguageIdentifier:
    """Says how likely each language is for a text. It may be asked from several threads."""

    def __init__(self, path: Path, labels: Mapping[str, str], temperature: float) -> None:
        """Load the model.

        Args:
            path: The fastText model.
            labels: fastText label -> language code; several labels may name one language.
            temperature: Probabilities are raised to 1/temperature and renormalised over the model's labels.

        Raises:
            BundleError: The file is no fastText model, or knows none of the labels.
        """
        try:
            self._model = fasttext.load_model(str(path))
            names = list(self._model.get_labels())
        except (ValueError, MemoryError) as error:
            raise BundleError(f"{path} is no fastText model that can be read: {error}") from error
        self._columns = {name: column for column, name in enumerate(names)}
        self._codes = sorted(set(labels.values()))
        self._temperature = temperature
        # [labels, languages]: adds up the labels that name one language; a label of no language counts for none
        self._sums = np.zeros((len(names), len(self._codes)))
        for column, name in enumerate(names):
            if name in labels:
                self._sums[column, self._codes.index(labels[name])] = 1.0
        if not self._sums.any():
            raise BundleError(f"{path} knows none of the labels that the manifest names, such as {next(iter(labels))}")

    def probabilities(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return ``{language: probability}`` for each text; uniform when nothing of the text is left to judge by."""
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
        sharpened = np.maximum(raw, 1e-12) ** (1.0 / self._temperature)
        return np.asarray(sharpened / sharpened.sum(axis=1, keepdims=True))
