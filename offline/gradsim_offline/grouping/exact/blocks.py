"""Subset dynamic programming: the best helpers of every block, and the best partition into blocks, for every K.

In an optimum the languages that a group serves form a block, and the blocks partition the languages. A block A is
completed by helpers H, source-only members: its value is the largest
``(W(A) + sum over h in H of C_A(h)) / (|A| + |H| - 1)`` with ``W(A)`` the sum of S over ordered pairs inside A and
``C_A(h) = sum over i in A of S[i, h]``. For each number of helpers the best are those with the largest ``C_A``, so a
block's value costs a sort, and the rest is set partitioning (docs/design/exact-grouping.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.objective import TIE

MOST_LANGUAGES = 18
_LOW = 7  # languages laid out at once: 3^7 float64 are 17 kB, which stay in the cache
_AT_ONCE = 6  # numbers of groups computed together: bounds the memory

Vector = NDArray[np.float64]
Masks = NDArray[np.int64]


def block_values(
    similarity: Vector, singletons: Vector, *, most_members: int | None = None, overlap: bool = True
) -> tuple[Vector, Masks]:
    """Return the value of every block, ``[2^N]``, and how many helpers it takes to reach it.

    Bit b of an index stands for language b. The empty block, and blocks that are too large, have the value ``-inf``.

    Args:
        similarity: S, ``[N, N]``.
        singletons: Score of each language as a group of one, ``[N]``.
        most_members: Members of a group, at most, helpers included; ``None``: no limit.
        overlap: Whether a block may have helpers at all.
    """
    count, every = len(similarity), 1 << len(similarity)
    most = count if most_members is None else min(most_members, count)
    columns = np.zeros((every, count))  # C_A(j) = sum over i in A of S[i, j], for every j
    sizes, inside = _sizes(count), _inside(count)
    for bit in range(count):
        np.add(columns[: 1 << bit], similarity[bit], out=columns[1 << bit : 2 << bit])
    columns -= inside * similarity.diagonal()  # no language is its own partner
    pairs = np.einsum("ab,ab->a", columns, inside)  # W(A)
    best = np.where(sizes > 1, pairs / np.maximum(sizes - 1, 1), -np.inf)
    number = np.zeros(every, dtype=np.int64)
    if overlap and count > 1:
        columns[inside] = -np.inf  # members are no helpers
        columns.sort(axis=1)
        totals = pairs
        for helpers in range(1, count):
            totals = totals + columns[:, count - helpers]  # the next best helper
            ratios = np.where(sizes + helpers <= most, totals / np.maximum(sizes + helpers - 1, 1), -np.inf)
            better = ratios > best
            best[better], number[better] = ratios[better], helpers
    best[sizes > most] = -np.inf
    alone = 1 << np.arange(count)
    better = (singletons >= best[alone]) & (most > 0)
    best[alone[better]], number[alone[better]] = singletons[better], 0
    best[0] = -np.inf
    return best, number


def partition_values(values: Vector, most: int) -> Vector:
    """Return ``best[k, mask]``: the highest sum of block values over partitions of ``mask`` into at most k blocks.

    The block that holds the highest language of a mask is split off; what is left is a smaller mask. All masks with
    the same highest language are one max-plus subset convolution, for several k at once.

    Args:
        values: Of every block, ``[2^N]``.
        most: K, at least 1.

    Returns:
        ``[K + 1, 2^N]``.
    """
    best = np.full((most + 1, len(values)), -np.inf)
    best[:, 0] = 0.0
    for top in range(len(values).bit_length() - 1):
        half = 1 << top
        best[1, half : 2 * half] = values[half : 2 * half]
        for first in range(1, most, _AT_ONCE):
            last = min(first + _AT_ONCE, most)
            best[first + 1 : last + 1, half : 2 * half] = _convolve(values[half : 2 * half], best[first:last, :half])
    return best


def _convolve(first: Vector, second: Vector) -> Vector:
    """Return ``max over A subset of M of first[A] + second[k, M - A]`` for every k and M, ``[k, 2^m]``.

    The low languages are laid out as 3^low pairs (A, M - A), each language in neither, in A or in M - A; so for every
    pair of the high languages there is one addition and one maximum of long rows.
    """
    bits = len(first).bit_length() - 1
    low = min(bits, _LOW)
    high = 1 << (bits - low)
    in_first, in_second = _pairs(low)
    left = first.reshape(high, 1 << low).take(in_first, axis=1)  # [high, 3^low]
    right = second.reshape(len(second), high, 1 << low).take(in_second, axis=2)  # [k, high, 3^low]
    found = left[0] + right  # A without high languages
    buffer = np.empty((len(second), left.shape[1]))
    chosen, others = _pairs(bits - low)  # neighbours in this order share rows, which are then still in the cache
    for a, b in zip(chosen.tolist(), others.tolist(), strict=True):
        if a:
            row = found[:, a | b]
            np.add(right[:, b], left[a], out=buffer)
            np.maximum(row, buffer, out=row)
    return _fold(found, low).reshape(len(second), -1)


def _fold(laid_out: Vector, low: int) -> Vector:
    """Take the better of A and M - A for each low language that is in M: ``[k, high, 3^low]`` to ``[.., 2^low]``."""
    outer = laid_out.shape[:2]
    found = laid_out.reshape(*outer, -1, 1)
    for _ in range(low):
        third = found.shape[2] // 3
        held = np.maximum(found[:, :, third : 2 * third], found[:, :, 2 * third :])
        found = np.concatenate([found[:, :, :third], held], axis=3)
    return found


@cache
def _pairs(low: int) -> tuple[Masks, Masks]:
    """Return the masks A and M - A of all 3^low pairs; the lowest language varies slowest."""
    first = second = np.zeros(1, dtype=np.int64)
    for bit in reversed(range(low)):
        first = np.concatenate([first, first | 1 << bit, first])
        second = np.concatenate([second, second, second | 1 << bit])
    return first, second


def recover(values: Vector, best: Vector, most: int) -> list[int]:
    """Walk back from the whole set and return the blocks of an optimal partition; ties: smaller, then lower."""
    mask, k, blocks = best.shape[1] - 1, most, []
    while mask:
        top = 1 << (mask.bit_length() - 1)
        candidates = submasks(mask ^ top) | top
        sums = values[candidates] + best[k - 1, mask ^ candidates]
        tied = candidates[sums >= sums.max() - TIE]
        block = min((int(block) for block in tied), key=lambda block: (block.bit_count(), block))
        blocks.append(block)
        mask, k = mask ^ block, k - 1
    return blocks


def submasks(mask: int) -> Masks:
    """Return every submask of ``mask``, the empty one and itself among them."""
    found = np.zeros(1, dtype=np.int64)
    for bit in range(mask.bit_length()):
        if mask >> bit & 1:
            found = np.concatenate([found, found | 1 << bit])
    return found


def members(block: int) -> list[int]:
    """Return the languages of a mask."""
    return [bit for bit in range(block.bit_length()) if block >> bit & 1]


def as_mask(languages: Sequence[int]) -> int:
    """Return the mask of some languages."""
    return sum(1 << i for i in set(languages))


def best_helpers(similarity: Vector, block: Sequence[int], number: int) -> list[int]:
    """Return the ``number`` best helpers of a block, by ``C_A``; ties go to the lower index."""
    gains = similarity[list(block)].sum(axis=0)
    others = [i for i in range(len(similarity)) if i not in block]
    return sorted(others, key=lambda h: (-gains[h], h))[:number]


def _sizes(count: int) -> Masks:
    return np.asarray(_inside(count).sum(axis=1), dtype=np.int64)


def _inside(count: int) -> NDArray[np.bool_]:
    """Return which languages are in every mask, ``[2^N, N]``."""
    return (np.arange(1 << count)[:, None] >> np.arange(count) & 1).astype(bool)
