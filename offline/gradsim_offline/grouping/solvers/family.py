"""One group per language family (Glottolog's top-level families): the linguists' grouping."""

from __future__ import annotations

from gradsim_offline.core.families import families
from gradsim_offline.grouping.constraints import serve_given
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver


def solve(problem: Problem) -> GroupingResult:
    """Return one group per family; K does not matter.

    Raises:
        SettingsError: The family of a language is not known, a constraint is broken, or a family of one is forbidden.
    """
    names = families(problem.languages)
    groups = [[i for i, name in enumerate(names) if name == family] for family in dict.fromkeys(names)]
    return serve_given(problem, groups, "family")


PLUGIN = Solver(solve, reads_k=False, reads_s=False)
