"""The proven optimum among groupings without overlap: every language is a member of one group only."""

from __future__ import annotations

from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver
from gradsim_offline.grouping.solvers import exact


def solve(problem: Problem) -> GroupingResult:
    """Return the partition of highest score into at most K groups; its bound holds among partitions.

    Proven for up to 18 languages; for more, unless the problem's effort is spent first.

    Raises:
        SettingsError: Too many languages, constraints that contradict each other, or no partition is possible.
    """
    return exact.solve_exactly(problem, overlap=False)


PLUGIN = Solver(solve, check=exact.check, reads_gains=True)
