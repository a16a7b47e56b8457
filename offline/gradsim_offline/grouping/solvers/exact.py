"""The proven optimum: subset dynamic programming for up to 18 languages, column generation beyond.

Overlap is allowed, and so is every constraint. Where F, what whole groups gain, is known, it is maximised instead of
collective similarity (``exact/group_gains.py``). Why the problem is small: docs/design/exact-grouping.md.
"""

from __future__ import annotations

from dataclasses import replace

from gradsim_offline.grouping.constraints import broken, check_constraints
from gradsim_offline.grouping.exact.column_generation import solve_columns
from gradsim_offline.grouping.exact.dynamic_programming import MOST_LANGUAGES as MOST_AT_ONCE
from gradsim_offline.grouping.exact.dynamic_programming import solve_small
from gradsim_offline.grouping.exact.group_gains import solve_gains
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver
from gradsim_shared.errors import SettingsError

MOST_LANGUAGES = 50  # beyond, the proof takes too long to be waited for


def solve(problem: Problem) -> GroupingResult:
    """Return the grouping of highest score with at most K groups, overlap allowed.

    Proven for up to 18 languages without a budget; else proven unless the problem's effort is spent first, and
    then the best that was found, with its bound. More groups than languages are never needed.

    Raises:
        SettingsError: Too many languages, constraints that contradict each other, or no grouping is possible.
    """
    return solve_exactly(problem, overlap=True)


def solve_exactly(problem: Problem, *, overlap: bool) -> GroupingResult:
    """Do the same, with or without overlap."""
    check(problem.count)
    if problem.gains is not None:
        return solve_gains(problem, [problem.groups], overlap=overlap)[0]
    check_constraints(problem)
    scaled, unit = problem.in_units()
    if problem.count <= MOST_AT_ONCE:
        best = solve_small(scaled, [problem.groups], overlap=overlap)[0]
        if broken(problem, best) is None:  # the budget, which dynamic programming does not look at
            return best.in_unit(unit)
    return solve_columns(scaled, overlap=overlap).in_unit(unit)


def solve_every(problem: Problem) -> list[GroupingResult]:
    """Return the optimum for every number of groups from 1 to ``problem.groups``.

    Up to 18 languages take one pass for all. A number of groups that the constraints make impossible is left out; the
    last entry always stands for ``problem.groups``.

    Raises:
        SettingsError: As for ``solve``.
    """
    check(problem.count)
    counts = list(range(1, min(problem.groups, problem.count) + 1))
    counts += [problem.count] * (problem.groups - len(counts))
    if problem.gains is not None:
        return solve_gains(problem, counts)
    if problem.count <= MOST_AT_ONCE and problem.constraints.budget is None:
        check_constraints(problem)
        scaled, unit = problem.in_units()
        return [result.in_unit(unit) for result in solve_small(scaled, counts)]
    results = []
    for most in counts:
        try:
            results.append(solve(replace(problem, groups=most)))
        except SettingsError:
            if most == counts[-1]:
                raise
    return results


def check(languages: int) -> None:
    """Say before anything long runs whether this solver can take so many languages.

    Raises:
        SettingsError: It cannot.
    """
    if languages > MOST_LANGUAGES:
        raise SettingsError(
            f"the exact solver takes up to {MOST_LANGUAGES} languages, not {languages}; "
            "choose the solver search, or name fewer with --languages"
        )


PLUGIN = Solver(solve, check=check, reads_gains=True)
