"""A semidefinite relaxation of grouping, and what its multipliers prove: no grouping scores above them.

Notation, and why each step holds: docs/design/search-bound.md. A group is a 0-1 vector: ``x`` marks the languages that
it serves and ``h`` its helpers, source-only. ``copies`` is 2 where the vector is ``(x, h)`` and 1 where helpers are
left out (to warm up: only ``copies = 2`` proves anything). The multipliers come from an alternating direction method
(Wen, Goldfarb & Yin 2010); what they prove is checked by ``certify`` and does not rest on its convergence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.bound.cuts import Cuts, size_cuts, triangle_cuts

Array = NDArray[np.float64]
_STEP = 1.6  # of the multiplier update; below the golden ratio
_CHECK_EVERY = 25


@dataclass(frozen=True)
class SizeClass:
    """Groups of ``low`` to ``high`` members, helpers included, and the line below their number of partners.

    For a group of m members ``low <= m <= high``: ``linear * m + square * m^2 <= m - 1``, equal at both ends.
    """

    low: int
    high: int

    @property
    def square(self) -> float:
        """The weight of m^2; never negative."""
        return 0.0 if self.low == self.high else 1.0 / (self.low * self.high)

    @property
    def linear(self) -> float:
        """The weight of m; positive."""
        return (self.low - 1) / self.low - self.square * self.low

    def weight(self, width: int) -> Array:
        """Return the matrix B with ``g' B g = linear m + square m^2`` for a group vector g, ``[width, width]``."""
        return self.linear * np.eye(width) + self.square


@dataclass(frozen=True)
class Multipliers:
    """Where the method stands; everything that ``certify`` needs, and what it takes to go on.

    Attributes:
        duals: What each language costs a group that serves it, ``[N]``.
        group_dual: What a group costs.
        entries: Multipliers of pairs of entries, at least 0 for different languages, ``[classes, width, width]``.
        cuts: Valid inequalities of each class, with their multipliers.
        moments: The relaxed groups, ``sum of g g' / (m - 1)``, ``[classes, width, width]``.
        slack: The semidefinite slack, like ``moments``.
        alone: The part of each language that stands alone, and the part of a group that is not used, ``[N + 1]``.
    """

    duals: Array
    group_dual: float
    entries: Array
    cuts: tuple[Cuts, ...]
    moments: Array
    slack: Array
    alone: Array


