"""Heuristic pricing: climb from many blocks at once, by units in or out, while that raises the reduced cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.exact.column_pool import AllowedSet, ColumnPool
from gradsim_offline.grouping.exact.master import Column, Duals

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

_STARTS = 40  # random blocks
_ROUNDS = 40  # changes of a block, at most


def add_by_climbing(pool: ColumnPool, duals: Duals, threshold: float, used: Sequence[Column] = ()) -> int:
    """Add the columns above a threshold that climbing finds from random blocks and those of ``used`` columns.

    Returns:
        How many were new.
    """
    new = 0
    for allowed in pool.allowed:
        if pool.work.spent:
            break
        if not allowed.units or len(allowed.languages) < 2:
            continue
        local = duals.of(allowed.languages)
        blocks, sizes, costs = _climb(pool, allowed, local, _starts(pool, allowed, used))
        new += pool.add(
            pool.with_best_helpers(allowed, local, np.flatnonzero(blocks[i]), int(sizes[i]))
            for i in np.flatnonzero(costs > threshold)
        )
    return new


def _best_reduced_costs(
    pool: ColumnPool, allowed: AllowedSet, duals: Duals, blocks: Flags
) -> tuple[Vector, NDArray[np.int64]]:
    """Return the largest reduced cost of each block over all helpers, ``[n]``, and the size of that group, 2 or more.

    Args:
        pool: Pays for the work.
        allowed: Where the blocks lie.
        duals: Of the allowed set's languages.
        blocks: By place in the allowed set, ``[n, M]``.
    """
    most = min(len(allowed.languages), pool.most_members)
    pool.work.spend(len(blocks))
    columns = blocks.astype(np.float64) @ allowed.similarity  # C_A, [n, M]
    counts = blocks.sum(axis=1)
    inner = np.where(blocks, columns, 0.0).sum(axis=1)  # W(A)
    charged = blocks @ duals.languages + duals.group
    best, sizes = np.full(len(blocks), -np.inf), np.full(len(blocks), 2)
    free = not duals.helpers.any()
    gains = _best_first(columns, blocks)
    for members in range(2, most + 1):
        if not free:
            gains = _best_first(columns - (members - 1) * duals.helpers, blocks)
        added = np.take_along_axis(gains, np.clip(members - counts, 0, None)[:, None], axis=1)[:, 0]
        costs = np.where((counts > 0) & (counts <= members), (inner + added) / (members - 1) - charged, -np.inf)
        better = costs > best
        best[better], sizes[better] = costs[better], members
    return best, sizes


def _best_first(gains: Vector, blocks: Flags) -> Vector:
    """Return the sum of the 0, 1, 2, ... best helpers of each block, ``[n, M + 1]``."""
    ordered = np.sort(np.where(blocks, -np.inf, gains), axis=1)[:, ::-1]
    return np.concatenate([np.zeros((len(gains), 1)), np.cumsum(ordered, axis=1)], axis=1)


def _changes(allowed: AllowedSet) -> Flags:
    """Return the units as flags, ``[units, M]``."""
    changes = np.zeros((len(allowed.units), len(allowed.languages)), dtype=bool)
    for row, unit in enumerate(allowed.units):
        changes[row, unit] = True
    return changes


def _starts(pool: ColumnPool, allowed: AllowedSet, used: Sequence[Column]) -> Flags:
    """Return the blocks of the used columns, as far as they lie in the set, and random ones, ``[n, M]``."""
    changes = _changes(allowed)
    given = np.array([np.isin(allowed.languages, column.served) for column in used], dtype=bool)
    given = given.reshape(len(used), len(allowed.languages))
    whole = ~(~given @ changes.T)  # [used, units]: all of the unit is in the block
    chances = pool.random.uniform(0.05, 0.5, (_STARTS, 1))
    drawn = pool.random.random((_STARTS, len(changes))) < chances
    starts: Flags = np.concatenate([whole, drawn]) @ changes
    return starts


def _climb(
    pool: ColumnPool, allowed: AllowedSet, duals: Duals, starts: Flags
) -> tuple[Flags, NDArray[np.int64], Vector]:
    """Return the blocks that no change of one unit improves, their group sizes and their reduced costs."""
    changes, blocks = _changes(allowed), starts.copy()
    costs, members = _best_reduced_costs(pool, allowed, duals, blocks)
    active = np.arange(len(blocks))
    for _ in range(_ROUNDS):
        tried = blocks[active, None] ^ changes  # [n, units, M]
        reached, sizes = _best_reduced_costs(pool, allowed, duals, tried.reshape(-1, tried.shape[2]))
        by_start = reached.reshape(len(active), -1)
        best = by_start.argmax(axis=1)
        rows = np.arange(len(active))
        better = by_start[rows, best] > costs[active] + 1e-10
        rows, best, active = rows[better], best[better], active[better]
        if not len(active):
            break
        blocks[active] = tried[rows, best]
        costs[active] = by_start[rows, best]
        members[active] = sizes.reshape(-1, len(changes))[rows, best]
    return blocks, members, costs
