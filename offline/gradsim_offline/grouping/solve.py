"""From a measured S and the settings to named groups, by one solver."""

from __future__ import annotations

from collections.abc import Mapping

from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.objective import singleton_scores
from gradsim_offline.grouping.problem import Problem, read_constraints
from gradsim_offline.grouping.result import Groups, name_groups
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured


def solve(
    measured: Measured, chosen: GroupingSettings, groups: int, sizes: Mapping[str, int], seed: int, solver: str = ""
) -> Groups:
    """Choose the groups of one number of groups.

    Args:
        measured: S.
        chosen: Solver, singleton score, constraints, effort.
        groups: K.
        sizes: Training examples of each language, for a budget.
        seed: For solvers that draw.
        solver: Another one than the settings'.

    Raises:
        SettingsError: What the solver raises.
    """
    split_half = None if measured.split_half is None else list(measured.split_half)
    singletons = singleton_scores(measured.matrix, chosen.singleton_score, split_half)
    constraints = read_constraints(chosen, measured.languages, [sizes[code] for code in measured.languages])
    name = solver or chosen.solver
    problem = Problem(measured.matrix, groups, singletons, measured.languages, constraints, seed, chosen.effort)
    return name_groups(
        load_solver(name).solve(problem),
        measured.languages,
        measured.matrix,
        singletons,
        solver=name,
        singleton_score=chosen.singleton_score,
    )
