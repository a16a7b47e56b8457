"""Correlation of two similarity matrices over pairs of languages, with a permutation test (GradSim, Table 5)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Matrix = NDArray[np.float64]
FEWEST_LANGUAGES = 3
_CONSTANT = 1e-10  # a spread below this share of the largest value is rounding
_ASYMMETRIC = 1e-9
_CHUNK = 2_000_000  # matrix entries that one block of permutations may hold


@dataclass(frozen=True)
class Correlation:
    """How two matrices agree over the pairs of different languages.

    Attributes:
        pairs: How many pairs were compared.
        ordered: Whether (i, j) and (j, i) are two pairs: so it is when one of the matrices is asymmetric.
        pearson: Pearson's r, ``None`` where it is undefined.
        spearman: Spearman's rank correlation.
        p: Of Pearson's r, two-sided, as if the pairs were independent, which they are not: each language is in many.
        within: Pearson's r of both matrices less their rows' means: whether they prefer the same partners for a
            language. It leaves out how hard a language is, which scores of transfer are full of.
        mantel: Share of relabellings of the languages with an r at least as far from 0: the p-value to believe.
        reason: Why it is undefined; empty when it is not.
    """

    pairs: int
    ordered: bool
    pearson: float | None = None
    spearman: float | None = None
    p: float | None = None
    within: float | None = None
    mantel: float | None = None
    reason: str = ""


def correlate(
    first: Matrix,
    second: Matrix,
    *,
    names: tuple[str, str] = ("the first", "the second"),
    permutations: int = 0,
    seed: int = 0,
    higher: bool = False,
) -> Correlation:
    """Correlate two matrices over their off-diagonal pairs.

    Two symmetric matrices are compared over unordered pairs: r is the same as over ordered ones, but the number of
    pairs is not doubled, on which p depends.

    Args:
        first: ``[N, N]``.
        second: ``[N, N]``, the same languages in the same order.
        names: What to call them in the reason.
        permutations: Of the Mantel test; 0: none. All N! are tried when they are not more than that.
        seed: Draws the permutations.
        higher: Count only relabellings with an r as high, not those with one as far below 0.
    """
    ordered = not (_symmetric(first) and _symmetric(second))
    x, y = pairs(first, ordered=ordered), pairs(second, ordered=ordered)
    reason = _undefined(x, names[0]) or _undefined(y, names[1])
    if reason:
        return Correlation(len(x), ordered, reason=reason)
    linear, ranks = stats.pearsonr(x, y), stats.spearmanr(x, y)
    mantel = mantel_p(first, second, permutations, seed, higher=higher) if permutations else None
    return Correlation(
        len(x),
        ordered,
        float(linear.statistic),
        float(ranks.statistic),
        _p(linear.pvalue),
        _within_rows(first, second),
        mantel,
    )


def pairs(matrix: Matrix, *, ordered: bool) -> Matrix:
    """Return the entries of pairs of different languages: ``[N (N - 1)]`` if ordered, else half of it."""
    count = len(matrix)
    chosen = ~np.eye(count, dtype=bool) if ordered else np.triu(np.ones((count, count), dtype=bool), 1)
    values: Matrix = matrix[chosen]
    return values


def mantel_p(first: Matrix, second: Matrix, count: int, seed: int, *, higher: bool = False) -> float:
    """Return the p-value of Pearson's r when the languages of one matrix are relabelled (Mantel 1967).

    Rows and columns are permuted together, so that a language stays a language. All N! relabellings are tried when
    they are at most ``count``; else ``count`` are drawn, and the observed one is counted with them. Two-sided, unless
    only a ``higher`` r is to count.
    """
    size = len(first)
    off = ~np.eye(size, dtype=bool)
    x = _standardised(first[off])
    masked = np.where(off, second - second[off].mean(), 0.0)
    spread = np.linalg.norm(masked)
    far = np.asarray if higher else np.abs
    observed = float(x @ masked[off]) / spread
    exact = math.factorial(size) <= count
    if exact:
        orders = np.array(list(itertools.permutations(range(size))))
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(size), (count, 1)), axis=1)
    rows, columns = np.nonzero(off)
    extreme = 0
    for start in range(0, len(orders), step := max(1, _CHUNK // off.size)):
        some = orders[start : start + step]
        values = masked[some[:, rows], some[:, columns]] @ x / spread  # [permutations]
        extreme += int((far(values) >= far(observed) - 1e-12).sum())
    return extreme / len(orders) if exact else (extreme + 1) / (count + 1)


def _within_rows(first: Matrix, second: Matrix) -> float | None:
    size = len(first)
    x, y = (pairs(matrix, ordered=True).reshape(size, size - 1) for matrix in (first, second))  # [N, N - 1]
    x, y = (rows - rows.mean(axis=1, keepdims=True) for rows in (x, y))
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    flat = scale <= _CONSTANT**2 * np.abs(first).max() * np.abs(second).max()
    return None if flat else float(np.clip((x * y).sum() / scale, -1, 1))


def _standardised(values: Matrix) -> Matrix:
    centred: Matrix = values - values.mean()
    return centred / np.linalg.norm(centred)


def _symmetric(matrix: Matrix) -> bool:
    return bool(np.allclose(matrix, matrix.T, rtol=0, atol=_ASYMMETRIC, equal_nan=True))


def _undefined(values: Matrix, which: str) -> str:
    """Say why a correlation with these values is undefined; empty when it is not."""
    if not np.isfinite(values).all():
        return f"{which} has {np.count_nonzero(~np.isfinite(values))} entries that are not numbers"
    if np.ptp(values) <= _CONSTANT * np.abs(values).max(initial=0):
        return f"{which} is the same for all pairs"
    return ""


def _p(value: float) -> float | None:
    """Return a p-value; ``None`` where there are too few pairs for one."""
    return float(value) if math.isfinite(value) else None
