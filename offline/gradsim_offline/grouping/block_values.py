"""Values of many blocks at once, each with its best helpers, with a penalty for each constraint that it breaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import linked
from gradsim_offline.grouping.problem import Problem

Array = NDArray[np.float64]
Sets = NDArray[np.bool_]  # [sets, N]


@dataclass(frozen=True)
class BlockValues:
    """A problem as arrays, and the value of any blocks in it.

    Attributes:
        similarity: S, ``[N, N]``.
        singletons: Score of each language as a group of one, ``[N]``.
        units: Languages that move together, because they are linked, ``[units, N]``.
        first: The first language of each unit, ``[units]``.
        forbidden: Pairs that are never in one group, both ways round, ``[N, N]``.
        largest: Members of a group at most.
        helper_budget: Training examples that helpers may add, all groups together; ``None``: no limit.
        sizes: Training examples of each language, ``[N]``; only read with a budget.
        penalty: What one broken constraint costs: more than all similarities together.
    """

    similarity: Array
    singletons: Array
    units: Sets
    first: NDArray[np.int64]
    forbidden: NDArray[np.bool_]
    largest: int
    helper_budget: float | None
    sizes: Array
    penalty: float

    @classmethod
    def of(cls, problem: Problem) -> BlockValues:
        """Read a problem whose constraints do not contradict each other."""
        count, rules = problem.count, problem.constraints
        units = np.zeros((len(linked(problem)), count), dtype=bool)
        for unit, together in zip(units, linked(problem), strict=True):
            unit[list(together)] = True
        forbidden = np.zeros((count, count), dtype=bool)
        for i, j in rules.cannot_link:
            forbidden[i, j] = forbidden[j, i] = True
        largest = count if rules.largest_group is None else rules.largest_group
        sizes = np.asarray(rules.sizes, dtype=np.float64)
        helper_budget = None if rules.budget is None else float(rules.budget - sizes.sum())
        finite = problem.singletons[np.isfinite(problem.singletons)]
        scale = max(float(np.abs(problem.similarity).max()), float(np.abs(finite).max(initial=0.0)), 1.0)
        return cls(
            problem.similarity,
            problem.singletons,
            units,
            units.argmax(axis=1).astype(np.int64),
            forbidden,
            largest,
            helper_budget,
            sizes,
            1e3 * count * scale,
        )

    def members(self, assignment: NDArray[np.int64], groups: int) -> Sets:
        """Return the languages of each block, ``[groups, N]``."""
        members = np.zeros((groups, len(self.similarity)), dtype=bool)
        for unit, block in zip(self.units, assignment, strict=True):
            members[block] |= unit
        return members

    def values(self, blocks: Sets) -> Array:
        """Return the value of each block with its best helpers, ``[blocks]``; 0 for an empty one."""
        gains, totals, counts = self._sums(blocks)
        if self.helper_budget is not None:
            gains = np.full_like(gains, -np.inf)  # the budget is spent on helpers at the end
        if self.largest < len(self.similarity):
            best = self._ratios(blocks, gains, totals, counts).max(axis=1)
        else:
            best = self._highest_ratios(blocks, gains, totals, counts)
        broken = np.isneginf(best).astype(np.float64)
        if self.largest < len(self.similarity):
            broken += np.maximum(counts - self.largest, 0)
        if self.forbidden.any():
            broken += ((blocks @ self.forbidden.astype(np.float64)) * blocks).sum(axis=1) / 2
        return np.asarray(np.where(counts == 0, 0.0, np.where(np.isneginf(best), 0.0, best) - self.penalty * broken))

    def _alone(self, blocks: Sets, counts: Array) -> Array:
        """Return the value without helpers and partners: of blocks of one; ``-inf`` for others, ``[blocks]``."""
        return np.where(counts == 1, self.singletons[blocks.argmax(axis=1)], -np.inf)

    def _highest_ratios(self, blocks: Sets, gains: Array, totals: Array, counts: Array) -> Array:
        """Return each block's value, ``[blocks]``: Newton's method on the ratio, which ends at the maximum."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(counts > 1, totals / (counts - 1), gains.max(axis=1))
        while True:
            helping = gains > ratio[:, None]
            raised = (totals + np.where(helping, gains, 0.0).sum(axis=1)) / np.maximum(
                counts - 1 + helping.sum(axis=1), 1
            )
            higher = helping.any(axis=1) & (raised > ratio)
            if not higher.any():
                return np.maximum(ratio, self._alone(blocks, counts))
            ratio = np.where(higher, raised, ratio)

    def helpers(self, blocks: Sets) -> Sets:
        """Return the helpers of each block, ``[blocks, N]``; within the budget, by gain for each example."""
        if self.helper_budget is not None:
            return self._helpers_within_budget(blocks)
        gains, totals, counts = self._sums(blocks)
        number = self._ratios(blocks, gains, totals, counts).argmax(axis=1)
        order = np.argsort(-gains, axis=1, kind="stable")
        helpers = np.zeros_like(blocks)
        for block, (count, languages) in enumerate(zip(number, order, strict=True)):
            helpers[block, languages[:count]] = True
        return helpers

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
        if self.forbidden.any():
            gains[blocks @ self.forbidden] = -np.inf
            for i, j in np.argwhere(np.triu(self.forbidden)):  # of two that exclude each other the better one may help
                gains[gains[:, i] < gains[:, j], i] = -np.inf
                gains[gains[:, j] <= gains[:, i], j] = -np.inf
        return gains, totals, inside.sum(axis=1)

    def _helpers_within_budget(self, blocks: Sets) -> Sets:
        """Add one helper after another, where it gains most for each of its training examples."""
        helpers, left = np.zeros_like(blocks), float(self.helper_budget or 0.0)
        gains, totals, counts = self._sums(blocks)
        values = self.values(blocks)
        while True:
            partners = counts + helpers.sum(axis=1)  # with one more helper
            more = (totals[:, None] + gains) / partners[:, None] - values[:, None]
            more[(self.sizes[None, :] > left) | helpers | (partners >= self.largest)[:, None]] = -np.inf
            more[(helpers @ self.forbidden)] = -np.inf
            worth = more / np.maximum(self.sizes, 1e-12)
            block, helper = np.unravel_index(int(worth.argmax()), worth.shape)
            if not more[block, helper] > 0:
                return helpers
            helpers[block, helper] = True
            left -= self.sizes[helper]
            totals[block] += gains[block, helper]
            values[block] += more[block, helper]
