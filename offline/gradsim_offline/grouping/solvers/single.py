"""One group of all languages: the multilingual model."""

from __future__ import annotations

from gradsim_offline.grouping.constraints import serve_given
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver


def solve(problem: Problem) -> GroupingResult:
    """Return the one group; K does not matter.

    Raises:
        SettingsError: A constraint forbids it.
    """
    return serve_given(problem, [range(problem.count)], "single")


PLUGIN = Solver(solve, reads_k=False, reads_s=False)
