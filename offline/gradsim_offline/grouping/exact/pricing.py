"""Exact pricing: every block whose reduced cost exceeds a threshold, by branch and bound.

A column is a block A with helpers H. For a fixed number of members m = |A| + |H| its value is linear in H, so only A is
branched on, language by language: in the block or not. A partial block A is completed by some B, taken from the
languages that are still open, and by helpers. With ``s = S / (m - 1)``, zero on the diagonal, the column's value is

    W(A) + sum over l in B and H of C_A(l) + sum over j in B of (D_A(j) + sum over l in B and H, l != j, of s[j, l])

where ``C_A(l)`` sums ``s[i, l]`` and ``D_A(j)`` sums ``s[j, i]`` over i in A. The last sum is at most that of the
largest entries of row j; then each added language has a gain of its own, and the best m - |A| of them bound the
completion. All nodes (partial blocks) of one depth are bounded at once, as rows of arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.exact.master import Duals

Vector = NDArray[np.float64]
Masks = NDArray[np.int64]

_CHUNK = 8192  # nodes bounded at once: their arrays stay in the cache


@dataclass
class Work:
    """How much may still be done, in blocks that are valued or bounded; other work counts as so many blocks.

    It is counted, not timed, so that a busy machine finds what an idle one finds.
    """

    left: float

    def spend(self, blocks: int) -> None:
        """Count blocks."""
        self.left -= blocks

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0


@dataclass(frozen=True)
class PricedBlocks:
    """Blocks whose reduced cost exceeds a threshold, each with its best helpers for one number of members.

    Attributes:
        masks: The blocks, ``[n]``; bit i is language i.
        reduced_costs: Value less duals, ``[n]``.
        complete: No block above the threshold is missing; otherwise there were too many, or no work was left.
    """

    masks: Masks
    reduced_costs: Vector
    complete: bool

    def above(self, threshold: float) -> PricedBlocks:
        """Return those with a reduced cost above a threshold; they are not all."""
        chosen = self.reduced_costs > threshold
        return PricedBlocks(self.masks[chosen], self.reduced_costs[chosen], complete=False)


def find_blocks(
    similarity: Vector,
    duals: Duals,
    members: int,
    threshold: float,
    *,
    units: Sequence[Sequence[int]],
    most: int,
    work: Work,
) -> PricedBlocks:
    """Return every block with a reduced cost above ``threshold`` in a group of ``members``.

    Args:
        similarity: S with a zero diagonal, ``[N, N]``.
        duals: What a column is charged.
        members: m, at least 2.
        threshold: Least reduced cost.
        units: Languages that come into a block together; languages in no unit can only help.
        most: Stop after so many.
        work: Stop when it is spent.
    """
    tree = _Tree(similarity, duals, members, threshold, units)
    stack = [tree.root()] if tree.units else []  # every unit may be forbidden in a set
    masks, costs, total = [np.zeros(0, np.int64)], [np.zeros(0)], 0
    while stack and total <= most and not work.spent:
        nodes = stack.pop()
        work.spend(len(nodes.masks))
        inside, outside = tree.branch(nodes)
        reached = tree.reduced_costs(inside)
        good = reached > threshold
        masks.append(tree.original(inside.masks[good]))
        costs.append(reached[good])
        total += int(good.sum())
        if nodes.depth + 1 < len(tree.units):
            kept = tree.prune(outside).join(tree.prune(inside))  # together: few long arrays, not many short ones
            stack += [kept.take(slice(at, at + _CHUNK)) for at in range(0, len(kept.masks), _CHUNK)]
    return PricedBlocks(np.concatenate(masks), np.concatenate(costs), complete=not stack)


def helper_sets(gains: Vector, number: int, loss: float) -> Iterator[list[int]]:
    """Yield every choice of ``number`` helpers whose summed gain is less than ``loss`` below the best choice's.

    For a budget, where the best choice may cost too much.

    Args:
        gains: Of each possible helper, ``[n]``.
        number: Helpers to take.
        loss: How much may be lost.
    """
    order = np.argsort(-gains, kind="stable")
    ordered = gains[order].tolist()
    if number > len(ordered):
        return
    stack: list[tuple[int, float, list[int]]] = [(0, loss, [])]  # next place, what may still be lost, places taken
    while stack:
        place, left, taken = stack.pop()
        missing = number - len(taken)
        if missing == 0:
            yield [int(order[i]) for i in taken]
            continue
        if place + missing > len(ordered):
            continue
        stack.append((place + 1, left, [*taken, place]))
        # Leaving this one out, the best choice of the rest ends one place later.
        if place + missing < len(ordered):
            lost = ordered[place] - ordered[place + missing]
            if lost < left:
                stack.append((place + 1, left - lost, taken))


class _Nodes(NamedTuple):
    """Partial blocks of one depth; languages in branching order, ``[n]`` or ``[n, N]``."""

    depth: int
    masks: NDArray[Any]
    counts: NDArray[Any]
    columns: NDArray[Any]  # C_A
    rows: NDArray[Any]  # D_A
    worth: NDArray[Any]  # W(A) less the duals of A and of the group

    def take(self, chosen: NDArray[np.bool_] | slice) -> _Nodes:
        return _Nodes(self.depth, *(array[chosen] for array in self[1:]))

    def join(self, other: _Nodes) -> _Nodes:
        return _Nodes(self.depth, *(np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True)))


class _Tree:
    """The search for one number of members; languages are reordered so that open ones stand last."""

    def __init__(
        self, similarity: Vector, duals: Duals, members: int, threshold: float, units: Sequence[Sequence[int]]
    ) -> None:
        count = len(similarity)
        scaled = similarity / (members - 1)
        self.members, self.threshold, self.group = members, threshold, duals.group
        worth = np.sort(np.where(np.eye(count, dtype=bool), -np.inf, scaled), axis=1)[:, :-members:-1].sum(axis=1)
        worth = np.maximum(worth - duals.languages, 0.0)
        ordered = sorted(units, key=lambda unit: -worth[list(unit)].sum())
        self.order = [i for unit in ordered for i in unit]
        self.order = [i for i in range(count) if i not in self.order] + self.order
        self.scaled = scaled[np.ix_(self.order, self.order)]
        self.duals, self.helpers = duals.languages[self.order], duals.helpers[self.order]
        self.units: list[list[int]] = [[self.order.index(i) for i in unit] for unit in ordered]
        best = -np.sort(-np.where(np.eye(count, dtype=bool), -np.inf, self.scaled), axis=1)[:, :-1]
        self.tops = np.concatenate([np.zeros((count, 1)), np.cumsum(best, axis=1)], axis=1)  # [N, entries]

    def root(self) -> _Nodes:
        """Return the empty block."""
        count = len(self.scaled)
        empty = np.zeros(1, dtype=np.int64)
        return _Nodes(0, empty, empty, np.zeros((1, count)), np.zeros((1, count)), np.full(1, -self.group))

    def branch(self, nodes: _Nodes) -> tuple[_Nodes, _Nodes]:
        """Put the next unit into each block, where it fits, and leave it out."""
        unit = self.units[nodes.depth]
        outside = nodes._replace(depth=nodes.depth + 1)
        fitting = nodes.take(nodes.counts + len(unit) <= self.members)
        columns = fitting.columns + self.scaled[unit].sum(axis=0)
        rows = fitting.rows + self.scaled[:, unit].sum(axis=1)
        gained = (fitting.columns + fitting.rows)[:, unit].sum(axis=1) + self.scaled[np.ix_(unit, unit)].sum()
        worth = fitting.worth + gained - self.duals[unit].sum()
        masks = fitting.masks | sum(1 << i for i in unit)
        return _Nodes(nodes.depth + 1, masks, fitting.counts + len(unit), columns, rows, worth), outside

    def reduced_costs(self, nodes: _Nodes) -> Vector:
        """Return the reduced cost of each block with its best helpers, ``[n]``."""
        return self._complete(nodes, nodes.columns - self.helpers)

    def prune(self, nodes: _Nodes) -> _Nodes:
        """Return the partial blocks that some completion may still lift above the threshold."""
        first = self.units[nodes.depth][0]  # from here on all are open
        added = nodes.columns - self.helpers
        left = np.clip(self.members - 1 - nodes.counts, 0, None)
        gains = nodes.rows[:, first:] + self.tops[first:].T[left] - self.duals[first:]
        np.maximum(added[:, first:], nodes.columns[:, first:] + gains, out=added[:, first:])
        return nodes.take(self._complete(nodes, added) > self.threshold)

    def _complete(self, nodes: _Nodes, added: Vector) -> Vector:
        """Return the worth of each block with the best languages added, by what each adds; it is overwritten."""
        inside = (nodes.masks[:, None] >> np.arange(len(self.scaled)) & 1).astype(bool)
        added[inside] = -np.inf
        added.sort(axis=1)
        sums = np.concatenate([np.zeros((len(added), 1)), np.cumsum(added[:, ::-1], axis=1)], axis=1)
        completed: Vector = nodes.worth + sums[np.arange(len(added)), self.members - nodes.counts]
        return completed

    def original(self, masks: Masks) -> Masks:
        """Return masks in the order of the caller."""
        original = np.zeros_like(masks)
        for place, language in enumerate(self.order):
            original |= (masks >> place & 1) << language
        return original
