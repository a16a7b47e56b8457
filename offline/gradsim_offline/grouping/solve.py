"""From a measured S and the settings to groups: put the question to a solver, or to several K and the dev texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gradsim_offline.core.settings import Grouping
from gradsim_offline.grouping.choose_k import candidates, choose
from gradsim_offline.grouping.objective import singleton_scores
from gradsim_offline.grouping.problem import Problem, read_constraints
from gradsim_offline.grouping.result import Groups, name_groups
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import SettingsError

Train = Callable[[Sequence[str], Sequence[str]], Path]


def ask_solver(
    measured: Measured, chosen: Grouping, groups: int, sizes: Mapping[str, int], seed: int, solver: str = ""
) -> Groups:
    """Put the question to the solver, and name the groups.

    Args:
        measured: S.
        chosen: Solver, singleton score, constraints, time limit.
        groups: K.
        sizes: Training examples of each language, for a budget.
        seed: For solvers that draw.
        solver: Another one than the settings'.

    Raises:
        SettingsError: What the solver raises.
    """
    own = None if measured.split_half is None else list(measured.split_half)
    singletons = singleton_scores(measured.matrix, chosen.singleton_score, own)
    constraints = read_constraints(chosen, measured.languages, [sizes[code] for code in measured.languages])
    name = solver or chosen.solver
    problem = Problem(measured.matrix, groups, singletons, measured.languages, constraints, seed, chosen.time_limit)
    return name_groups(
        load_solver(name).solve(problem),
        measured.languages,
        measured.matrix,
        singletons,
        solver=name,
        singleton_score=chosen.singleton_score,
    )


def reads_k(chosen: Grouping) -> bool:
    """Say whether the groups that the solver finds depend on K."""
    return load_solver(chosen.solver).reads_k


def solver_to_try(chosen: Grouping) -> str:
    """Return the solver whose groups are trained to choose K; empty: K is a number, or the solver does not read it."""
    if chosen.groups != "auto" or not reads_k(chosen):
        return ""
    return load_solver(chosen.solver).k_from or chosen.solver


def ask_dev_texts(
    measured: Measured, chosen: Grouping, sizes: Mapping[str, int], seed: int, train: Train, say: Callable[[str], None]
) -> Groups:
    """Solve for several K, train the groups of each, and return those of the best K with the curve.

    K = N stands for every language alone, whatever a group of one scores, unless ``must_link`` or ``forbid`` rules it
    out. A K that the constraints make impossible is no candidate. A solver that does not read K is asked once, and
    nothing is trained; so is one that takes its sizes from another solver, with the K that is best for that one.

    Raises:
        SettingsError: No K is possible.
    """
    count, solver = len(measured.languages), solver_to_try(chosen)
    if not solver:
        return ask_solver(measured, chosen, count, sizes, seed)
    free = not chosen.must_link and chosen.singleton_score != "forbid"
    tried: dict[int, Groups] = {}
    impossible: SettingsError | None = None
    for k in candidates(count, chosen.candidates):
        try:
            tried[k] = ask_solver(measured, chosen, k, sizes, seed, "each" if k == count > 1 and free else solver)
        except SettingsError as error:
            impossible = error
            say(f"  K = {k} is no candidate: {error}")
    if not tried and impossible is not None:
        raise impossible
    best, curve = choose(tried, train)
    for found in curve:
        kept = "  <- chosen" if found.groups == best else ""
        say(f"  K = {found.groups}: {found.distinct} groups, dev score {100 * found.score:.2f}{kept}")
    groups = tried[best]
    if groups.solver == solver != chosen.solver:  # every language alone is the same for both
        groups = ask_solver(measured, chosen, best, sizes, seed)
    return replace(groups, curve=tuple(vars(found) for found in curve))
