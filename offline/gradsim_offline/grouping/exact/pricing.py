"""Exact pricing: every block whose value exceeds its price by more than a given amount, by branch and bound.

A column is a block A with helpers H. For a fixed number of members m = |A| + |H| its value is linear in H, so only A is
branched on, language by language: in the block or not. A partial block A is completed by some B, taken from the
languages that are still open, and by helpers. With ``s = S / (m - 1)``, zero on the diagonal, the column's value is

    W(A) + sum over l in B and H of C_A(l) + sum over j in B of (D_A(j) + sum over l in B and H, l != j, of s[j, l])

where ``C_A(l)`` sums ``s[i, l]`` and ``D_A(j)`` sums ``s[j, i]`` over i in A. The last sum is at most that of the
largest entries of row j; then each added language has a worth of its own, and the best m - |A| of them bound the
completion.
All partial blocks of one depth are bounded at once, as rows of arrays.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Masks = NDArray[np.int64]

_CHUNK = 8192  # partial blocks bounded at once: their arrays stay in the cache


@dataclass(frozen=True)
class Prices:
    """What a column pays: the duals of the linear programme.

    Attributes:
        languages: For each language that the block serves, ``[N]``.
        helpers: For each helper, ``[N]``; ``inf``: no helpers.
        group: Once.
    """

    languages: Vector
    helpers: Vector
    group: float


@dataclass(frozen=True)
class Found:
    """Blocks whose value exceeds the price, each with its best helpers for one number of members.

    Attributes:
        masks: The blocks, ``[n]``; bit i is language i.
        members: Size of the group, helpers included, ``[n]``.
        surplus: Value less price, ``[n]``.
        complete: No block above the threshold is missing; otherwise there were too many, or no time was left.
    """

    masks: Masks
    members: Masks
    surplus: Vector
    complete: bool


@dataclass(frozen=True)
class _Nodes:
    """Partial blocks of one depth; languages in branching order, ``[n]`` or ``[n, N]``."""

    depth: int
    masks: Masks
    counts: Masks
    columns: Vector  # C_A
    rows: Vector  # D_A
    worth: Vector  # W(A) less the prices of A and of the group

    def take(self, chosen: NDArray[np.bool_] | slice) -> _Nodes:
        return _Nodes(
            self.depth,
            self.masks[chosen],
            self.counts[chosen],
            self.columns[chosen],
            self.rows[chosen],
            self.worth[chosen],
        )

    def join(self, other: _Nodes) -> _Nodes:
        return _Nodes(
            self.depth,
            np.concatenate([self.masks, other.masks]),
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.columns, other.columns]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.worth, other.worth]),
        )


def find_blocks(
    similarity: Vector,
    prices: Prices,
    members: int,
    threshold: float,
    *,
    units: Sequence[Sequence[int]],
    most: int,
    deadline: float,
) -> Found:
    """Return every block with a surplus above ``threshold`` in a group of ``members``.

    Args:
        similarity: S with a zero diagonal, ``[N, N]``.
        prices: What a column pays.
        members: m, at least 2.
        threshold: Least surplus.
        units: Languages that come into a block together; languages in no unit can only help.
        most: Stop after so many.
        deadline: Stop at this ``time.monotonic()``.
    """
    tree = _Tree(similarity, prices, members, threshold, units)
    stack, masks, surplus, total, complete = [tree.root()], [], [], 0, True
    while stack:
        if total > most or time.monotonic() > deadline:
            complete = False
            break
        nodes = stack.pop()
        inside, outside = tree.branch(nodes)
        found = tree.surplus(inside)
        good = found > threshold
        masks.append(tree.original(inside.masks[good]))
        surplus.append(found[good])
        total += int(good.sum())
        if nodes.depth + 1 == len(tree.units):
            continue
        kept = tree.keep(outside).join(tree.keep(inside))  # together: few long arrays, not many short ones
        stack += [kept.take(slice(at, at + _CHUNK)) for at in range(0, len(kept.masks), _CHUNK)]
    found_masks = np.concatenate([*masks, np.zeros(0, np.int64)])
    return Found(
        found_masks, np.full(len(found_masks), members), np.concatenate([*surplus, np.zeros(0)]), complete=complete
    )


class _Tree:
    """The search for one number of members; languages are reordered so that open ones stand last."""

    def __init__(
        self, similarity: Vector, prices: Prices, members: int, threshold: float, units: Sequence[Sequence[int]]
    ) -> None:
        count = len(similarity)
        scaled = similarity / (members - 1)
        self.members, self.threshold, self.group = members, threshold, prices.group
        worth = np.sort(np.where(np.eye(count, dtype=bool), -np.inf, scaled), axis=1)[:, :-members:-1].sum(axis=1)
        worth = np.maximum(worth - prices.languages, 0.0)
        ordered = sorted(units, key=lambda unit: -worth[list(unit)].sum())
        self.order = [i for unit in ordered for i in unit]
        self.order = [i for i in range(count) if i not in self.order] + self.order
        self.scaled = scaled[np.ix_(self.order, self.order)]
        self.prices, self.helpers = prices.languages[self.order], prices.helpers[self.order]
        self.units: list[list[int]] = [[self.order.index(i) for i in unit] for unit in ordered]
        best = -np.sort(-np.where(np.eye(count, dtype=bool), -np.inf, self.scaled), axis=1)[:, :-1]
        self.tops = np.concatenate([np.zeros((count, 1)), np.cumsum(best, axis=1)], axis=1)  # [N, entries]

    def root(self) -> _Nodes:
        """Return the empty block."""
        count = len(self.scaled)
        empty = np.zeros(1, dtype=np.int64)
        return _Nodes(0, empty, empty, np.zeros((1, count)), np.zeros((1, count)), np.full(1, -self.group))

    def branch(self, nodes: _Nodes) -> tuple[_Nodes, _Nodes]:
        """Put the next unit into each block, where there is room, and leave it out."""
        unit = self.units[nodes.depth]
        outside = _Nodes(nodes.depth + 1, nodes.masks, nodes.counts, nodes.columns, nodes.rows, nodes.worth)
        room = nodes.take(nodes.counts + len(unit) <= self.members)
        columns = room.columns + self.scaled[unit].sum(axis=0)
        rows = room.rows + self.scaled[:, unit].sum(axis=1)
        gained = (room.columns + room.rows)[:, unit].sum(axis=1) + self.scaled[np.ix_(unit, unit)].sum()
        worth = room.worth + gained - self.prices[unit].sum()
        masks = room.masks | sum(1 << i for i in unit)
        return _Nodes(nodes.depth + 1, masks, room.counts + len(unit), columns, rows, worth), outside

    def surplus(self, nodes: _Nodes) -> Vector:
        """Return the surplus of each block with its best helpers, ``[n]``."""
        return self._complete(nodes, nodes.columns - self.helpers)

    def keep(self, nodes: _Nodes) -> _Nodes:
        """Return the partial blocks that some completion may still lift above the threshold."""
        first = self.units[nodes.depth][0]  # from here on all are open
        added = nodes.columns - self.helpers
        left = np.clip(self.members - 1 - nodes.counts, 0, None)
        own = nodes.rows[:, first:] + self.tops[first:].T[left] - self.prices[first:]
        np.maximum(added[:, first:], nodes.columns[:, first:] + own, out=added[:, first:])
        return nodes.take(self._complete(nodes, added) > self.threshold)

    def _complete(self, nodes: _Nodes, added: Vector) -> Vector:
        """Return the worth of each block with the best languages added, by what each adds; it is overwritten."""
        inside = (nodes.masks[:, None] >> np.arange(len(self.scaled)) & 1).astype(bool)
        added[inside] = -np.inf
        added.sort(axis=1)
        sums = np.concatenate([np.zeros((len(added), 1)), np.cumsum(added[:, ::-1], axis=1)], axis=1)
        return nodes.worth + sums[np.arange(len(added)), self.members - nodes.counts]

    def original(self, masks: Masks) -> Masks:
        """Return masks in the order of the caller."""
        found = np.zeros_like(masks)
        for place, language in enumerate(self.order):
            found |= (masks >> place & 1) << language
        return found
