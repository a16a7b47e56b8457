"""What many blocks are worth at once, with their best helpers, and how far they break the constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import linked
from gradsim_offline.grouping.problem import Problem

Array = NDArray[np.float64]
Sets = NDArray[np.bool_]  # [sets, N]


@dataclass(frozen=True)
class Blocks:
    """A problem as the search sees it.

    Attributes:
        similarity: S, ``[N, N]``.
        singletons: Score of each language as a group of one, ``[N]``.
        units: Languages that move together, because they are linked, ``[units, N]``.
        first: The first language of each unit, ``[units]``.
        apart: Pairs that are never in one group, both ways round, ``[N, N]``.
        largest: Members of a group at most.
        spare: Training examples that helpers may add, all groups together; ``None``: no limit.
        sizes: Training examples of each language, ``[N]``; only read with ``spare``.
        penalty: What one broken constraint costs: more than all similarities together.
    """

    similarity: Array
    singletons: Array
    units: Sets
    first: NDArray[np.int64]
    apart: NDArray[np.bool_]
    largest: int
    spare: float | None
    sizes: Array
    penalty: float

    @classmethod
    def of(cls, problem: Problem) -> Blocks:
        """Read a problem whose constraints do not contradict each other."""
        count, rules = problem.count, problem.constraints
        units = np.zeros((len(linked(problem)), count), dtype=bool)
        for unit, together in zip(units, linked(problem), strict=True):
            unit[list(together)] = True
        apart = np.zeros((count, count), dtype=bool)
        for i, j in rules.cannot_link:
            apart[i, j] = apart[j, i] = True
        largest = count if rules.largest_group is None else rules.largest_group
        sizes = np.asarray(rules.sizes, dtype=np.float64)
        spare = None if rules.budget is None else float(rules.budget - sizes.sum())
        finite = problem.singletons[np.isfinite(problem.singletons)]
        scale = max(float(np.abs(problem.similarity).max()), float(np.abs(finite).max(initial=0.0)), 1.0)
        first = units.argmax(axis=1).astype(np.int64)
        return cls(
            problem.similarity, problem.singletons, units, first, apart, largest, spare, sizes, 1e3 * count * scale
        )

    def members(self, assignment: NDArray[np.int64], groups: int) -> Sets:
        """Return the languages of each block, ``[groups, N]``."""
        found = np.zeros((groups, len(self.similarity)), dtype=bool)
        for unit, block in zip(self.units, assignment, strict=True):
            found[block] |= unit
        return found

    def values(self, blocks: Sets) -> Array:
        """Return the value of each block with its best helpers, ``[blocks]``; 0 for an empty one."""
        gains, totals, counts = self._sums(blocks)
        if self.spare is not None:
            gains = np.full_like(gains, -np.inf)  # the budget is spent on helpers at the end
        if self.largest < len(self.similarity):
            best = self._ratios(blocks, gains, totals, counts).max(axis=1)
        else:
            best = self._best_ratios(blocks, gains, totals, counts)
        broken = np.isneginf(best).astype(np.float64)
        if self.largest < len(self.similarity):
            broken += np.maximum(counts - self.largest, 0)
        if self.apart.any():
            broken += ((blocks @ self.apart.astype(np.float64)) * blocks).sum(axis=1) / 2
        return np.asarray(np.where(counts == 0, 0.0, np.where(np.isneginf(best), 0.0, best) - self.penalty * broken))

    def _alone(self, blocks: Sets, counts: Array) -> Array:
        """Return the value without helpers and partners: of blocks of one; ``-inf`` for others, ``[blocks]``."""
        return np.where(counts == 1, self.singletons[blocks.argmax(axis=1)], -np.inf)

    def _best_ratios(self, blocks: Sets, gains: Array, totals: Array, counts: Array) -> Array:
        """Return each block's value, ``[blocks]``: Newton's method on the ratio, which ends at the maximum."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(counts > 1, totals / (counts - 1), gains.max(axis=1))
        while True:
            worth = gains > ratio[:, None]
            raised = (totals + np.where(worth, gains, 0.0).sum(axis=1)) / np.maximum(counts - 1 + worth.sum(axis=1), 1)
            higher = worth.any(axis=1) & (raised > ratio)
            if not higher.any():
                return np.maximum(ratio, self._alone(blocks, counts))
            ratio = np.where(higher, raised, ratio)

    def helpers(self, blocks: Sets) -> Sets:
        """Return the helpers of each block, ``[blocks, N]``; within the budget, by gain for each example."""
        if self.spare is not None:
            return self._affordable(blocks)
        gains, totals, counts = self._sums(blocks)
        number = self._ratios(blocks, gains, totals, counts).argmax(axis=1)
        order = np.argsort(-gains, axis=1, kind="stable")
        found = np.zeros_like(blocks)
        for block, (count, languages) in enumerate(zip(number, order, strict=True)):
            found[block, languages[:count]] = True
        return found

    def _ratios(self, blocks: Sets, gains: Array, totals: Array, counts: Array) -> Array:
        """Return the value of each block by its number of helpers, ``[blocks, N + 1]``."""
        ordered = -np.sort(-gains, axis=1)
        sums = totals[:, None] + np.concatenate([np.zeros((len(blocks), 1)), np.cumsum(ordered, axis=1)], axis=1)
        partners = counts[:, None] + np.arange(sums.shape[1]) - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(partners > 0, sums / partners, -np.inf)
        ratios[:, 1:][partners[:, 1:] >= self.largest] = -np.inf
        ratios[:, 0] = np.maximum(ratios[:, 0], self._alone(blocks, counts))
        return np.asarray(ratios)

    def _sums(self, blocks: Sets) -> tuple[Array, Array, Array]:
        """Return C_A of every possible helper, ``[blocks, N]`` (others: ``-inf``), W(A), and the sizes."""
        inside = blocks.astype(np.float64)
        columns = inside @ self.similarity
        totals = (columns * inside).sum(axis=1) - inside @ self.similarity.diagonal()
        gains = np.where(blocks, -np.inf, columns)
        if self.apart.any():
            gains[blocks @ self.apart] = -np.inf
            for i, j in np.argwhere(np.triu(self.apart)):  # of two that exclude each other the better one may help
                gains[gains[:, i] < gains[:, j], i] = -np.inf
                gains[gains[:, j] <= gains[:, i], j] = -np.inf
        return gains, totals, inside.sum(axis=1)

    def _affordable(self, blocks: Sets) -> Sets:
        """Add one helper after another, where it gains most for each of its training examples."""
        found, left = np.zeros_like(blocks), float(self.spare or 0.0)
        gains, totals, counts = self._sums(blocks)
        values = self.values(blocks)
        while True:
            partners = counts + found.sum(axis=1)  # with one more helper
            more = (totals[:, None] + gains) / partners[:, None] - values[:, None]
            more[(self.sizes[None, :] > left) | found | (partners >= self.largest)[:, None]] = -np.inf
            more[(found @ self.apart)] = -np.inf
            worth = more / np.maximum(self.sizes, 1e-12)
            block, helper = np.unravel_index(int(worth.argmax()), worth.shape)
            if not more[block, helper] > 0:
                return found
            found[block, helper] = True
            left -= self.sizes[helper]
            totals[block] += gains[block, helper]
            values[block] += more[block, helper]
