"""Sprachbunds: languages whose text an encoder represents alike, each with its pivot (Fan et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measures.gradient import cosines
from gradsim_shared.errors import SettingsError

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sprachbund:
    """A cluster of languages.

    Attributes:
        id: ``g1``, ``g2``, ... in the order of the first member.
        members: Codes, in the order of the languages.
        summed: For each member, the sum of its cosines with the other members.
        pivot: The member with the highest sum; of equal ones the first.
    """

    id: str
    members: tuple[str, ...]
    summed: dict[str, float]

    @property
    def pivot(self) -> str:
        """The member that stands nearest to all others."""
        return max(self.members, key=self.summed.__getitem__)


def similarities(vectors: Matrix, *, centred: bool) -> Matrix:
    """Return the cosines of the languages' vectors, ``[N, N]``.

    Args:
        vectors: ``[N, width]``.
        centred: Take the mean of all languages off first. Raw vectors have much in common, and their cosines all lie
            near 1; what is left when that is gone tells languages apart. Of two languages the cosine is then -1.
    """
    return cosines(*(torch.from_numpy(placed(vectors, centred=centred)),) * 2)


def placed(vectors: Matrix, *, centred: bool) -> Matrix:
    """Return the vectors as they are compared, ``[N, width]``: less their mean, if they are centred."""
    return vectors - vectors.mean(axis=0) if centred else vectors


def check_count(languages: Sequence[str], count: int) -> None:
    """Say before anything long runs whether so many sprachbunds can be made.

    Raises:
        SettingsError: There are fewer languages than that, or fewer than two.
    """
    if len(languages) < 2:
        raise SettingsError(f"only one language, {languages[0]}; a sprachbund is a matter of several: name more texts")
    if count > len(languages):
        raise SettingsError(
            f"--groups {count}: {len(languages)} languages make at most as many sprachbunds; set {len(languages)} or "
            "fewer"
        )


def find_sprachbunds(similarity: Matrix, languages: Sequence[str], count: int) -> tuple[Sprachbund, ...]:
    """Cluster languages: hierarchically, by average linkage on ``1 - similarity``; the paper does not name a linkage.

    Args:
        similarity: Symmetric, ``[N, N]``.
        languages: Codes, ``N``.
        count: K, the number of clusters.

    Raises:
        SettingsError: There are fewer languages than that, or fewer than two.
    """
    check_count(languages, count)
    problem = Problem(similarity, count, similarity.diagonal().copy(), tuple(languages))
    grouping = load_solver("agglomerative").solve(problem)
    blocks = sorted(sorted(group) for group in grouping.groups)
    return tuple(
        Sprachbund(
            f"g{position}",
            tuple(languages[i] for i in block),
            {languages[i]: float(sum(similarity[i, j] for j in block if j != i)) for i in block},
        )
        for position, block in enumerate(blocks, start=1)
    )