class Relaxation:
    """One relaxation: similarities, number of groups, size classes, with or without helpers."""

    def __init__(
        self, similarity: Array, groups: int, singletons: Array, classes: Sequence[SizeClass], copies: int
    ) -> None:
        """Lay out the matrices.

        Args:
            similarity: S, ``[N, N]``.
            groups: K.
            singletons: Score of each language as a group of one, ``[N]``.
            classes: Sizes that this relaxation covers.
            copies: 2 with helpers, 1 without.
        """
        count = len(similarity)
        self.count, self.width, self.groups, self.classes = count, copies * count, groups, tuple(classes)
        language = np.arange(self.width) % count
        self.different = (language[:, None] != language[None, :]).astype(np.float64)  # [width, width]
        # Two entries of one language, (x_i, h_i), are never both 1: their multiplier may have either sign.
        self.either_sign = (self.different == 0) & ~np.eye(self.width, dtype=bool)
        self.gain = np.zeros((self.width, self.width))
        self.gain[:count] += np.tile(similarity, copies) / 2
        self.gain[:, :count] += np.tile(similarity, copies).T / 2
        self.gain *= self.different
        self.weights = np.stack([kind.weight(self.width) for kind in self.classes])
        self.possible = np.append(np.isfinite(singletons), True).astype(np.float64)  # [N + 1]
        self.singletons = np.append(np.where(np.isfinite(singletons), singletons, 0.0), 0.0)
        self.inverse = np.linalg.inv(self._normal_matrix(copies))

    def _normal_matrix(self, copies: int) -> Array:
        """Return the products of the equality constraints with each other, ``[N + 1, N + 1]``."""
        count, matrix = self.count, np.zeros((self.count + 1, self.count + 1))
        matrix[:count, :count] = len(self.classes) / 2
        np.fill_diagonal(matrix[:count, :count], len(self.classes) * copies * (count - 1) / 2)
        matrix[:count, count] = matrix[count, :count] = sum(c.square for c in self.classes) * copies * (count - 1)
        matrix[count, count] = (self.weights**2).sum() + self.possible.sum()
        matrix[:count, :count] += np.diag(self.possible[:count])
        matrix[:count, count] += self.possible[:count]
        matrix[count, :count] += self.possible[:count]
        return matrix

    def totals(self, moments: Array, alone: Array) -> Array:
        """Return how often each language is served, and how many groups there are, ``[N + 1]``."""
        served = (moments * self.different)[:, : self.count].sum(axis=(0, 2)) + (alone * self.possible)[: self.count]
        return np.append(served, (self.weights * moments).sum() + (alone * self.possible).sum())

    def reduced(self, duals: Array, group_dual: float) -> Array:
        """Return what a group costs minus what it gains, as matrices, ``[classes, width, width]``."""
        costs = np.zeros((self.width, self.width))
        costs[: self.count] += duals[:, None] / 2
        costs[:, : self.count] += duals[None, :] / 2
        return costs * self.different - self.gain + group_dual * self.weights

    def start(self) -> Multipliers:
        """Return a beginning."""
        shape = self.weights.shape
        moments = np.broadcast_to(np.eye(self.width), shape) * self.groups / self.width / len(shape)
        cuts = tuple(size_cuts(self.count, self.width, kind.low, kind.high) for kind in self.classes)
        return Multipliers(
            np.zeros(self.count), 0.0, np.zeros(shape), cuts, moments, np.zeros(shape), np.zeros(self.count + 1)
        )

    def with_helpers(self, without: Multipliers) -> Multipliers:
        """Carry multipliers found without helpers over to this relaxation, which has them."""
        count, shape = self.count, self.weights.shape
        slack, moments = np.zeros(shape), np.zeros(shape)
        moments[:, :count, :count] = without.moments
        reduced = self.reduced(without.duals, without.group_dual)
        entries = np.where(self.either_sign, reduced, np.maximum(reduced, 0.0) * self.different)
        entries[:, :count, :count] = without.entries
        slack[:, :count, :count] = without.slack
        slack[:, range(count, 2 * count), range(count, 2 * count)] = without.group_dual
        cuts = tuple(
            old.widened(count, size_cuts(count, self.width, kind.low, kind.high))
            for old, kind in zip(without.cuts, self.classes, strict=True)
        )
        return Multipliers(without.duals, without.group_dual, entries, cuts, moments, slack, without.alone)

    def with_triangles(self, now: Multipliers, most: int) -> Multipliers:
        """Add the triangle inequalities that the relaxed groups break most, and drop those that do nothing."""
        cuts = tuple(
            kept.joined(triangle_cuts(moments[: self.count, : self.count], self.width, most))
            for kept, moments in zip(now.cuts, now.moments, strict=True)
        )
        return replace(now, cuts=cuts)


