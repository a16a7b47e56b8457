"""One group per language family (Glottolog's top-level families): the linguists' grouping."""

from __future__ import annotations

from dataclasses import replace

from gradsim_offline.core.families import families
from gradsim_offline.grouping.constraints import refuse_broken
from gradsim_offline.grouping.objective import GroupingResult, serve_blocks, simple_bound
from gradsim_offline.grouping.problem import Problem

READS_K = False
READS_S = False


def solve(problem: Problem) -> GroupingResult:
    """Return one group per family; K does not matter.

    Raises:
        SettingsError: The family of a language is not known, a constraint is broken, or a family of one is forbidden.
    """
    names = families(problem.languages)
    blocks = [[i for i, name in enumerate(names) if name == family] for family in dict.fromkeys(names)]
    bound = simple_bound(problem.similarity, problem.singletons)
    found = serve_blocks(problem.similarity, [(block, block) for block in blocks], problem.singletons, bound=bound)
    return refuse_broken(replace(problem, groups=problem.count), found, "family")


def check(languages: int) -> None:
    """Take any number of languages."""
