"""Choose K on evidence: train the groups of several K, and keep the K whose models answer held-out texts best.

The score of a K is cross-fitted on the dev split: the epoch of each model is chosen on one half of its dev texts and
judged on the other, and the other way round. Chosen and judged on the same texts, small groups would look better than
they are: each picks the luckiest epoch for its few languages. K = 1 (one model of all) and K = N (every language
alone) are always among the candidates, so that grouping must earn its place. The paper sweeps K on test (Figure 3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.result import Groups
from gradsim_offline.grouping.solve import solve
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.fine_tune import RESULT
from gradsim_shared.errors import DataError, SettingsError

Train = Callable[[Sequence[str], Sequence[str]], Path]  # members, served languages: directory of their trained model
_USUAL = (1, 2, 3, 4, 6, 8)  # beyond, neighbours differ by less than their noise


@dataclass(frozen=True)
class CandidateK:
    """One K that was tried.

    Attributes:
        groups: K as asked.
        distinct: Groups that there are.
        grouping_score: What the solver reached.
        score: Plain mean over languages of the cross-fitted dev score, 0 to 1.
    """

    groups: int
    distinct: int
    grouping_score: float
    score: float


def candidates(languages: int, wanted: Sequence[int] | None) -> list[int]:
    """Return the values of K to try, ascending: 1, N and what lies between."""
    return sorted({1, languages, *(k for k in wanted or _USUAL if k <= languages)})


def choose(tried: Mapping[int, Groups], train: Train) -> tuple[int, list[CandidateK]]:
    """Train the groups of every candidate and return the best K with the whole curve; ties go to the smaller K.

    Args:
        tried: K to its groups; groups that several K share are trained once.
        train: Trains a group.

    Raises:
        DataError: A group's languages have no dev texts to judge by.
    """
    curve = [CandidateK(k, len(g.groups), g.score, dev_score(g, train)) for k, g in sorted(tried.items())]
    best = max(candidate.score for candidate in curve)
    return next(candidate.groups for candidate in curve if candidate.score >= best - 1e-9), curve


def dev_score(groups: Groups, train: Train) -> float:
    """Return the plain mean over all languages of the cross-fitted dev score of the group that serves each."""
    total, languages = 0.0, 0
    for group in groups.groups:
        result = json.loads((train(group.members, group.served) / RESULT).read_text(encoding="utf-8"))
        if not result["judged"]:
            raise DataError(f"auto K needs dev texts, and {' '.join(group.served)} have none; give K as a number")
        total += len(result["judged"]) * cross_fitted(result["history"])
        languages += len(result["judged"])
    return total / languages


def cross_fitted(history: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean of: half 1 at the best epoch of half 0, and half 0 at the best epoch of half 1."""
    halves = np.array([[epoch["half_0"], epoch["half_1"]] for epoch in history])  # [epochs, 2]
    best = halves.argmax(axis=0)
    return float((halves[best[0], 1] + halves[best[1], 0]) / 2)


def reads_k(chosen: GroupingSettings) -> bool:
    """Say whether the groups that the solver finds depend on K."""
    return load_solver(chosen.solver).reads_k


def solver_to_try(chosen: GroupingSettings) -> str:
    """Return the solver whose groups are trained to choose K; empty: K is a number, or the solver does not read it."""
    if chosen.groups != "auto" or not reads_k(chosen):
        return ""
    return load_solver(chosen.solver).k_from or chosen.solver


def choose_k_by_dev_scores(
    measured: Measured,
    chosen: GroupingSettings,
    sizes: Mapping[str, int],
    seed: int,
    train: Train,
    say: Callable[[str], None],
) -> Groups:
    """Solve for several K, train the groups of each, and return those of the best K with the curve.

    K = N stands for every language alone, whatever a group of one scores, unless ``must_link`` or ``forbid`` rules it
    out. A K that the constraints make impossible is no candidate. For a solver that does not read K nothing is
    trained. One that takes its sizes from another solver gets the K that is best for that one.

    Raises:
        SettingsError: No K is possible.
    """
    count, solver = len(measured.languages), solver_to_try(chosen)
    if not solver:
        return solve(measured, chosen, count, sizes, seed)
    free = not chosen.must_link and chosen.singleton_score != "forbid"
    tried: dict[int, Groups] = {}
    impossible: SettingsError | None = None
    for k in candidates(count, chosen.candidates):
        try:
            tried[k] = solve(measured, chosen, k, sizes, seed, "each" if k == count > 1 and free else solver)
        except SettingsError as error:
            impossible = error
            say(f"  K = {k} is no candidate: {error}")
    if not tried and impossible is not None:
        raise impossible
    best, curve = choose(tried, train)
    for candidate in curve:
        mark = "  <- chosen" if candidate.groups == best else ""
        say(f"  K = {candidate.groups}: {candidate.distinct} groups, dev score {100 * candidate.score:.2f}{mark}")
    groups = tried[best]
    if groups.solver == solver != chosen.solver:  # every language alone is the same for both
        groups = solve(measured, chosen, best, sizes, seed)
    return replace(groups, curve=tuple(vars(candidate) for candidate in curve))
