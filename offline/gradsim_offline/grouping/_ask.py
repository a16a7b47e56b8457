"""From a measured S and the settings to groups: put the question to a solver, or to several K and the dev texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gradsim_offline import plugins
from gradsim_offline.config import Grouping
from gradsim_offline.grouping._choose_k import candidates, choose
from gradsim_offline.grouping._objective import singleton_scores
from gradsim_offline.grouping._problem import Problem, read_constraints
from gradsim_offline.grouping._result import Groups, name_groups
from gradsim_offline.similarity._measured import Measured
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
        plugins.load("grouping", name).solve(problem),
        measured.languages,
        measured.matrix,
        singletons,
        solver=name,
        singleton_score=chosen.singleton_score,
    )


def ask_dev_texts(
    measured: Measured, chosen: Grouping, sizes: Mapping[str, int], seed: int, train: Train, say: Callable[[str], None]
) -> Groups:
    """Solve for several K, train the groups of each, and return those of the best K with the curve.

    K = N stands for every language alone, whatever a group of one scores, unless a constraint or ``forbid`` may rule it
    out. A K that the constraints make impossible is no candidate.

    Raises:
        SettingsError: No K is possible.
    """
    count = len(measured.languages)
    limited = chosen.must_link or chosen.cannot_link or chosen.largest_group or chosen.budget
    free = not limited and chosen.singleton_score != "forbid"
    tried: dict[int, Groups] = {}
    impossible: SettingsError | None = None
    for k in candidates(count, chosen.candidates):
        try:
            tried[k] = ask_solver(measured, chosen, k, sizes, seed, "each" if k == count > 1 and free else "")
        except SettingsError as error:
            impossible = error
    if not tried and impossible is not None:
        raise impossible
    best, curve = choose(tried, train)
    for found in curve:
        kept = "  <- chosen" if found.groups == best else ""
        say(f"  K = {found.groups}: {found.distinct} groups, dev score {100 * found.score:.2f}{kept}")
    return replace(tried[best], curve=tuple(vars(found) for found in curve))
