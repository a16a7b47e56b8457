"""Column generation: the proven optimum for more than 18 languages, or under a budget.

A column is a block with its helpers. The linear programme over all columns (the master problem) is solved by pricing
new ones in, heuristically by climbing and at last exactly; its value L is a bound. A grouping that scores more than
L - d has no column whose reduced cost (value less duals) is below -d. So all columns above -d are listed, d at most the
gap to the incumbent, and the integer programme over them finds the optimum, or proves that there is nothing better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.block_values import BlockValues
from gradsim_offline.grouping.bound.upper_bound import upper_bound
from gradsim_offline.grouping.constraints import impossible
from gradsim_offline.grouping.exact.column_pool import AllowedSet, ColumnPool
from gradsim_offline.grouping.exact.cover import find_cover
from gradsim_offline.grouping.exact.heuristic_pricing import add_by_climbing
from gradsim_offline.grouping.exact.master import Column, Duals, Master, Relaxed
from gradsim_offline.grouping.exact.pricing import PricedBlocks, Work, find_blocks, helper_sets
from gradsim_offline.grouping.local_search import search
from gradsim_offline.grouping.objective import GroupingResult, serve_blocks, simple_bound
from gradsim_offline.grouping.problem import Problem
from gradsim_shared.errors import SettingsError

WORK = 1_200_000_000  # blocks that are valued or bounded, times N, at an effort of 1: about a minute
_NODES = 1000  # of the integer programme while columns are generated, at most
_LAST_NODES = 20_000  # of the last integer programme, at most
_START_EFFORT = 0.1  # of the local search that begins
_PRECISION = 1e-7  # reduced costs and gaps below this are none: the linear programme is no more exact
_CHOICES = 3000  # columns that are chosen among while the linear programme is not solved
_MANY = 5000  # columns that one exact pricing lists: HiGHS takes minutes for the first node of many more
_COLUMN = 50  # blocks that are bounded while one is turned into a column
_UNCOVERED = 1e-6  # what is left uncovered by rounding
_WIDTH = 0.02  # how far duals may leave their centre at first, in units of the largest similarity


def solve_columns(problem: Problem, *, overlap: bool = True) -> GroupingResult:
    """Return the best grouping with at most K groups; proven unless the problem's effort is spent first.

    Args:
        problem: Its constraints do not contradict each other.
        overlap: Whether groups may have helpers.

    Raises:
        SettingsError: No grouping is possible, or none was found with this effort.
    """
    asked, count = problem.constraints, problem.count
    budget = None if asked.budget is None or not overlap else max(asked.budget - sum(asked.sizes), 0.0)
    sizes = np.zeros(count) if budget is None else np.asarray(asked.sizes)
    master = Master(count, min(problem.groups, count), sizes, budget, overlap)
    bound = simple_bound(problem.similarity, problem.singletons)
    pool = ColumnPool(problem, master, Work(WORK * problem.effort / count), bound)
    _add_first_columns(pool)
    if not pool.columns:
        raise impossible(problem)
    _prove(pool)
    if not pool.incumbent:
        raise SettingsError(
            f"no grouping that keeps the constraints was found with effort {problem.effort:g}; "
            "allow more groups or more effort, or drop a constraint"
        )
    pairs = [(column.served, column.members) for column in pool.incumbent]
    best = serve_blocks(problem.similarity, pairs, problem.singletons, bound=pool.bound)
    if pool.gap <= 2 * _PRECISION * count:
        return replace(best, bound=best.score, proven=True)
    limit = upper_bound(problem, best, effort=problem.effort)
    return replace(best, bound=max(best.score, min(limit, best.bound)))


def _add_first_columns(pool: ColumnPool) -> None:
    """Begin with groups of one, the groups of a short local search, and what climbing finds at guessed duals."""
    count, groups = pool.problem.count, pool.master.groups
    blocks = BlockValues.of(pool.problem)
    assignment, value = search(blocks, groups, pool.problem.seed, effort=_START_EFFORT * pool.problem.effort)
    members = blocks.members(assignment, groups)
    members = members[members.any(axis=1)]
    helpers = blocks.helpers(members) if pool.master.overlap else np.zeros_like(members)
    pairs = [(unit, unit) for unit in blocks.units if unit.sum() == 1]
    if value > -blocks.penalty / 2:
        pairs += zip(members, members | helpers, strict=True)
    candidates = [pool.column(np.flatnonzero(block), np.flatnonzero(group)) for block, group in pairs]
    if value < -blocks.penalty / 2:  # perhaps no grouping is possible
        candidates += [pool.column(block, block) for block in find_cover(pool.problem, _LAST_NODES)]
    pool.add(column for column in candidates if np.isfinite(column.value))
    guessed_helpers = np.zeros(count) if pool.master.overlap else np.full(count, np.inf)
    ordered = -np.sort(-pool.similarity, axis=1)
    for partners in {1, max(1, count // groups // 2), max(1, count // groups)}:
        mean = ordered[:, :partners].mean(axis=1)
        for share in (0.5, 0.8):
            add_by_climbing(pool, Duals(mean * share, guessed_helpers, 0.0), -np.inf)


def _prove(pool: ColumnPool) -> None:
    """Solve the linear programme, list the columns that a better grouping could use, and choose among them."""
    relaxed = _generate(pool)
    share = 1.0  # of gap or slack that is listed: less where that would be too many columns
    slack = 0.05 * max(1.0, abs(relaxed.value))  # listed while there is no incumbent
    while not pool.work.spent:
        known = bool(pool.incumbent)
        reach = share * (max(relaxed.value - pool.score, 0.0) if known else slack)
        listed, complete = _price_exactly(pool, relaxed.duals, _PRECISION - reach)
        if pool.add(column for column in listed if column.reduced_cost(relaxed.duals) > _PRECISION):
            relaxed = _generate(pool)
        elif complete:
            if relaxed.uncovered > _UNCOVERED:
                raise impossible(pool.problem)
            pool.bound = min(pool.bound, relaxed.value)
            _choose_among(pool, listed, relaxed.value - reach)
            if known or share < 1 or pool.gap <= _PRECISION * pool.problem.count:
                return
            slack *= 4
            if slack > 1e3 * pool.problem.count * max(1.0, float(np.abs(pool.similarity).max())):
                raise impossible(pool.problem)
        elif share == 0:
            return
        else:  # at last none of it: that proves the linear programme's value, at least
            share = share / 2 if share > 0.05 else 0.0


def _generate(pool: ColumnPool) -> Relaxed:
    """Solve the linear programme, adding what climbing finds, until that is nothing; then choose among the columns.

    Duals stay in a box around a centre that moves: see ``Master.relax``.
    """
    centre = _shared_scores(pool, pool.master.relax(list(pool.columns.values())))
    width = _WIDTH * max(float(np.abs(pool.similarity).max()), 1e-9)
    while True:
        columns = list(pool.columns.values())
        relaxed = pool.master.relax(columns, centre, width)
        if pool.work.spent:
            break
        used = [columns[i] for i in np.flatnonzero(relaxed.weights > 1e-9)]
        if add_by_climbing(pool, relaxed.duals, _PRECISION, used):
            continue
        if not relaxed.boxed or relaxed.uncovered < 1e-9:
            break
        centre, width = relaxed.duals.languages, 1.2 * width
    costs = np.array([column.reduced_cost(relaxed.duals) for column in columns])
    best = [columns[i] for i in np.argsort(-costs, kind="stable")[:_CHOICES]]
    pool.improve(best + [column for column in pool.incumbent if column not in best], _NODES)
    return relaxed


def _shared_scores(pool: ColumnPool, relaxed: Relaxed) -> NDArray[np.float64]:
    """Return duals that charge each language what it scores in its blocks, less its share of the group's, ``[N]``."""
    duals = np.zeros(pool.problem.count)
    for column, weight in zip(pool.columns.values(), relaxed.weights, strict=True):
        block, group = list(column.served), list(column.members)
        if len(group) == 1:
            scores = pool.problem.singletons[group]
        else:
            scores = pool.similarity[np.ix_(block, group)].sum(axis=1) / (len(group) - 1)
        duals[block] += weight * (scores - relaxed.duals.group / len(block))
    return duals


