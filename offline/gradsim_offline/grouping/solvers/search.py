"""Restarted local search for any number of languages, with a proven upper bound on what it may have missed."""

from __future__ import annotations

import numpy as np

from gradsim_offline.grouping.block_values import BlockValues
from gradsim_offline.grouping.bound.upper_bound import upper_bound
from gradsim_offline.grouping.constraints import check_constraints, impossible
from gradsim_offline.grouping.local_search import grouping_of, search
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver
from gradsim_shared.errors import SettingsError


def solve(problem: Problem) -> GroupingResult:
    """Return a good grouping with at most K groups, overlap allowed, and an upper bound on all of them.

    The same problem gives the same result. The bound is that of the problem without its constraints: it holds with
    them too, and may then be far off. With a budget, helpers are added at the end only.

    Raises:
        SettingsError: The constraints contradict each other, or no grouping that keeps them was found.
    """
    check_constraints(problem)
    if problem.count == 1 and not np.isfinite(problem.singletons[0]):
        raise impossible(problem)
    scaled, unit = problem.in_units()
    blocks, groups = BlockValues.of(scaled), min(problem.groups, problem.count)
    assignment, value = search(blocks, groups, problem.seed, effort=problem.effort)
    if value < -blocks.penalty / 2:
        raise SettingsError(
            f"no grouping into at most {problem.groups} groups that keeps the constraints was found; ask for more "
            "groups or a larger largest_group, or leave out a cannot_link or a must_link"
        )
    incumbent = grouping_of(scaled, blocks, assignment, np.inf)
    bound = upper_bound(scaled, incumbent, effort=problem.effort)
    return grouping_of(scaled, blocks, assignment, bound).in_unit(unit)


PLUGIN = Solver(solve)
