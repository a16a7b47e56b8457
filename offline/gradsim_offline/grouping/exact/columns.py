"""The proven optimum for more languages, or under a budget: column generation, then every column that could matter.

A column is a block with its helpers. The linear programme over all columns is solved by pricing new ones in, quickly by
climbing and at last exactly; its value L is a bound. A grouping that scores more than L - d has no column whose surplus
(value less price) is below -d. So all columns above -d are listed, d at most the gap to the best grouping known, and
the integer programme over them finds the optimum, or proves that there is nothing better.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from gradsim_offline.grouping.bound.bound import upper_bound
from gradsim_offline.grouping.constraints import impossible
from gradsim_offline.grouping.exact.column_pricing import (
    PRECISION,
    add_near,
    price_exactly,
    price_quickly,
    start_columns,
)
from gradsim_offline.grouping.exact.column_search import ColumnSearch, surplus_of
from gradsim_offline.grouping.exact.master import Column, Master, Relaxed
from gradsim_offline.grouping.objective import Grouping, serve_blocks, simple_bound
from gradsim_offline.grouping.problem import Problem
from gradsim_shared.errors import SettingsError

_CHOICES = 3000  # columns that are chosen among while the linear programme is not solved
_ROUNDS = 6  # of choosing among columns like the best, at most
_MANY = 30_000  # columns of one exact pricing, for each number of members, at most
_BOUND_SHARE = 0.2  # of the time limit, kept for a bound if there is no proof
_TRACE = 1e-6  # what is left uncovered by rounding


def solve_columns(problem: Problem, *, overlap: bool = True) -> Grouping:
    """Return the best grouping with at most K groups; proven unless the problem's time limit is reached.

    Args:
        problem: Its constraints do not contradict each other.
        overlap: Whether groups may have helpers.

    Raises:
        SettingsError: No grouping is possible, or none was found in time.
    """
    asked, count = problem.constraints, problem.count
    budget = None if asked.budget is None or not overlap else max(asked.budget - sum(asked.sizes), 0.0)
    sizes = np.zeros(count) if budget is None else np.asarray(asked.sizes)
    master = Master(count, min(problem.groups, count), sizes, budget, overlap)
    bound, started = simple_bound(problem.similarity, problem.singletons), time.monotonic()
    search = ColumnSearch(problem, master, started + (1 - _BOUND_SHARE) * problem.time_limit, bound)
    start_columns(search)
    if not search.columns:
        raise impossible(problem)
    _prove(search)
    if not search.chosen:
        raise SettingsError(
            f"no grouping that keeps the constraints was found in {problem.time_limit:g} seconds; "
            "allow more groups or more time, or drop a constraint"
        )
    pairs = [(column.served, column.members) for column in search.chosen]
    found = serve_blocks(problem.similarity, pairs, problem.singletons, bound=search.bound)
    if search.gap <= 2 * PRECISION * count:
        return replace(found, bound=found.score, proven=True)
    limit = upper_bound(problem, found, deadline=started + problem.time_limit)
    return replace(found, bound=max(found.score, min(limit, found.bound)))


def _prove(search: ColumnSearch) -> None:
    """Solve the linear programme over all columns, and list those that a better grouping could use; choose of them."""
    relaxed = _price_first(search)
    share = 1.0  # of the gap that is listed: less where that would be too many columns
    slack = 0.05 * max(1.0, abs(relaxed.value))  # listed as long as no grouping at all is known
    while not search.late:
        known = bool(search.chosen)
        reach = share * (relaxed.value - search.score) if known else slack
        above = price_exactly(search, relaxed, PRECISION - max(reach, 0.0), _MANY)
        if search.add(column for column in above.columns if surplus_of(column, relaxed.prices) > PRECISION):
            relaxed = _price_first(search)
        elif above.complete:
            if relaxed.uncovered > _TRACE:
                raise impossible(search.problem)
            search.bound = min(search.bound, relaxed.value)
            _choose_among(search, above.columns, relaxed.value - reach)
            if known or search.gap <= PRECISION * search.problem.count:
                return
            slack *= 4
            if slack > 1e3 * search.problem.count * max(1.0, float(np.abs(search.similarity).max())):
                raise impossible(search.problem)
        elif share == 0 or not known:
            return
        else:  # at last none of it: that proves the linear programme's value, at least
            share = share / 4 if share > 0.05 else 0.0


def _price_first(search: ColumnSearch) -> Relaxed:
    """Price quickly, and choose among the columns found."""
    relaxed = price_quickly(search)
    _improve_from(search, relaxed)
    return relaxed


def _choose_among(search: ColumnSearch, listed: list[Column], otherwise: float) -> None:
    """Choose among all columns that a grouping above ``otherwise`` could use; that is then the bound, or the choice."""
    pool = {(column.served, column.members): column for column in [*search.chosen, *listed]}
    pool |= {key: column for key, column in search.columns.items() if len(column.members) == 1}
    limit = search.improve(list(pool.values()), search.deadline - time.monotonic())
    search.bound = min(search.bound, max(otherwise, limit, search.score))


def _improve_from(search: ColumnSearch, relaxed: Relaxed) -> None:
    """Choose among the columns that cost least in the linear programme; then among more like them, while that helps."""
    for _ in range(_ROUNDS):
        columns = list(search.columns.values())
        surplus = np.array([surplus_of(column, relaxed.prices) for column in columns])
        best = [columns[i] for i in np.argsort(-surplus, kind="stable")[:_CHOICES]]
        before, seconds = search.score, min(20.0, max(search.deadline - time.monotonic(), 2.0))
        search.improve(best + [column for column in search.chosen if column not in best], seconds)
        if search.score <= before + PRECISION or relaxed.value - search.score <= PRECISION or search.late:
            return
        add_near(search, relaxed.prices, [column.served for column in search.chosen])
