"""One group of all languages: the multilingual model."""

from __future__ import annotations

from dataclasses import replace

from gradsim_offline.grouping.constraints import refuse_broken
from gradsim_offline.grouping.objective import GroupingResult, serve_blocks, simple_bound
from gradsim_offline.grouping.problem import Problem

READS_K = False
READS_S = False


def solve(problem: Problem) -> GroupingResult:
    """Return the one group; K does not matter.

    Raises:
        SettingsError: A constraint forbids it.
    """
    everything = range(problem.count)
    bound = None if problem.groups == 1 else simple_bound(problem.similarity, problem.singletons)
    found = serve_blocks(problem.similarity, [(everything, everything)], problem.singletons, bound=bound)
    return refuse_broken(replace(problem, groups=problem.count), found, "single")


def check(languages: int) -> None:
    """Take any number of languages."""
