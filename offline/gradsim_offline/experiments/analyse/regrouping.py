"""Group again from parts of what was measured: would another epoch, or half of the data, have given these groups?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.experiments.analyse.agreement import Serving, adjusted_rand, serving, together
from gradsim_offline.grouping.objective import singleton_scores
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.result import Groups, name_groups
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured

Matrix = NDArray[np.float64]


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
    found = tuple(serving(_solve(matrix, measured, whole, seed)) for matrix in parts.values())
    chosen = serving(whole)
    return Regrouped(
        tuple(parts),
        found,
        tuple(adjusted_rand(grouping, chosen) for grouping in found),
        together(found, measured.languages),
    )


def group_names(parts: Sequence[Serving]) -> list[str]:
    """Write groupings out for people: ``amh kin | hau``."""
    return [" | ".join(" ".join(block) for block in _blocks(grouping)) for grouping in parts]


def _blocks(grouping: Serving) -> list[list[str]]:
    blocks: dict[str, list[str]] = {}
    for language, group in sorted(grouping.items()):
        blocks.setdefault(group, []).append(language)
    return list(blocks.values())


def _solve(matrix: Matrix, measured: Measured, whole: Groups, seed: int) -> Groups:
    own: Any = None if measured.split_half is None else list(measured.split_half)
    singletons = singleton_scores(matrix, whole.singleton_score, own)
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
