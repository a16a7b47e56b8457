"""What a grouping is worth: collective similarity per language, and their sum, the grouping score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.settings import SINGLETON_RULES
from gradsim_shared.errors import SettingsError

TIE = 1e-9  # scores closer than this, of similarities of about 1, are equal: they differ by the order of a sum only


@dataclass(frozen=True)
class GroupingResult:
    """A choice of groups, by language index: a solver's answer.

    Attributes:
        groups: Member indices of each group, sorted; every group serves at least one language.
        serving: ``serving[i]`` is the position in ``groups`` of the group that serves language i.
        score: The grouping score.
        bound: No choice of at most so many groups that the solver may make scores higher.
        proven: The score is the bound.
    """

    groups: tuple[tuple[int, ...], ...]
    serving: tuple[int, ...]
    score: float
    bound: float
    proven: bool

    def served(self, group: int) -> tuple[int, ...]:
        """Return the languages that a group serves; its other members are source-only."""
        return tuple(i for i, server in enumerate(self.serving) if server == group)

    def in_unit(self, unit: float) -> GroupingResult:
        """Return it with score and bound in units of 1, when they are in units of ``unit``."""
        return replace(self, score=unit * self.score, bound=unit * self.bound)

    @property
    def gap(self) -> float:
        """How far the score may be below the best, in units of the score."""
        return max(0.0, self.bound - self.score)


def check_similarity(similarity: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return S as float64.

    Raises:
        SettingsError: It is not square, empty, or not finite everywhere.
    """
    matrix = np.asarray(similarity, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise SettingsError(f"a similarity matrix is square, N x N; this one has the shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise SettingsError(f"the similarity at row {row}, column {column} is {matrix[row, column]}, not a number")
    return matrix


def singleton_scores(
    similarity: NDArray[np.float64], rule: str | float, split_half: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return the score of each language as a group of one, ``[N]``.

    The paper leaves it open. ``self`` is the diagonal of S; ``split-half`` the cosine between the gradients of two
    halves of the language's own data, so that noise counts; ``zero``; ``forbid``: never alone; or a number.

    Raises:
        SettingsError: The rule is unknown, or ``split-half`` is asked for and was not measured.
    """
    count = len(similarity)
    if rule == "self":
        return similarity.diagonal().copy()
    if rule == "split-half":
        if split_half is None:
            raise SettingsError("singleton score split-half: this similarity has no split-half values; use self")
        return np.asarray(split_half, dtype=np.float64)
    if rule in ("zero", "forbid"):
        return np.full(count, 0.0 if rule == "zero" else -np.inf)
    try:
        return np.full(count, float(rule))
    except ValueError:
        allowed = ", ".join(SINGLETON_RULES)
        raise SettingsError(f"singleton score {rule!r} is not known; it is one of {allowed}, or a number") from None


def collective_similarity(
    similarity: NDArray[np.float64], group: Sequence[int], singletons: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return, for each member i of a group, the mean of ``S[i, j]`` over its other members j (DESIGN: words).

    Args:
        similarity: S, ``[N, N]``.
        group: Member indices.
        singletons: Score of each language as a group of one, ``[N]``.

    Returns:
        ``[len(group)]``, in the order of ``group``.
    """
    members = list(group)
    if len(members) == 1:
        return singletons[members]
    inside = similarity[np.ix_(members, members)]  # [members, members]
    return (inside.sum(axis=1) - inside.diagonal()) / (len(members) - 1)


def evaluate_grouping(
    similarity: NDArray[np.float64],
    groups: Sequence[Sequence[int]],
    singletons: NDArray[np.float64],
    *,
    bound: float | None = None,
) -> GroupingResult:
    """Serve each language by its best group and sum up; groups that then serve nobody are left out.

    Ties go to the smaller group, then to the one with the lower first index.

    Args:
        similarity: S, ``[N, N]``.
        groups: Member indices of each group; together they cover every language.
        singletons: Score of each language as a group of one, ``[N]``.
        bound: What no grouping exceeds; ``None`` means that this score was proven to be the best.
    """
    ordered = sorted({tuple(sorted(group)) for group in groups}, key=lambda group: (len(group), group))
    best: dict[int, tuple[float, tuple[int, ...]]] = {}
    tie = _tie(similarity, singletons)
    for group in ordered:
        for i, value in zip(group, collective_similarity(similarity, group, singletons), strict=True):
            if i not in best or value > best[i][0] + tie:
                best[i] = (float(value), group)
    return serve_blocks(similarity, [((i,), best[i][1]) for i in sorted(best)], singletons, bound=bound)


def serve_blocks(
    similarity: NDArray[np.float64],
    blocks: Sequence[tuple[Sequence[int], Sequence[int]]],
    singletons: NDArray[np.float64],
    *,
    bound: float | None = None,
) -> GroupingResult:
    """Serve each language by the group that it was given, and sum up; for solvers that fix who serves whom.

    Args:
        similarity: S, ``[N, N]``.
        blocks: ``(served, members)`` of each group; each language is served once, by a group that it is a member of.
        singletons: Score of each language as a group of one, ``[N]``.
        bound: What no grouping exceeds; ``None`` means that this score was proven to be the best.

    Raises:
        SettingsError: A group of one that is forbidden.
    """
    served: dict[tuple[int, ...], list[int]] = {}
    for languages, members in blocks:
        served.setdefault(tuple(sorted(members)), []).extend(languages)
    groups = tuple(sorted(served, key=lambda group: min(served[group])))
    serving = {i: position for position, group in enumerate(groups) for i in served[group]}
    score = 0.0
    for group in groups:
        values = collective_similarity(similarity, group, singletons)
        score += sum(float(value) for i, value in zip(group, values, strict=True) if i in served[group])
    if not np.isfinite(score):
        raise SettingsError(
            "a language would be alone in its group, which singleton_score forbids; choose another rule"
        )
    limit = score if bound is None else max(bound, score)
    proven = limit - score <= _tie(similarity, singletons, score)
    return GroupingResult(groups, tuple(serving[i] for i in range(len(similarity))), score, limit, proven)


def largest_entry(similarity: NDArray[np.float64], singletons: NDArray[np.float64]) -> float:
    """Return the largest number, by size, that a score is made of: the diagonal of S is none."""
    others = similarity[~np.eye(len(similarity), dtype=bool)]
    return float(np.abs(np.concatenate([others, singletons[np.isfinite(singletons)], [0.0]])).max())


def _tie(similarity: NDArray[np.float64], singletons: NDArray[np.float64], score: float = 0.0) -> float:
    """Return how far apart two scores of this S may be and still be equal."""
    return TIE * max(largest_entry(similarity, singletons), abs(score))


def simple_bound(similarity: NDArray[np.float64], singletons: NDArray[np.float64]) -> float:
    """Return what no grouping exceeds, whatever K: each language alone, or with its one best partner."""
    others = np.where(np.eye(len(similarity), dtype=bool), -np.inf, similarity)
    return float(np.maximum(others.max(axis=1), singletons).sum())
