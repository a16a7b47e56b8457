"""Every language alone: monolingual models."""

from __future__ import annotations

from gradsim_offline.grouping.constraints import serve_given
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver


def solve(problem: Problem) -> GroupingResult:
    """Return N groups of one; K does not matter.

    Raises:
        SettingsError: Groups of one are forbidden, by the singleton score or by a constraint.
    """
    return serve_given(problem, [[i] for i in range(problem.count)], "each")


PLUGIN = Solver(solve, reads_k=False, reads_s=False)
