"""The vectors that a linear classifier reads: TF-IDF of n-grams and, beside them, a trunk's outputs, standardised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gradsim_offline.training.linear_start import LinearStart
from gradsim_offline.training.tfidf import TfIdf
from gradsim_offline.training.trunk_texts import TrunkTexts

SCALE = 0.03
"""Of a standardised output, beside TF-IDF vectors of unit length."""


@dataclass(frozen=True)
class LinearFeatures:
    """What a linear classifier reads of texts.

    Attributes:
        tfidf: Of their n-grams.
        mean: Of the training texts' outputs, ``[width]``; empty: there is no trunk.
        deviation: Likewise, never 0.
    """

    tfidf: TfIdf
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(
        cls, texts: Sequence[str], start: LinearStart, maximum_length: int
    ) -> tuple[LinearFeatures, sparse.csr_array]:
        """Take the n-grams of normalised training texts, and mean and deviation of the trunk's outputs of them.

        Returns:
            That, and the vectors of the texts, ``[texts, rows + width]``, 32 bits each.
        """
        tfidf = TfIdf.of(texts, start.ngrams)
        vectors, none = tfidf.vectors(texts), np.zeros(0)
        if start.trunk is None:
            return cls(tfidf, none, none), vectors
        kept = TrunkTexts.open(Path(start.trunk.directory), Path(start.trunk.outputs), maximum_length)
        outputs = kept.outputs(texts)
        mean = outputs.mean(axis=0, dtype=np.float64)
        outputs -= mean
        deviation = np.sqrt(np.square(outputs).mean(axis=0, dtype=np.float64)) + 1e-6
        outputs *= SCALE / deviation
        both = sparse.csr_array(sparse.hstack([vectors, sparse.csr_array(outputs)]))
        return cls(tfidf, mean, deviation), both

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
