"""Restarted local search for any number of languages, with a proven upper bound on what it may have missed.

As in ``exact.py``, the languages that a group serves form a block, blocks partition the languages, and a block's best
helpers are those with the highest ``C_A(h) = sum over i in A of S[i, h]``. The search moves and swaps languages
between blocks (linked ones together) and gives each block its best helpers anew at every step; constraints that are
broken cost more than any similarity, so that a start which breaks them finds its way out. ``bound/`` says how far
the result may be from the best.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.bound.bound import upper_bound
from gradsim_offline.grouping.constraints import check_constraints, impossible
from gradsim_offline.grouping.local_search import Blocks
from gradsim_offline.grouping.objective import TIE, Grouping, evaluate_grouping, serve_blocks
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver
from gradsim_shared.errors import SettingsError

RANDOM_STARTS = 12
KICKS = 40  # of the best found so far
_MOVED = 0.15  # part of the languages that a kick moves
_SETTLING = 10  # rounds
_SEARCH_SHARE = 0.3  # of the time limit; the bound takes the rest

Assignment = NDArray[np.int64]  # [units]: the block of each unit


def solve(problem: Problem) -> Grouping:
    """Return a good grouping with at most K groups, overlap allowed, and an upper bound on all of them.

    The same problem gives the same result, unless the time limit is hit. The bound is that of the problem without its
    constraints: it holds with them too, and may then be far off. With a budget, helpers are added at the end only.

    Raises:
        SettingsError: The constraints contradict each other, or no grouping that keeps them was found.
    """
    started = time.monotonic()
    check_constraints(problem)
    if problem.count == 1 and not np.isfinite(problem.singletons[0]):
        raise impossible(problem)
    scaled, unit = problem.in_units()
    blocks = Blocks.of(scaled)
    chosen = search(scaled, blocks, started + _SEARCH_SHARE * problem.time_limit)
    found = grouping_of(scaled, blocks, chosen, np.inf)
    bound = upper_bound(scaled, found, deadline=started + problem.time_limit)
    return grouping_of(scaled, blocks, chosen, bound).times(unit)


def search(problem: Problem, blocks: Blocks, deadline: float) -> Assignment:
    """Climb from every start, kick the best, and end with swaps."""
    draw = np.random.default_rng(problem.seed)
    groups = min(problem.groups, problem.count)
    best, highest = _climb(blocks, _linked(blocks, groups), groups, np.inf)  # whatever the time: keeps constraints
    for number in range(1 + RANDOM_STARTS + KICKS if groups > 1 else 0):
        if time.monotonic() > deadline:
            break
        if number == 0:
            start = _peeled(blocks, groups)
        else:
            start = _seeded(blocks, groups, draw) if number <= RANDOM_STARTS else _kicked(best, groups, draw)
        at, score = _climb(blocks, start, groups, deadline)
        if score > highest + TIE:
            best, highest = at, score
    while time.monotonic() <= deadline:
        swapped = _swapped(blocks, best, groups, deadline)
        if swapped is None:
            break
        best, highest = _climb(blocks, swapped, groups, deadline)
    if highest < -blocks.penalty / 2:
        raise SettingsError(
            f"no grouping into at most {problem.groups} groups that keeps the constraints was found; ask for more "
            "groups or a larger largest_group, or leave out a cannot_link or a must_link"
        )
    return best


def _linked(blocks: Blocks, groups: int) -> Assignment:
    """Return the start that average linkage gives."""
    from scipy.cluster.hierarchy import fcluster, linkage

    similarity = (blocks.similarity + blocks.similarity.T) / 2
    if len(similarity) < 2 or groups < 2:
        return np.zeros(len(blocks.units), dtype=np.int64)
    upper = np.triu_indices(len(similarity), 1)
    tree = linkage(similarity.max() - similarity[upper], method="average")
    return (fcluster(tree, groups, criterion="maxclust") - 1)[blocks.first].astype(np.int64)


def _peeled(blocks: Blocks, groups: int) -> Assignment:
    """Return a start for weak similarities: from one block of all, those leave who are worth most alone."""
    at = np.zeros(len(blocks.units), dtype=np.int64)
    alone, left = blocks.values(blocks.units), blocks.units.any(axis=0)
    for block in range(1, min(groups, len(at))):
        worth = np.where(at == 0, alone + blocks.values(left & ~blocks.units), -np.inf)
        leaving = int(worth.argmax())
        at[leaving], left = block, left & ~blocks.units[leaving]
    return at


def _seeded(blocks: Blocks, groups: int, draw: np.random.Generator) -> Assignment:
    """Return a start: languages drawn one after another, far from each other; the others go to the most similar."""
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
    return _settled(blocks, np.asarray(start, dtype=np.int64), groups)


def _settled(blocks: Blocks, start: Assignment, groups: int) -> Assignment:
    """Let all languages go at once to the block whose members they resemble most, a few times: cheap big steps."""
    at, units = start, blocks.units.astype(np.float64)
    pairs = units @ (blocks.similarity + blocks.similarity.T) @ units.T / 2  # [units, units]
    np.fill_diagonal(pairs, 0.0)
    for _ in range(_SETTLING):
        inside = (at[:, None] == np.arange(groups)).astype(np.float64)  # [units, groups]
        partners = units.sum(axis=1) @ inside - units.sum(axis=1)[:, None] * inside
        means = np.where(partners > 0, pairs @ inside / np.maximum(partners, 1), -np.inf)
        closest = means.argmax(axis=1)
        if (closest == at).all():
            break
        at = closest
    return at.astype(np.int64)


def _kicked(best: Assignment, groups: int, draw: np.random.Generator) -> Assignment:
    """Return the best with some languages moved anywhere; every other time two groups merged and one split."""
    kicked = best.copy()
    if draw.random() < 0.5:
        into, merged, split = draw.choice(groups, size=3) if groups > 2 else (0, 1, 0)
        kicked[kicked == merged] = into
        kicked[(kicked == split) & (draw.random(len(kicked)) < 0.5)] = merged
    moved = draw.random(len(kicked)) < _MOVED
    kicked[moved] = draw.integers(groups, size=int(moved.sum()))
    return kicked


def _climb(blocks: Blocks, start: Assignment, groups: int, deadline: float) -> tuple[Assignment, float]:
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
        if gains[unit, block] <= TIE or time.monotonic() > deadline:
            return at, float(values.sum())
        changed = [int(at[unit]), block]
        at[unit] = block
        members[changed[0]] &= ~blocks.units[unit]
        members[changed[1]] |= blocks.units[unit]
        values[changed] = blocks.values(members[changed])


def _swapped(blocks: Blocks, at: Assignment, groups: int, deadline: float) -> Assignment | None:
    """Return the best swap of two languages in different blocks, or None if none gains."""
    members = blocks.members(at, groups)
    values = blocks.values(members)
    best, highest = None, TIE
    for unit in range(len(at)):
        others = np.flatnonzero((at != at[unit]) & (np.arange(len(at)) > unit))
        if not len(others) or time.monotonic() > deadline:
            break
        mine = (members[at[unit]] & ~blocks.units[unit]) | blocks.units[others]
        theirs = (members[at[others]] & ~blocks.units[others]) | blocks.units[unit]
        gains = blocks.values(mine) + blocks.values(theirs) - values[at[unit]] - values[at[others]]
        position = int(gains.argmax())
        if gains[position] > highest:
            best, highest = at.copy(), float(gains[position])
            best[unit], best[others[position]] = at[others[position]], at[unit]
    return best


def grouping_of(problem: Problem, blocks: Blocks, chosen: Assignment, bound: float) -> Grouping:
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


PLUGIN = Solver(solve)
