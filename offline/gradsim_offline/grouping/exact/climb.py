"""Quick pricing: from many blocks at once, take a language in or out while that raises the surplus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.exact.pricing import Prices

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ROUNDS = 40  # changes of a block, at most
_NEAR = 100  # changed starts that are kept


def climb(
    similarity: Vector, prices: Prices, starts: Flags, *, units: Sequence[Sequence[int]], most_members: int
) -> tuple[Flags, NDArray[np.int64], Vector]:
    """Return the blocks where no single change raises the surplus, their group sizes and their surplus.

    Before them stand the changed starts that have a surplus already: a linear programme with many equal optima needs
    such neighbours of its columns before its prices settle.

    Args:
        similarity: S with a zero diagonal, ``[N, N]``.
        prices: What a column pays.
        starts: Blocks, ``[n, N]``.
        units: Languages that come and go together.
        most_members: Members of a group, at most.
    """
    changes = np.zeros((len(units), len(similarity)), dtype=bool)
    for row, unit in enumerate(units):
        changes[row, list(unit)] = True
    blocks = starts.copy()
    surplus, members = best_surplus(similarity, prices, blocks, most_members)
    active = np.arange(len(blocks))
    near: tuple[Flags, NDArray[np.int64], Vector] | None = None
    for _ in range(_ROUNDS):
        tried = blocks[active, None] ^ changes  # [n, units, N]
        found, sizes = best_surplus(similarity, prices, tried.reshape(-1, len(similarity)), most_members)
        if near is None:
            best_near = np.argsort(-found, kind="stable")[:_NEAR]
            near = tried.reshape(-1, len(similarity))[best_near], sizes[best_near], found[best_near]
        found = found.reshape(len(active), -1)
        best = found.argmax(axis=1)
        rows = np.arange(len(active))
        better = found[rows, best] > surplus[active] + 1e-10
        rows, best, active = rows[better], best[better], active[better]
        if not len(active):
            break
        blocks[active] = tried[rows, best]
        surplus[active] = found[rows, best]
        members[active] = sizes.reshape(-1, len(units))[rows, best]
    if near is None:
        return blocks, members, surplus
    return (
        np.concatenate([near[0], blocks]),
        np.concatenate([near[1], members]),
        np.concatenate([near[2], surplus]),
    )


def best_surplus(
    similarity: Vector, prices: Prices, blocks: Flags, most_members: int
) -> tuple[Vector, NDArray[np.int64]]:
    """Return the largest surplus of each block over all helpers, ``[n]``, and the size of that group; two at least."""
    columns = blocks.astype(np.float64) @ similarity  # C_A, [n, N]
    counts = blocks.sum(axis=1)
    worth = np.where(blocks, columns, 0.0).sum(axis=1)  # W(A)
    paid = blocks @ prices.languages + prices.group
    best, sizes = np.full(len(blocks), -np.inf), np.full(len(blocks), 2)
    free = not prices.helpers.any()
    gains = _best_first(columns, blocks) if free else columns
    for members in range(2, most_members + 1):
        if not free:
            gains = _best_first(columns - (members - 1) * prices.helpers, blocks)
        added = np.take_along_axis(gains, np.clip(members - counts, 0, None)[:, None], axis=1)[:, 0]
        surplus = np.where((counts > 0) & (counts <= members), (worth + added) / (members - 1) - paid, -np.inf)
        better = surplus > best
        best[better], sizes[better] = surplus[better], members
    return best, sizes


def _best_first(gains: Vector, blocks: Flags) -> Vector:
    """Return the sum of the 0, 1, 2, ... best helpers of each block, ``[n, N + 1]``."""
    ordered = np.sort(np.where(blocks, -np.inf, gains), axis=1)[:, ::-1]
    return np.concatenate([np.zeros((len(gains), 1)), np.cumsum(ordered, axis=1)], axis=1)