def improve(problem: Relaxation, start: Multipliers, steps: int, *, penalty: float) -> tuple[Multipliers, float]:
    """Take steps of the alternating direction method; returns the multipliers and the last penalty.

    Args:
        problem: The relaxation.
        start: Where to begin.
        steps: How many steps.
        penalty: Weight of the constraints' violation; adapted on the way.
    """
    moments, slack, entries, alone = start.moments, start.slack, start.entries, start.alone
    duals, group_dual = start.duals, start.group_dual
    multipliers = [cuts.multipliers for cuts in start.cuts]
    cut_sums = np.stack(
        [cuts.weighted_sum(multiplier) for cuts, multiplier in zip(start.cuts, multipliers, strict=True)]
    )
    alone_slack = np.maximum(np.append(duals, 0.0) + group_dual - problem.singletons, 0.0)  # slack of standing alone
    target = np.append(np.ones(problem.count), problem.groups)
    for step in range(1, steps + 1):
        error = problem.totals(moments, alone) - target
        filled = problem.gain + slack + entries + cut_sums
        solved = problem.inverse @ (problem.totals(filled, problem.singletons + alone_slack) + error / penalty)
        duals, group_dual = solved[:-1], float(solved[-1])
        reduced = problem.reduced(duals, group_dual)
        shifted = reduced - moments / penalty
        for position, cuts in enumerate(start.cuts):
            left = (shifted - slack - entries - cut_sums)[position]
            multipliers[position] = cuts.stepped(multipliers[position], left)
            cut_sums[position] = cuts.weighted_sum(multipliers[position])
        unrestricted = shifted - slack - cut_sums
        entries = np.where(problem.either_sign, unrestricted, np.maximum(unrestricted, 0.0) * problem.different)
        slack = _semidefinite(shifted - entries - cut_sums)
        alone_costs = (np.append(duals, 0.0) + group_dual - problem.singletons) * problem.possible
        alone_slack = np.maximum(alone_costs - alone / penalty, 0.0) * problem.possible
        residual = reduced - slack - entries - cut_sums
        moments = moments - _STEP * penalty * residual
        alone = alone - _STEP * penalty * (alone_costs - alone_slack)
        if step % _CHECK_EVERY == 0:
            primal = np.linalg.norm(problem.totals(moments, alone) - target) / (1 + np.linalg.norm(target))
            ratio = primal / (np.linalg.norm(residual) / (1 + np.linalg.norm(problem.gain)) + 1e-300)
            penalty *= 1.25 if ratio < 1 / 3 else 0.8 if ratio > 3 else 1.0
    reached = tuple(c.with_multipliers(multiplier) for c, multiplier in zip(start.cuts, multipliers, strict=True))
    return Multipliers(duals, group_dual, entries, reached, moments, slack, alone), penalty


def _semidefinite(matrices: Array) -> Array:
    """Return the nearest positive semidefinite matrices, ``[classes, width, width]``."""
    values, vectors = np.linalg.eigh((matrices + matrices.transpose(0, 2, 1)) / 2)
    return (vectors * np.maximum(values, 0.0)[:, None, :]) @ vectors.transpose(0, 2, 1)


def certify(problem: Relaxation, at: Multipliers) -> float:
    """Return the dual of a group at which no group of these size classes is worth more than its dual.

    With the result p: for every group of a size that ``problem`` covers, its value is at most the sum of ``duals``
    over the languages that it serves, plus p. That multipliers are not negative is enforced here; the rest is an
    eigenvalue, with a margin for rounding. Infinite if the multipliers are no numbers.
    """
    entries = np.where(problem.either_sign, at.entries, np.maximum(at.entries, 0.0) * problem.different)
    cut_sums = np.stack([cuts.weighted_sum(np.maximum(cuts.multipliers, 0.0)) for cuts in at.cuts])
    start = max(at.group_dual, 0.0)
    matrices = problem.reduced(at.duals, start) - entries - cut_sums
    if not np.isfinite(matrices).all():
        return np.inf  # the method diverged: nothing is proven
    highest = 0.0
    for kind, matrix in zip(problem.classes, (matrices + matrices.transpose(0, 2, 1)) / 2, strict=True):
        lowest = float(np.linalg.eigvalsh(matrix)[0]) - 1e-11 * (1.0 + float(np.abs(matrix).sum(axis=1).max()))
        # weight() lies between linear and linear + square * width times the identity.
        spread = kind.linear if lowest < 0 else kind.linear + kind.square * problem.width
        highest = max(highest, start - lowest / spread)
    return highest
