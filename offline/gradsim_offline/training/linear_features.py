"""The vectors that a linear classifier reads: TF-IDF of n-grams and, beside them, a trunk's outputs, standardised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gradsim_offline.training.linear_start import LinearStart, Trunk
from gradsim_offline.training.tfidf import TfIdf
from gradsim_offline.training.trunk_texts import TrunkTexts

SCALE = 0.03
"""Of a standardised output, beside TF-IDF vectors of unit length."""


@dataclass(frozen=True)
class LinearFeatures:
    """What a linear classifier reads of texts.

    Attributes:
        tfidf: Of their n-grams.
        texts: Reads them as the trunk does; ``None``: there is none.
        mean: Of the training texts' outputs, ``[width]``.
        deviation: Likewise, never 0.
    """

    tfidf: TfIdf
    texts: TrunkTexts | None
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, texts: Sequence[str], start: LinearStart, maximum_length: int) -> LinearFeatures:
        """Take the n-grams of training texts, and mean and deviation of the trunk's outputs of them."""
        tfidf, reader = TfIdf.of(texts, start.ngrams), trunk_texts(start.trunk, maximum_length)
        outputs = np.zeros((1, 0)) if reader is None else reader.outputs(texts).astype(np.float64)
        return cls(tfidf, reader, outputs.mean(axis=0), outputs.std(axis=0) + 1e-6)

    def vectors(self, texts: Sequence[str]) -> sparse.csr_array:
        """Return the vectors of normalised texts, ``[texts, rows + width]``."""
        vectors = self.tfidf.vectors(texts)
        if self.texts is None:
            return vectors
        outputs = (self.texts.outputs(texts) - self.mean) / self.deviation * SCALE
        return sparse.csr_array(sparse.hstack([vectors, sparse.csr_array(outputs.astype(np.float32))]))

    def head(
        self, weights: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights ``[labels, width]`` and bias of the trunk's outputs as they are.

        Args:
            weights: Of the vectors' last columns, ``[labels, width]``.
            bias: ``[labels]``.
        """
        plain = weights * SCALE / self.deviation
        return plain, bias - plain @ self.mean


def trunk_texts(trunk: Trunk | None, maximum_length: int) -> TrunkTexts | None:
    """Return what reads texts as a trunk does; ``None``: there is none."""
    return None if trunk is None else TrunkTexts.open(Path(trunk.directory), Path(trunk.outputs), maximum_length)