def _choose_among(pool: ColumnPool, listed: list[Column], otherwise: float) -> None:
    """Choose among all columns that a grouping above ``otherwise`` could use; that is then the bound, or the choice."""
    candidates = {(column.served, column.members): column for column in [*pool.incumbent, *listed]}
    candidates |= {key: column for key, column in pool.columns.items() if len(column.members) == 1}
    nodes = min(_LAST_NODES * pool.problem.effort, pool.work.left / len(candidates))
    limit = pool.improve(list(candidates.values()), max(1, round(nodes)))
    pool.bound = min(pool.bound, max(otherwise, limit, pool.score))


def _price_exactly(pool: ColumnPool, duals: Duals, threshold: float) -> tuple[list[Column], bool]:
    """Return the columns above a threshold, and whether they are all; of a block only the best, unless helpers cost.

    Where they are not all, what cannot improve the linear programme is left out. Groups of one, which are columns from
    the beginning, are left out, too.
    """
    by_size: list[tuple[AllowedSet, int, PricedBlocks]] = []
    complete = True
    for allowed in pool.allowed:
        local, most = duals.of(allowed.languages), min(len(allowed.languages), pool.most_members)
        left = _MANY  # of this set; sets share blocks, which are counted once below
        for members in range(2, most + 1):
            priced = find_blocks(
                allowed.similarity, local, members, threshold, units=allowed.units, most=left, work=pool.work
            )
            by_size.append((allowed, members, priced))
            left, complete = left - len(priced.masks), complete and priced.complete
    best: dict[tuple[int, ...], tuple[float, Column]] = {}
    every: list[Column] = []
    for allowed, members, priced in by_size:
        if len(every) + len(best) > _MANY or pool.work.spent:
            complete = False
            break
        local, chosen = duals.of(allowed.languages), priced if complete else priced.above(_PRECISION)
        pool.work.spend(_COLUMN * len(chosen.masks))
        if pool.master.budget is not None and threshold < 0:
            room = max(0, _MANY - len(every))
            columns = _with_any_helpers(pool, allowed, local, chosen, members, threshold)
            every += islice(columns, room)
            complete = complete and next(columns, None) is None
            continue
        for block, cost in _unpack(chosen):
            column = pool.with_best_helpers(allowed, local, block, members)
            if column.served not in best or cost > best[column.served][0]:
                best[column.served] = cost, column
    return every + [column for _, column in best.values()], complete


def _unpack(priced: PricedBlocks) -> Iterator[tuple[NDArray[np.int64], float]]:
    """Yield each block, as places in its allowed set, with its reduced cost."""
    for mask, cost in zip(priced.masks.tolist(), priced.reduced_costs.tolist(), strict=True):
        yield np.array([i for i in range(mask.bit_length()) if mask >> i & 1]), cost


def _with_any_helpers(
    pool: ColumnPool, allowed: AllowedSet, duals: Duals, priced: PricedBlocks, members: int, threshold: float
) -> Iterator[Column]:
    """Yield each block with every choice of helpers that stays above the threshold."""
    for block, cost in _unpack(priced):
        gains = allowed.similarity[block].sum(axis=0) / (members - 1) - duals.helpers
        others = [i for i in range(len(allowed.languages)) if i not in block]
        for helpers in helper_sets(gains[others], members - len(block), cost - threshold):
            group = [*block.tolist(), *(others[i] for i in helpers)]
            yield pool.column([allowed.languages[i] for i in block], [allowed.languages[i] for i in group])
