"""Subset dynamic programming for up to 18 languages: the proven optimum for every K in one pass, budgets left aside.

In an optimum the languages that a group serves form a block, and the blocks partition the languages. A block A is
completed by helpers H, source-only members: its value is the largest
``(W(A) + sum over h in H of C_A(h)) / (|A| + |H| - 1)`` with ``W(A)`` the sum of S over ordered pairs inside A and
``C_A(h) = sum over i in A of S[i, h]``. For each number of helpers the best are those with the largest ``C_A``, so a
block's value costs a sort, and the rest is set partitioning (docs/design/exact-grouping.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import allowed_sets, impossible, linked
from gradsim_offline.grouping.objective import TIE, GroupingResult, serve_blocks
from gradsim_offline.grouping.problem import Problem

MOST_LANGUAGES = 18
_LOW = 7  # languages laid out at once: 3^7 float64 are 17 kB, which stay in the cache
_AT_ONCE = 6  # numbers of groups computed together: bounds the memory

Vector = NDArray[np.float64]
Masks = NDArray[np.int64]  # sets of languages: bit b stands for language b


def solve_small(problem: Problem, counts: Sequence[int], *, overlap: bool = True) -> list[GroupingResult]:
    """Return the optimum for each number of groups in ``counts``; proven.

    Args:
        problem: Up to 18 languages; its budget is not looked at.
        counts: Ascending numbers of groups.
        overlap: Whether groups may have helpers.

    Raises:
        SettingsError: No grouping is possible with the largest of them; impossible smaller ones are left out.
    """
    blocks = _value_blocks(problem, overlap=overlap)
    most = [min(count, problem.count) for count in counts]
    best = partition_values(blocks.values, most[-1])
    if not np.isfinite(best[-1, -1]):
        raise impossible(problem)
    results: dict[int, GroupingResult] = {}
    for k in sorted(set(most)):
        if np.isfinite(best[k, -1]):
            chosen = recover(blocks.values, best, k)
            pairs = [(_languages(block), blocks.group(block)) for block in chosen]
            results[k] = serve_blocks(problem.similarity, pairs, problem.singletons)
    return [results[k] for k in most if k in results]


@dataclass(frozen=True)
class _Blocks:
    """Every block of languages with the best group that serves it.

    Attributes:
        similarity: S, ``[N, N]``.
        values: Of each block, by mask, ``[2^N]``; ``-inf``: no group may serve it.
        helpers: How many helpers that takes, ``[2^N]``.
        inside: In which of the allowed sets the group lies, ``[2^N]``.
        allowed: The largest sets of languages without a forbidden pair.
    """

    similarity: Vector
    values: Vector
    helpers: Masks
    inside: Masks
    allowed: Sequence[tuple[int, ...]]

    def group(self, block: int) -> list[int]:
        """Return the members of the group that serves a block best; of equal helpers those of lower index."""
        served = _languages(block)
        gains = self.similarity[served].sum(axis=0)  # C_A
        others = [i for i in self.allowed[self.inside[block]] if i not in served]
        return sorted(served + sorted(others, key=lambda h: (-gains[h], h))[: int(self.helpers[block])])


def _value_blocks(problem: Problem, *, overlap: bool) -> _Blocks:
    """Value every block under the problem's constraints.

    A group without forbidden pairs lies inside one of the largest allowed sets, so each of these is valued by itself;
    a block that parts languages that belong together is worth ``-inf``.
    """
    every, allowed = 1 << problem.count, allowed_sets(problem)
    values, helpers, inside = np.full(every, -np.inf), np.zeros(every, np.int64), np.zeros(every, np.int64)
    for position, languages in enumerate(allowed):
        best, number = block_values(
            problem.similarity[np.ix_(languages, languages)],
            problem.singletons[list(languages)],
            most_members=problem.constraints.largest_group,
            overlap=overlap,
        )
        masks = np.zeros(1, dtype=np.int64)  # the blocks of this set, as blocks of all languages
        for language in languages:
            masks = np.concatenate([masks, masks | 1 << language])
        better = best > values[masks]
        chosen = masks[better]
        values[chosen], helpers[chosen], inside[chosen] = best[better], number[better], position
    masks = np.arange(every)
    for together in linked(problem):
        whole = sum(1 << i for i in together)
        part = masks & whole
        values[(part != 0) & (part != whole)] = -np.inf
    return _Blocks(problem.similarity, values, helpers, inside, allowed)


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
    inside = (np.arange(every)[:, None] >> np.arange(count) & 1).astype(bool)  # [2^N, N]
    sizes = inside.sum(axis=1)
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
    best = left[0] + right  # A without high languages
    buffer = np.empty((len(second), left.shape[1]))
    chosen, others = _pairs(bits - low)  # neighbours in this order share rows, which are then still in the cache
    for a, b in zip(chosen.tolist(), others.tolist(), strict=True):
        if a:
            row = best[:, a | b]
            np.add(right[:, b], left[a], out=buffer)
            np.maximum(row, buffer, out=row)
    return _fold(best, low).reshape(len(second), -1)


def _fold(laid_out: Vector, low: int) -> Vector:
    """Take the better of A and M - A for each low language that is in M: ``[k, high, 3^low]`` to ``[.., 2^low]``."""
    outer = laid_out.shape[:2]
    best = laid_out.reshape(*outer, -1, 1)
    for _ in range(low):
        third = best.shape[2] // 3
        held = np.maximum(best[:, :, third : 2 * third], best[:, :, 2 * third :])
        best = np.concatenate([best[:, :, :third], held], axis=3)
    return best


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
        candidates = _submasks(mask ^ top) | top
        sums = values[candidates] + best[k - 1, mask ^ candidates]
        tied = candidates[sums >= sums.max() - TIE]
        block = min((int(block) for block in tied), key=lambda block: (block.bit_count(), block))
        blocks.append(block)
        mask, k = mask ^ block, k - 1
    return blocks


def _submasks(mask: int) -> Masks:
    """Return every submask of ``mask``, the empty one and itself among them."""
    masks = np.zeros(1, dtype=np.int64)
    for bit in range(mask.bit_length()):
        if mask >> bit & 1:
            masks = np.concatenate([masks, masks | 1 << bit])
    return masks


def _languages(block: int) -> list[int]:
    """Return the languages of a mask."""
    return [bit for bit in range(block.bit_length()) if block >> bit & 1]
