"""Every language alone: monolingual models."""

from __future__ import annotations

from dataclasses import replace

from gradsim_offline.grouping.constraints import refuse_broken
from gradsim_offline.grouping.objective import GroupingResult, serve_blocks, simple_bound
from gradsim_offline.grouping.problem import Problem

READS_K = False
READS_S = False


def solve(problem: Problem) -> GroupingResult:
    """Return N groups of one; K does not matter.

    Raises:
        SettingsError: Groups of one are forbidden, by the singleton score or by a constraint.
    """
    alone = [((i,), (i,)) for i in range(problem.count)]
    bound = simple_bound(problem.similarity, problem.singletons)
    found = serve_blocks(problem.similarity, alone, problem.singletons, bound=bound)
    return refuse_broken(replace(problem, groups=problem.count), found, "each")


def check(languages: int) -> None:
    """Take any number of languages."""
