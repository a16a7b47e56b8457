"""The proven optimum for up to 18 languages: subset dynamic programming over blocks with their best helpers.

In an optimum the languages that a group serves form a block, and the blocks partition the languages. A block A is
completed by helpers H, source-only members: its value is the largest
``(W(A) + sum over h in H of C_A(h)) / (|A| + |H| - 1)`` with ``W(A)`` the sum of S over ordered pairs inside A and
``C_A(h) = sum over i in A of S[i, h]``. For each number of helpers the best are those with the largest ``C_A``, so a
block's value costs a sort, and the rest is set partitioning (docs/design/exact-grouping.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping._objective import TIE, Grouping, evaluate_grouping
from gradsim_offline.grouping._problem import Problem
from gradsim_shared.errors import SettingsError

MOST_LANGUAGES = 18
_WHOLE = 13  # blocks of up to this many bits are convolved at once: 3^13 float64 are 13 MB

Vector = NDArray[np.float64]


def solve(problem: Problem) -> Grouping:
    """Return the grouping of highest score with at most K groups, overlap allowed; proven.

    More groups than languages are never needed; groups that would serve nobody are left out.

    Raises:
        SettingsError: More than 18 languages, constraints, or no grouping is possible.
    """
    matrix, count = problem.similarity, problem.count
    check(count)
    if not problem.constraints.none:
        raise SettingsError("the exact solver knows no constraints")
    values, helpers = block_values(matrix, problem.singletons)
    best = partition_values(values, min(problem.groups, count))  # [K + 1, 2^N]
    blocks = _recover(values, best)
    chosen = [_members(block, count) + _helpers(matrix, block, helpers[block], count) for block in blocks]
    return evaluate_grouping(matrix, chosen, problem.singletons)


def check(languages: int) -> None:
    """Say before anything long runs whether this solver can take so many languages.

    Raises:
        SettingsError: It cannot.
    """
    if languages > MOST_LANGUAGES:
        raise SettingsError(
            f"the exact solver takes up to {MOST_LANGUAGES} languages, not {languages}; name fewer with --languages"
        )


def block_values(similarity: Vector, singletons: Vector) -> tuple[Vector, NDArray[np.int64]]:
    """Return the value of every block, ``[2^N]``, and how many helpers it takes to reach it.

    Bit b of an index stands for language b. The empty block has the value ``-inf``.
    """
    count = len(similarity)
    columns = np.zeros((1 << count, count))  # C_A(j) = sum over i in A of S[i, j], for every j
    pairs = np.zeros(1 << count)  # W(A)
    sizes = np.zeros(1 << count, dtype=np.int64)
    inside = np.zeros((1 << count, count), dtype=bool)
    for bit in range(count):
        low, high = slice(0, 1 << bit), slice(1 << bit, 2 << bit)
        columns[high] = columns[low] + similarity[bit]
        pairs[high] = pairs[low] + columns[low, bit] + np.where(inside[low], similarity[bit], 0.0).sum(axis=1)
        sizes[high] = sizes[low] + 1
        inside[high] = inside[low]
        inside[high, bit] = True
    gains = -np.sort(-np.where(inside, -np.inf, columns), axis=1)  # members last: they are no helpers
    totals = pairs[:, None] + np.concatenate([np.zeros((1 << count, 1)), np.cumsum(gains, axis=1)], axis=1)
    partners = sizes[:, None] + np.arange(count + 1) - 1  # |A| + |H| - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(partners > 0, totals / partners, -np.inf)
    alone = 1 << np.arange(count)
    ratios[alone, 0] = singletons
    ratios[0] = -np.inf
    # Sums over blocks: a block's value counts once for each language that it serves, and C is already summed.
    best = ratios.argmax(axis=1)
    return ratios[np.arange(1 << count), best], best


def partition_values(values: Vector, most: int) -> Vector:
    """Return ``best[k, mask]``: the highest sum of block values over partitions of ``mask`` into at most k blocks.

    The block that holds the highest language of a mask is split off; what is left is a smaller mask. All masks with
    the same highest language are one max-plus subset convolution.
    """
    size = len(values)
    best = np.full((most + 1, size), -np.inf)
    best[:, 0] = 0.0
    half = 1
    while half < size:
        for k in range(1, most + 1):
            best[k, half : 2 * half] = _convolve(values[half : 2 * half], best[k - 1, :half])
        half *= 2
    return best


def _convolve(first: Vector, second: Vector) -> Vector:
    """Return ``max over A subset of M of first[A] + second[M - A]`` for every M; both ``[2^m]``."""
    half = len(first) // 2
    if len(first) <= 1 << _WHOLE:
        return _convolve_whole(first, second)
    with_top = np.maximum(_convolve(first[half:], second[:half]), _convolve(first[:half], second[half:]))
    return np.concatenate([_convolve(first[:half], second[:half]), with_top])


def _convolve_whole(first: Vector, second: Vector) -> Vector:
    """Do the same by laying out all 3^m pairs (A, M - A) at once: each language in neither, in A, or in M - A."""
    left, right = first[None, :], second[None, :]
    while left.shape[1] > 1:
        half = left.shape[1] // 2
        left = np.concatenate([left[:, :half], left[:, half:], left[:, :half]])
        right = np.concatenate([right[:, :half], right[:, :half], right[:, half:]])
    sums = left + right  # [3^m, 1]
    while len(sums) > 1:
        third = len(sums) // 3
        with_language = np.maximum(sums[third : 2 * third], sums[2 * third :])
        sums = np.concatenate([sums[:third], with_language], axis=1)
    return sums[0]


def _recover(values: Vector, best: Vector) -> list[int]:
    """Walk back from the whole set and return the blocks of an optimal partition; ties: smaller, then lower."""
    mask = best.shape[1] - 1
    k = best.shape[0] - 1
    if not np.isfinite(best[k, mask]):
        raise SettingsError("no grouping is possible: groups of one are forbidden and there is only one language")
    blocks = []
    while mask:
        top = 1 << (mask.bit_length() - 1)
        candidates = _submasks(mask ^ top) | top
        sums = values[candidates] + best[k - 1, mask ^ candidates]
        tied = candidates[sums >= sums.max() - TIE]
        block = min((int(block) for block in tied), key=lambda block: (block.bit_count(), block))
        blocks.append(block)
        mask, k = mask ^ block, k - 1
    return blocks


def _submasks(mask: int) -> NDArray[np.int64]:
    """Return every submask of ``mask``, the empty one and itself among them."""
    found = np.zeros(1, dtype=np.int64)
    for bit in range(mask.bit_length()):
        if mask >> bit & 1:
            found = np.concatenate([found, found | 1 << bit])
    return found


def _members(block: int, count: int) -> list[int]:
    return [bit for bit in range(count) if block >> bit & 1]


def _helpers(similarity: Vector, block: int, number: int, count: int) -> list[int]:
    """Return the ``number`` best helpers of a block, by ``C_A``; ties go to the lower index."""
    members = _members(block, count)
    gains = similarity[members].sum(axis=0)
    others = [i for i in range(count) if not block >> i & 1]
    return sorted(others, key=lambda h: (-gains[h], h))[:number]
