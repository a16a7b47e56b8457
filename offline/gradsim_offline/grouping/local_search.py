"""Restarted local search: move and swap languages between blocks while that raises the score.

The languages that a group serves form a block, and blocks partition the languages; linked languages move together.
Every block is valued with its best helpers at every step. A broken constraint costs more than any similarity, so a
start that breaks some finds its way out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.block_values import BlockValues
from gradsim_offline.grouping.objective import TIE, GroupingResult, evaluate_grouping, serve_blocks
from gradsim_offline.grouping.problem import Problem

_RANDOM_STARTS = 12
_PERTURBATIONS = 40  # of the best assignment so far
_SWAPS = 100  # at most
_FULL = 108  # languages that get this many; a climb takes longer for more, and they get fewer
_MOVED = 0.15  # part of the languages that a perturbation moves
_MEAN_ROUNDS = 10

Assignment = NDArray[np.int64]  # [units]: the block of each unit


def search(blocks: BlockValues, groups: int, seed: int, *, effort: float) -> tuple[Assignment, float]:
    """Climb from every start, then from perturbations of the best assignment, and end with swaps.

    Args:
        blocks: The problem.
        groups: Blocks, at most.
        seed: For random starts and perturbations.
        effort: Multiple of the usual number of starts; there is one start at least.

    Returns:
        The assignment and its total value; a value below ``-blocks.penalty / 2`` breaks a constraint.
    """
    draw = np.random.default_rng(seed)
    share = effort * min(1.0, (_FULL / len(blocks.similarity)) ** 2)
    random_starts, perturbations, swaps = (round(share * n) for n in (_RANDOM_STARTS, _PERTURBATIONS, _SWAPS))
    best, highest = _climb(blocks, _average_linkage(blocks, groups), groups)
    for number in range(1 + random_starts + perturbations if groups > 1 else 0):
        if number == 0:
            start = _all_but_some(blocks, groups)
        elif number <= random_starts:
            start = _distant_seeds(blocks, groups, draw)
        else:
            start = _perturbed(best, groups, draw)
        assignment, value = _climb(blocks, start, groups)
        if value > highest + TIE:
            best, highest = assignment, value
    for _ in range(swaps):
        swapped = _best_swap(blocks, best, groups)
        if swapped is None:
            break
        best, highest = _climb(blocks, swapped, groups)
    return best, highest


def _average_linkage(blocks: BlockValues, groups: int) -> Assignment:
    """Return the clusters of average linkage as a start."""
    from scipy.cluster.hierarchy import fcluster, linkage

    similarity = (blocks.similarity + blocks.similarity.T) / 2
    if len(similarity) < 2 or groups < 2:
        return np.zeros(len(blocks.units), dtype=np.int64)
    upper = np.triu_indices(len(similarity), 1)
    tree = linkage(similarity.max() - similarity[upper], method="average")
    return (fcluster(tree, groups, criterion="maxclust") - 1)[blocks.first].astype(np.int64)


def _all_but_some(blocks: BlockValues, groups: int) -> Assignment:
    """Return a start for weak similarities: one block of all but the languages that are worth most alone."""
    at = np.zeros(len(blocks.units), dtype=np.int64)
    alone, left = blocks.values(blocks.units), blocks.units.any(axis=0)
    for block in range(1, min(groups, len(at))):
        worth = np.where(at == 0, alone + blocks.values(left & ~blocks.units), -np.inf)
        leaving = int(worth.argmax())
        at[leaving], left = block, left & ~blocks.units[leaving]
    return at


def _distant_seeds(blocks: BlockValues, groups: int, draw: np.random.Generator) -> Assignment:
    """Return a start as k-means++ does: seeds drawn far from each other, the others with the most similar seed."""
    similarity = (blocks.similarity + blocks.similarity.T)[np.ix_(blocks.first, blocks.first)] / 2
    seeds = [int(draw.integers(len(similarity)))]
    while len(seeds) < min(groups, len(similarity)):
        away = similarity.max() - similarity[:, seeds].max(axis=1)
        away[seeds] = 0.0
        if away.sum() <= 0:
            break
        seeds.append(int(draw.choice(len(similarity), p=away / away.sum())))
    start = similarity[:, seeds].argmax(axis=1)
    start[seeds] = np.arange(len(seeds))
    return _nearest_means(blocks, np.asarray(start, dtype=np.int64), groups)


def _nearest_means(blocks: BlockValues, start: Assignment, groups: int) -> Assignment:
    """Move all languages at once to the block whose members they resemble most on average, a few times over."""
    at, units = start, blocks.units.astype(np.float64)
    pairs = units @ (blocks.similarity + blocks.similarity.T) @ units.T / 2  # [units, units]
    np.fill_diagonal(pairs, 0.0)
    for _ in range(_MEAN_ROUNDS):
        inside = (at[:, None] == np.arange(groups)).astype(np.float64)  # [units, groups]
        partners = units.sum(axis=1) @ inside - units.sum(axis=1)[:, None] * inside
        means = np.where(partners > 0, pairs @ inside / np.maximum(partners, 1), -np.inf)
        closest = means.argmax(axis=1)
        if (closest == at).all():
            break
        at = closest
    return at.astype(np.int64)


def _perturbed(best: Assignment, groups: int, draw: np.random.Generator) -> Assignment:
    """Return the best with some languages moved anywhere; every other time two groups merged and one split."""
    changed = best.copy()
    if draw.random() < 0.5:
        into, merged, split = draw.choice(groups, size=3) if groups > 2 else (0, 1, 0)
        changed[changed == merged] = into
        changed[(changed == split) & (draw.random(len(changed)) < 0.5)] = merged
    moved = draw.random(len(changed)) < _MOVED
    changed[moved] = draw.integers(groups, size=int(moved.sum()))
    return changed


def _climb(blocks: BlockValues, start: Assignment, groups: int) -> tuple[Assignment, float]:
    """Make the move that gains most until none gains; returns the blocks and their total value."""
    at, each = start.copy(), np.arange(len(start))
    members = blocks.members(at, groups)  # [groups, N]
    values = blocks.values(members)
    without, joined = np.zeros(len(at)), np.zeros((len(at), groups))
    changed = list(range(groups))
    while True:
        inside = np.isin(at, changed)
        without[inside] = blocks.values(members[at[inside]] & ~blocks.units[inside])
        for block in changed:
            joined[:, block] = blocks.values(members[block] | blocks.units)
        gains = joined - values + (without - values[at])[:, None]
        gains[each, at] = -np.inf
        unit, block = divmod(int(gains.argmax()), groups)
        if gains[unit, block] <= TIE:
            return at, float(values.sum())
        changed = [int(at[unit]), block]
        at[unit] = block
        members[changed[0]] &= ~blocks.units[unit]
        members[changed[1]] |= blocks.units[unit]
        values[changed] = blocks.values(members[changed])


def _best_swap(blocks: BlockValues, at: Assignment, groups: int) -> Assignment | None:
    """Return the best swap of two languages in different blocks, or None if none gains."""
    members = blocks.members(at, groups)
    values = blocks.values(members)
    best, highest = None, TIE
    for unit in range(len(at)):
        others = np.flatnonzero((at != at[unit]) & (np.arange(len(at)) > unit))
        if not len(others):
            break
        first = (members[at[unit]] & ~blocks.units[unit]) | blocks.units[others]
        second = (members[at[others]] & ~blocks.units[others]) | blocks.units[unit]
        gains = blocks.values(first) + blocks.values(second) - values[at[unit]] - values[at[others]]
        position = int(gains.argmax())
        if gains[position] > highest:
            best, highest = at.copy(), float(gains[position])
            best[unit], best[others[position]] = at[others[position]], at[unit]
    return best


def grouping_of(problem: Problem, blocks: BlockValues, chosen: Assignment, bound: float) -> GroupingResult:
    """Return the groups: blocks with their helpers. Linked languages stay in the group that was chosen for them."""
    members = blocks.members(chosen, min(problem.groups, problem.count))
    members = members[members.any(axis=1)]
    helpers = blocks.helpers(members)
    groups = [
        tuple(int(i) for i in np.flatnonzero(block | extra)) for block, extra in zip(members, helpers, strict=True)
    ]
    if not problem.constraints.must_link:
        return evaluate_grouping(problem.similarity, groups, problem.singletons, bound=bound)
    served = [[int(i) for i in np.flatnonzero(block)] for block in members]
    return serve_blocks(problem.similarity, list(zip(served, groups, strict=True)), problem.singletons, bound=bound)
