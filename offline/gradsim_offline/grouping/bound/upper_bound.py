"""What no grouping of at most K groups scores above, for any S: duals of languages and of groups (LP duality).

Any duals ``pi`` (one per language) and ``p >= 0`` (per group) at which every group is worth at most the duals of the
languages that it serves plus p prove ``score <= sum(pi) + K p``. A semidefinite relaxation finds good duals; that no
group is worth more is then checked apart from how they were found (docs/design/search-bound.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.bound.relaxation import Multipliers, Relaxation, SizeClass, certify, improve
from gradsim_offline.grouping.objective import GroupingResult, collective_similarity, simple_bound
from gradsim_offline.grouping.problem import Problem

Array = NDArray[np.float64]
LARGEST_RELAXATION = 400  # languages: beyond, matrices of 2N x 2N cost gigabytes
_ROUNDS = 4  # without helpers
_HELPER_ROUNDS = 8
_HELPER_TRIANGLES = (2, 4, 6)  # before these rounds
_STEPS = 100  # a round without helpers
_HELPER_STEPS = 25
_HELPER_PENALTY = 0.07  # where the penalty usually ends without helpers
_TRIANGLES = 3000  # new ones a round, for each class of sizes
_USUAL = 108  # languages that take these steps; fewer take more, up to _MOST times as many
_MOST = 2.0


def upper_bound(problem: Problem, incumbent: GroupingResult, *, effort: float = 1.0) -> float:
    """Return a number that no grouping of at most K groups exceeds. Constraints only lower what can be reached.

    Args:
        problem: The problem.
        incumbent: A good grouping; its sizes say where to look closely. The bound does not rest on it.
        effort: Multiple of the usual number of steps; the bound holds after any number.
    """
    similarity, singletons, count = problem.similarity, problem.singletons, problem.count
    groups = min(problem.groups, count)
    if groups == 1:
        return float(collective_similarity(similarity, range(count), singletons).sum())
    simple = simple_bound(similarity, singletons)
    scale = float(np.abs(similarity).max()) or 1.0  # the steps are made for cosines
    margin = 1e-10 * scale * count  # far above the rounding of sums
    if simple <= incumbent.score + margin or groups == count or count > LARGEST_RELAXATION:
        return simple
    scaled = _Scaled(similarity / scale, singletons / scale, groups)
    return min(simple, scale * _relaxed_bound(scaled, incumbent, effort) + margin)


@dataclass(frozen=True)
class _Scaled:
    """S with entries of at most 1, singleton scores alike, and K."""

    similarity: Array
    singletons: Array
    groups: int

    def score(self, duals: Array, group_dual: float) -> float:
        """Return the bound; a language that is worth more alone costs as much more."""
        return float(np.maximum(duals, self.singletons - group_dual).sum()) + self.groups * group_dual


def size_classes(count: int, groups: int, sizes: list[int]) -> tuple[SizeClass, ...]:
    """Split the sizes around the mean into classes; smaller ones are left to counting.

    Args:
        count: N.
        groups: K.
        sizes: Members of each group of a good grouping.
    """
    mean = count / groups
    low = max(2, min([round(0.6 * mean), *(size for size in sizes if size > 1)]))
    top = max(low + 1, math.ceil(1.35 * mean))
    steps = 3 if top > 4 * low else 2
    edges = sorted({min(count, round(low * (top / low) ** (step / steps))) for step in range(steps + 1)})
    return tuple(SizeClass(a, b - 1) for a, b in zip(edges, [*edges[1:], count + 1], strict=True))


def _relaxed_bound(scaled: _Scaled, incumbent: GroupingResult, effort: float) -> float:
    """Find duals without helpers, then with them; return the lowest bound that was proven on the way."""
    count = len(scaled.similarity)
    classes = size_classes(count, scaled.groups, [len(group) for group in incumbent.groups])
    share = effort * min(_MOST, (_USUAL / count) ** 2)
    steps, helper_steps = (max(1, round(share * s)) for s in (_STEPS, _HELPER_STEPS))
    narrow = Relaxation(scaled.similarity, scaled.groups, scaled.singletons, classes, copies=1)
    at, penalty = narrow.start(), 1.0
    for round_number in range(_ROUNDS):
        if round_number:
            at = narrow.with_triangles(at, _TRIANGLES)
        at, penalty = improve(narrow, at, steps, penalty=penalty)
    classes = _covering(scaled, classes, at, certify(narrow, at))
    wide = Relaxation(scaled.similarity, scaled.groups, scaled.singletons, classes, copies=2)
    at, penalty = wide.with_helpers(at), _HELPER_PENALTY
    best = _proven(scaled, wide, at)
    for round_number in range(_HELPER_ROUNDS):
        if round_number in _HELPER_TRIANGLES:
            at = wide.with_triangles(at, _TRIANGLES)
        at, penalty = improve(wide, at, helper_steps, penalty=penalty)
        best = min(best, _proven(scaled, wide, at))
    return best


def _covering(
    scaled: _Scaled, classes: tuple[SizeClass, ...], at: Multipliers, group_dual: float
) -> tuple[SizeClass, ...]:
    """Let the first class begin where counting no longer keeps small groups below nine tenths of the group's dual."""
    first = classes[0]
    worth = small_group_bounds(scaled.similarity, at.duals, first.high)
    above = np.flatnonzero(worth > 0.9 * group_dual)
    low = int(above[0]) + 2 if len(above) else first.high
    return (SizeClass(low, first.high), *classes[1:])


def _proven(scaled: _Scaled, relaxation: Relaxation, at: Multipliers) -> float:
    """Return the bound that multipliers prove: every size is in a class of the relaxation or below them all."""
    group_dual = certify(relaxation, at)
    if not np.isfinite(group_dual):
        return math.inf
    low = relaxation.classes[0].low
    if low > 2:
        small = small_group_bounds(scaled.similarity, at.duals, low - 1)
        group_dual = max(group_dual, float(small.max()))
    return scaled.score(at.duals, group_dual)


def small_group_bounds(similarity: Array, duals: Array, largest: int) -> Array:
    """Return, for m = 2 to ``largest``, a bound on what a group of m members is worth beyond its languages' duals.

    A served language i gets the mean of m - 1 entries of its row, at most that of its highest ones. All served
    languages of a group share each of them, r say: so i's mean has ``S[i, r]`` in it, and at most m - 1 others are
    served beside r. The largest over r bounds every group.

    Args:
        similarity: S, ``[N, N]``.
        duals: What each language costs a group that serves it, ``[N]``.
        largest: The largest m, at most N.

    Returns:
        ``[largest - 1]``; not below the true values.
    """
    count = len(similarity)
    margins = np.where(np.eye(count, dtype=bool), -np.inf, similarity - duals[:, None])
    highest = np.cumsum(-np.sort(-margins, axis=1)[:, : largest - 1], axis=1)  # [N, m - 1]: sums of the highest
    highest = np.concatenate([np.zeros((count, 1)), highest], axis=1)
    worth = np.empty(largest - 1)
    for members in range(2, largest + 1):
        partners = members - 1
        free = highest[:, partners] / partners  # [N]
        sharing = np.minimum(free[:, None], (highest[:, partners - 1, None] + margins) / partners)  # [i, r]
        beside = -np.partition(-np.maximum(sharing, 0.0), partners - 1, axis=0)[:partners].sum(axis=0)
        worth[members - 2] = (free + beside).max()
    return worth
