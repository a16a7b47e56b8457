"""Choose K on evidence: train the groups of several K, and keep the K whose models answer held-out texts best.

The score of a K is cross-fitted on the dev split: the epoch of each model is chosen on one half of its dev texts and
judged on the other, and the other way round. Chosen and judged on the same texts, small groups would look better than
they are: each picks the luckiest epoch for its few languages. One model of all is always a candidate, so that grouping
must earn its place. The paper sweeps K on test (Figure 3).

Every K costs about one training on all texts, so few are tried: 1, 2, 4, 8 and every language alone, in this order,
until two in a row bring nothing. Where S does not repeat between halves of the data, its groups are no better than
random ones: one model of all, and every language alone, are all that is tried. Where n-gram models stand for every
language alone (``pipeline/choosing.py``), N trainings of another kind are not spent on it.
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
from gradsim_offline.similarity.reliability import in_words, is_noise
from gradsim_offline.training.fine_tune import RESULT
from gradsim_shared.errors import DataError, SettingsError

Train = Callable[[Sequence[str], Sequence[str]], Path]  # members, served languages: directory of their trained model
_USUAL = (1, 2, 4, 8)  # neighbours, and larger numbers, differ by less than their noise (docs/results.md)
_UNJUDGED = 4  # groups, at most, where there are no dev texts to choose K by
_MOST_ALONE = 16  # languages, up to which every language alone is tried unasked
_PATIENCE = 2  # numbers of groups in a row that may bring nothing
_WORTH = 0.005  # what more groups must bring on dev: they cost memory, and so small a difference is noise


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


def candidates(languages: int, wanted: Sequence[int] | None, *, noise: bool = False, alone: bool = True) -> list[int]:
    """Return the values of K to try, ascending, one model of all first.

    Args:
        languages: N; K = N is among them if it was asked for or N is at most 16.
        wanted: By the user: all of them are tried, with 1 and N. ``None``: the usual.
        noise: S is known not to repeat: only one model of all, and every language alone.
        alone: Whether K = N is tried unasked.
    """
    if wanted:
        return sorted({1, languages, *(k for k in wanted if k <= languages)})
    usual = {k for k in _USUAL if k <= languages and not (noise and k > 1)}
    return sorted(usual | ({languages} if alone and languages <= _MOST_ALONE else set()))


def choose(curve: Sequence[CandidateK]) -> int:
    """Return the smallest K whose dev score is within half a point of the best."""
    best = max(candidate.score for candidate in curve)
    return next(candidate.groups for candidate in curve if candidate.score >= best - _WORTH - 1e-9)


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
    train: Train | None,
    say: Callable[[str], None],
    *,
    alone: bool = True,
) -> Groups:
    """Solve for several K, train the groups of each, and return those of the best K with the curve and the reason.

    K = N stands for every language alone, whatever a group of one scores, unless ``must_link`` or ``forbid`` rules it
    out. A K that the constraints make impossible is no candidate. For a solver that does not read K nothing is
    trained. One that takes its sizes from another solver gets the K that is best for that one.

    Args:
        measured: S.
        chosen: Solver, candidates, constraints.
        sizes: Training examples of each language.
        seed: For solvers that draw.
        train: Trains a group; ``None``: there are no dev texts to judge it by.
        say: Tells the user what was tried.
        alone: Whether every language alone is tried unasked.

    Raises:
        SettingsError: No K is possible.
    """
    count, solver = len(measured.languages), solver_to_try(chosen)
    if not solver:
        return solve(measured, chosen, count, sizes, seed)
    noise = is_noise(measured.reliability)
    reason = in_words(measured.reliability) if noise else ""
    free = not chosen.must_link and chosen.singleton_score != "forbid"

    def solved(k: int) -> Groups:
        return solve(measured, chosen, k, sizes, seed, "each" if k == count > 1 and free else solver)

    order = candidates(count, chosen.candidates, noise=noise, alone=alone)
    if train is None:
        order = [1 if noise else min(_UNJUDGED, count)]
        reason = f"{reason} There are no dev texts to choose the number of groups by.".strip()
    tried = _tried(order, count, solved, say)
    curve = _curve(tried, train, patient=bool(chosen.candidates)) if train and len(tried) > 1 else []
    best = choose(curve) if curve else min(tried)
    for candidate in curve:
        mark = "  <- chosen" if candidate.groups == best else ""
        say(f"  K = {candidate.groups}: {candidate.distinct} groups, dev score {100 * candidate.score:.2f}{mark}")
    groups = tried[best]
    if groups.solver == solver != chosen.solver:  # every language alone is the same for both
        groups = solve(measured, chosen, best, sizes, seed)
    marked = tuple({**vars(candidate), "chosen": candidate.groups == best} for candidate in curve)
    return replace(groups, curve=marked, reason=reason)


def _tried(
    order: Sequence[int], count: int, solved: Callable[[int], Groups], say: Callable[[str], None]
) -> dict[int, Groups]:
    """Return the groups of every K in ``order`` that is possible; if the first is not, of the next that is, too.

    Raises:
        SettingsError: No K is possible.
    """
    tried: dict[int, Groups] = {}
    impossible: SettingsError | None = None
    missing = False
    for k in range(order[0], count + 1):
        if k not in order and not missing:
            continue
        try:
            tried[k] = solved(k)
            missing = False
        except SettingsError as error:
            impossible, missing = error, not tried
            if k in order:
                say(f"  K = {k} is no candidate: {error}")
    if not tried and impossible is not None:
        raise impossible
    return tried


def _curve(tried: Mapping[int, Groups], train: Train, *, patient: bool) -> list[CandidateK]:
    """Train the groups of one K after the other; unless ``patient``, stop after two in a row that bring nothing."""
    curve: list[CandidateK] = []
    for k, groups in sorted(tried.items()):
        curve.append(CandidateK(k, len(groups.groups), groups.score, dev_score(groups, train)))
        best = max(range(len(curve)), key=lambda i: curve[i].score)  # the first of equals
        if not patient and len(curve) - 1 - best >= _PATIENCE:
            break
    return curve
