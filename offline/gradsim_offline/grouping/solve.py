"""From a measured S and the settings to named groups, by one solver."""

from __future__ import annotations

from collections.abc import Mapping

from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.objective import singleton_scores
from gradsim_offline.grouping.problem import Problem, read_constraints
from gradsim_offline.grouping.result import Groups, name_groups
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import SettingsError


def problem_of(
    measured: Measured, chosen: GroupingSettings, groups: int, sizes: Mapping[str, int], seed: int, solver: str
) -> Problem:
    """Return what a solver is asked; F, where it is known and the solver maximises it.

    Raises:
        SettingsError: A constraint names an unknown language, or a group of one cannot be scored as asked.
    """
    split_half = None if measured.split_half is None else list(measured.split_half)
    singletons = singleton_scores(measured.matrix, chosen.singleton_score, split_half)
    constraints = read_constraints(chosen, measured.languages, [sizes[code] for code in measured.languages])
    gains = None
    if measured.answers is not None and load_solver(solver).reads_gains:
        check_for_gains(chosen)
        gains = measured.answers.gains()
    return Problem(measured.matrix, groups, singletons, measured.languages, constraints, seed, chosen.effort, gains)


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
    name = solver or chosen.solver
    return named(problem_of(measured, chosen, groups, sizes, seed, name), chosen, name)


def check_for_gains(chosen: GroupingSettings) -> None:
    """Find what cannot be asked of groups where F, what each of them gains, is maximised.

    Raises:
        SettingsError: A budget, or another score of a group of one than F.
    """
    if chosen.singleton_score not in ("self", "forbid"):
        raise SettingsError(
            f"singleton_score {chosen.singleton_score}: gains say what a language scores alone; use self, or forbid"
        )
    if chosen.budget is not None:
        raise SettingsError("grouping.budget is for similarities of pairs; leave it out with the measure gains")


def named(problem: Problem, chosen: GroupingSettings, solver: str) -> Groups:
    """Solve a problem, and name its groups."""
    return name_groups(
        load_solver(solver).solve(problem),
        problem.languages,
        problem.similarity,
        problem.singletons,
        solver=solver,
        singleton_score=chosen.singleton_score,
        gains=problem.gains,
    )
