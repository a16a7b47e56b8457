"""Does S repeat? S from one half of every language's texts beside S from the other half, tested against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.similarity.correlations import correlate

Matrix = NDArray[np.float64]
LEAST = 0.5  # reliability from which groups are made of S: half of what its entries differ by is no noise
SIGNIFICANT = 0.05
FEWEST = 4  # languages; of three there are six relabellings, of which none can be rarer than 1 in 6
PERMUTATIONS = 9_999
_SEED = 0


@dataclass(frozen=True)
class Reliability:
    """How S agrees with itself between two halves of every language's texts.

    Attributes:
        correlation: Pearson's r of the halves' S over the pairs of different languages: the lesser of r within halves
            and r between "within" and "across" halves (see ``between_halves``). ``None``: it is undefined.
        reliability: Of the S of all texts, by Spearman and Brown: 2 r / (1 + r), and 0 for an r below 0. ``None``: r is
            undefined.
        p: One-sided p-value of a Mantel test: the share of relabellings of one half's languages with so high an r.
            ``None``: fewer than four languages, which cannot be tested, or an undefined r.
    """

    correlation: float | None
    reliability: float | None
    p: float | None

    @property
    def repeats(self) -> bool | None:
        """Whether S is more than noise: p at most 0.05 and a reliability of 0.5; ``None``: too few languages to say."""
        if self.p is None:
            return None
        return self.p <= SIGNIFICANT and (self.reliability or 0.0) >= LEAST


def is_noise(reliability: Reliability | None) -> bool:
    """Return whether S is known not to repeat; a measure without halves is believed."""
    return reliability is not None and reliability.repeats is False


def in_words(reliability: Reliability | None) -> str:
    """Say whether S repeats, with the figures; nothing where there are no halves."""
    if reliability is None:
        return ""
    figures = [] if reliability.reliability is None else [f"reliability {reliability.reliability:.2f}"]
    figures += [] if reliability.p is None else [f"p = {reliability.p:.4f}"]
    said = f" ({', '.join(figures)})" if figures else ""
    if reliability.repeats is None:
        return (
            f"Whether S repeats between halves of your data cannot be tested{said}: that takes four languages, and "
            "pairs that differ."
        )
    if reliability.repeats:
        return f"S repeats between halves of your data{said}."
    return f"S does not repeat between halves of your data{said}: groups made of it are no better than random."


def between_halves(within: Sequence[Matrix], across: Matrix) -> Reliability | None:
    """Return how S repeats between two halves of the data; ``None``: one language only.

    Two halves can agree for a reason that is none: once a language is fitted, the gradients of its halves cancel out
    and point in opposite directions, and two of them flipped at once leave every cosine within a half as it is. Across
    halves the cosines then change sign. So S across halves must agree with S within them, too, and the lesser
    correlation counts.

    Args:
        within: S of either half, two matrices ``[N, N]``.
        across: ``[N, N]``; row i in half 0, column j in half 1.
    """
    first, second = within
    if len(first) < 2:
        return None
    test = PERMUTATIONS if len(first) >= FEWEST else 0
    repeated = correlate(first, second, permutations=test, seed=_SEED, higher=True)
    crossed = correlate((first + second) / 2, (across + across.T) / 2)
    if repeated.pearson is None or crossed.pearson is None:
        return Reliability(None, None, None)
    r = min(repeated.pearson, crossed.pearson)
    return Reliability(r, spearman_brown(max(r, 0.0)), repeated.mantel)


def spearman_brown(correlation: float | None) -> float | None:
    """Return the reliability of the whole from the correlation of its halves: 2 r / (1 + r)."""
    return None if correlation is None or correlation <= -1 else 2 * correlation / (1 + correlation)
