"""How far two groupings agree, how often two languages share a group, and the groups from parts of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.objective import singleton_scores
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.result import Groups, name_groups
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import SettingsError

Matrix = NDArray[np.float64]
Serving = Mapping[str, str]  # from a language to the group that serves it


def serving(groups: Groups) -> dict[str, str]:
    """Return the group that serves each language; groups that only learn from a language do not count."""
    return {code: group.id for group in groups.groups for code in group.served}


def adjusted_rand(first: Serving, second: Serving) -> float:
    """Return the adjusted Rand index of two groupings: 1 the same, 0 as by chance, below 0 less than that.

    Hubert and Arabie 1985, by scikit-learn; each language is labelled by the group that serves it, languages of one
    grouping alone are left out.

    Raises:
        SettingsError: They have fewer than two languages in common.
    """
    from sklearn.metrics import adjusted_rand_score

    common = sorted(set(first) & set(second))
    if len(common) < 2:
        raise SettingsError(
            f"two groupings are compared on the languages they share: {' '.join(sorted(first))} and "
            f"{' '.join(sorted(second))} share {len(common)}, it takes 2"
        )
    return float(adjusted_rand_score([first[code] for code in common], [second[code] for code in common]))


def together(groupings: Sequence[Serving], languages: Sequence[str]) -> Matrix:
    """Return the share of the groupings in which one group serves both languages, ``[N, N]``; 1 on the diagonal."""
    labels = np.array([[grouping[code] for code in languages] for grouping in groupings])  # [groupings, N]
    share: Matrix = (labels[:, :, None] == labels[:, None, :]).mean(axis=0)
    return share


@dataclass(frozen=True)
class Regrouped:
    """The groups of parts, beside those of the whole.

    Attributes:
        parts: What each grouping came from, as ``half 1`` or ``epoch 2``.
        groupings: The group that serves each language, per part.
        agreement: Adjusted Rand index of each part's groups with those of the whole.
        together: Share of the parts in which one group serves both languages, ``[N, N]``.
    """

    parts: tuple[str, ...]
    groupings: tuple[Serving, ...]
    agreement: tuple[float, ...]
    together: Matrix


def regroup(parts: Mapping[str, Matrix], measured: Measured, whole: Groups, *, seed: int) -> Regrouped:
    """Group each part's S with the solver, K and singleton rule of the whole; constraints are left out.

    Args:
        parts: S of each part, ``[N, N]``, the languages of ``measured``.
        measured: The similarity that the parts belong to.
        whole: The groups that were chosen from it.
        seed: For solvers that draw.

    Raises:
        SettingsError: The solver is unknown, or cannot take so many languages.
    """
    groupings = tuple(serving(_solve(matrix, measured, whole, seed)) for matrix in parts.values())
    chosen = serving(whole)
    agreement = tuple(adjusted_rand(grouping, chosen) for grouping in groupings)
    return Regrouped(tuple(parts), groupings, agreement, together(groupings, measured.languages))


def group_names(parts: Sequence[Serving]) -> list[str]:
    """Write groupings out for people: ``amh kin | hau``."""
    return [" | ".join(map(" ".join, _members(grouping))) for grouping in parts]


def _members(grouping: Serving) -> list[list[str]]:
    members: dict[str, list[str]] = {}
    for language, group in sorted(grouping.items()):
        members.setdefault(group, []).append(language)
    return list(members.values())


def _solve(matrix: Matrix, measured: Measured, whole: Groups, seed: int) -> Groups:
    split_half: Any = None if measured.split_half is None else list(measured.split_half)
    singletons = singleton_scores(matrix, whole.singleton_score, split_half)
    problem = Problem(matrix, len(whole.groups), singletons, measured.languages, seed=seed)
    grouping = load_solver(whole.solver).solve(problem)
    return name_groups(
        grouping,
        measured.languages,
        matrix,
        singletons,
        solver=whole.solver,
        singleton_score=whole.singleton_score,
    )
