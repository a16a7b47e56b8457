"""How often a text's translation is the nearest of all: by cosine, and by margin; a block of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 4
"""k of the margin: Artetxe & Schwenk 2019, section 3.2, and Fan et al. 2021."""
BLOCK = 1024
"""Rows whose scores are in memory at once."""
_LEAST = 1e-9  # of the margin's divisor: below 0 it would turn the order round

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """Shares of texts whose translation is the nearest, 0 to 1: from the first language to the second, and back."""

    cosine: tuple[float, float]
    margin: tuple[float, float]


def accuracies(first: Vectors, second: Vectors, block: int = BLOCK) -> Accuracy:
    """Judge vectors of texts, ``[texts, width]`` each; row n of one is the translation of row n of the other.

    The margin of x and y is the ratio of their cosine to the mean of those with their k nearest on the other side:
    cos(x, y) / (mean_k(x) / 2 + mean_k(y) / 2); where that mean is not above 0, as among few texts, it counts as 1e-9.
    All cosines are never in memory at once: they are computed block by block, once for the nearest by cosine and these
    means, and once for the nearest by margin.

    Args:
        first: Of the one language.
        second: Of the other.
        block: Rows at a time.
    """
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True).clip(min=1e-300) for each in (first, second))
    many, k = len(one), min(NEIGHBOURS, len(one))
    forth, back = _Best(many), _Best(many)
    near_one, near_other = np.empty(many), np.full((k, many), -np.inf)
    blocks = [slice(start, start + block) for start in range(0, many, block)]
    for rows in blocks:
        cosines = one[rows] @ other.T  # [block, texts]
        forth.rows(rows, cosines)
        back.columns(rows, cosines)
        near_one[rows] = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
        near_other = np.partition(np.concatenate([near_other, cosines]), -k, axis=0)[-k:]
    cosine = forth.share, back.share
    forth, back = _Best(many), _Best(many)
    for rows in blocks:
        margins = one[rows] @ other.T / ((near_one[rows, None] + near_other.mean(axis=0)) / 2).clip(min=_LEAST)
        forth.rows(rows, margins)
        back.columns(rows, margins)
    return Accuracy(cosine, (forth.share, back.share))


class _Best:
    """The nearest of each text, found block by block; of equal ones the first."""

    def __init__(self, many: int) -> None:
        self._score, self._place = np.full(many, -np.inf), np.full(many, -1)

    def rows(self, rows: slice, scores: Vectors) -> None:
        """Take the scores of a block of rows with all columns: the nearest of each row is known."""
        self._place[rows] = scores.argmax(axis=1)

    def columns(self, rows: slice, scores: Vectors) -> None:
        """Take the scores of a block of rows with all columns: the nearest of each column may be in it."""
        best = scores.argmax(axis=0)
        found = scores[best, np.arange(scores.shape[1])]
        better = found > self._score
        self._score[better], self._place[better] = found[better], rows.start + best[better]

    @property
    def share(self) -> float:
        """Share of texts of which the translation is the nearest."""
        return float((self._place == np.arange(len(self._place))).mean())
