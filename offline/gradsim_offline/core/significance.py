"""Paired permutation tests over texts: is the difference of two methods more than chance? (Dror et al., 2018).

The null hypothesis: of a text's answers by two methods, either could have come from either method. So the answers of
the two are swapped for each text with probability 1/2, and the difference of the averages is computed anew; the p-value
is the share of such permutations whose difference is at least as large as the observed one, in either direction:
``p = (1 + number of them) / (1 + permutations)``, approximate randomisation (Noreen, 1989).

The unit is a text: its answers under all seeds are swapped together, because five models that differ in nothing but
the seed err on the same texts. To swap them one by one would count each text five times and promise too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 10_000
CHUNK = 250  # permutations at once
SIGNIFICANT = 0.05
_SAME = 1e-12  # differences closer than this are equal: they differ by the order of a sum only
_EXACT = 1 << 24  # float32 holds every whole number up to here

Floats = NDArray[np.float64]
Metric = Callable[[NDArray[Any]], Floats]  # from summed statistics, [..., S] to [...]
Statistics = Mapping[str, Mapping[str, NDArray[np.integer]]]  # method -> language -> [seeds, texts, S]


@dataclass(frozen=True)
class PairedTest:
    """A paired test of two methods.

    Attributes:
        method: One of them.
        against: The other.
        average: Which average over languages.
        difference: Of that average, ``method`` minus ``against``, mean over seeds.
        p: Two-sided p-value.
        p_holm: The same, corrected for the number of pairs of this average (Holm, 1979).
    """

    method: str
    against: str
    average: str
    difference: float
    p: float
    p_holm: float


def permutation_tests(
    statistics: Statistics,
    metric: Metric,
    weights: Mapping[str, Mapping[str, float]],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    advance: Callable[[str], None] = lambda _: None,
) -> list[PairedTest]:
    """Compare every pair of methods on every average.

    One draw of swaps serves all pairs. After swapping, a method's counts are its own plus those of the other method
    on the swapped texts minus its own there; the counts on the swapped texts are one matrix product for all methods.

    Args:
        statistics: Method, language to the task's per-text statistics, ``[seeds, texts, S]``: the same texts in the
            same order, and the same seeds, for all methods.
        metric: The task's metric.
        weights: An average's name to the weight of each language in it; the weights are divided by their sum.
        permutations: How many to draw.
        seed: Of the draw.
        advance: Called after each ``CHUNK`` of permutations.

    Returns:
        One test per average and pair, in the order of ``weights`` and ``statistics``.
    """
    methods = list(statistics)
    pairs = list(combinations(range(len(methods)), 2))
    if not pairs:
        return []
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    languages = list(statistics[methods[0]])
    shares = _shares(weights, languages)  # [averages, languages]
    stacks = [np.stack([statistics[m][code] for m in methods]) for code in languages]  # each [methods, seeds, texts, S]
    sums = [stack.sum(axis=2) for stack in stacks]  # each [methods, seeds, S]

    def difference(left: Sequence[NDArray[Any]], right: Sequence[NDArray[Any]]) -> Floats:
        """Return the difference of averages from summed statistics, ``[..., seeds, S]`` to ``[averages, ...]``."""
        gaps = [(metric(a) - metric(b)).mean(axis=-1) for a, b in zip(left, right, strict=True)]  # mean over seeds
        return np.tensordot(shares, np.stack(gaps), axes=1)

    left_sums, right_sums = [total[first] for total in sums], [total[second] for total in sums]
    observed = difference(left_sums, right_sums)  # [averages, pairs]
    flat = [_side_by_side(stack) for stack in stacks]
    random = np.random.default_rng(seed)
    exceeding = np.zeros(observed.shape)
    for start in range(0, permutations, CHUNK):
        size = min(CHUNK, permutations - start)
        moved = []
        for matrix, total in zip(flat, sums, strict=True):
            swaps = random.integers(0, 2, (size, len(matrix)), dtype=np.uint8).astype(matrix.dtype)  # [size, texts]
            counts = (swaps @ matrix).reshape(size, *total.shape).astype(np.float64)  # [size, methods, seeds, S]
            moved.append(counts[:, second] - counts[:, first])  # [size, pairs, seeds, S]
        drawn = difference(
            [total + change for total, change in zip(left_sums, moved, strict=True)],
            [total - change for total, change in zip(right_sums, moved, strict=True)],
        )  # [averages, size, pairs]
        exceeding += (np.abs(drawn) >= np.abs(observed)[:, None] - _SAME).sum(axis=1)
        advance("")
    p = (1 + exceeding) / (1 + permutations)
    corrected = [holm(row) for row in p]
    return [
        PairedTest(methods[a], methods[b], average, float(observed[i, j]), float(p[i, j]), float(corrected[i][j]))
        for i, average in enumerate(weights)
        for j, (a, b) in enumerate(pairs)
    ]


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number: the chance of one false rejection among all stays below the level.

    The k-th smallest of m is multiplied by ``m - k + 1``; none is smaller than the one before it (Holm, 1979).
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _shares(weights: Mapping[str, Mapping[str, float]], languages: Sequence[str]) -> Floats:
    """Return each language's share of each average, ``[averages, languages]``; rows sum to 1."""
    table = np.array([[weight_of[code] for code in languages] for weight_of in weights.values()], dtype=np.float64)
    return table / table.sum(axis=1, keepdims=True)


def _side_by_side(stack: NDArray[np.integer]) -> NDArray[Any]:
    """Lay ``[methods, seeds, texts, S]`` out as ``[texts, methods * seeds * S]``, in float32 where that is exact."""
    exact = np.abs(stack).sum(axis=2).max(initial=0) < _EXACT
    return np.moveaxis(stack, 2, 0).reshape(stack.shape[2], -1).astype(np.float32 if exact else np.float64)
