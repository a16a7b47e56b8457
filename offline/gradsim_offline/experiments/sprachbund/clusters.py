"""Sprachbunds (Fan et al. 2021): clusters of languages with their pivots, beside families and typology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.core.families import lineage
from gradsim_offline.experiments.analyse.groupings import adjusted_rand
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.correlations import FEWEST_LANGUAGES, Correlation, correlate
from gradsim_offline.similarity.measures.family import same_family, shared_lineage
from gradsim_offline.similarity.measures.typology import compare, cosine
from gradsim_offline.similarity.products import cosines
from gradsim_offline.similarity.uriel import features
from gradsim_shared.errors import DataError, SettingsError

Matrix = NDArray[np.float64]
FEATURES = ("syntax_knn", "phonology_knn", "inventory_knn")
_PERMUTATIONS = 9999


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
    """Check early that so many sprachbunds can be made.

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


@dataclass(frozen=True)
class Relations:
    """How representations agree with language families and typology.

    Attributes:
        families: The widest family of each language (Glottolog); empty: not all are known.
        adjusted_rand: Of the sprachbunds and the families: 1 the same, 0 as by chance; ``None``: families not known.
        correlations: Of the cosines with ``family`` (same or not), ``lineage`` (shared part) and ``typology`` (URIEL),
            over the pairs of languages; what is not known is left out.
        notes: What is not known.
    """

    families: dict[str, str]
    adjusted_rand: float | None
    correlations: dict[str, Correlation]
    notes: tuple[str, ...]


def relate(similarity: Matrix, languages: Sequence[str], clusters: Sequence[Sprachbund], *, seed: int) -> Relations:
    """Compare cosines and sprachbunds with language families and typology.

    Args:
        similarity: ``[N, N]``.
        languages: Codes, ``N``.
        clusters: The clusters.
        seed: Of the permutations of the Mantel test.
    """
    known: dict[str, Matrix] = {}
    notes: list[str] = []
    names: dict[str, str] = {}
    try:
        lines = [lineage(code) for code in languages]
        names = {code: line[0] for code, line in zip(languages, lines, strict=True)}
        known["family"] = np.array([[same_family(line, other) for other in lines] for line in lines])
        known["lineage"] = np.array([[shared_lineage(line, other) for other in lines] for line in lines])
    except DataError as error:
        notes.append(str(error))
    try:
        known["typology"] = compare(features(languages, FEATURES), tuple(languages), cosine)
    except DataError as error:
        notes.append(str(error))
    correlations = {}
    if len(languages) >= FEWEST_LANGUAGES:
        for name, other in known.items():
            correlations[name] = correlate(
                similarity, other, names=("the cosine", f"the {name}"), permutations=_PERMUTATIONS, seed=seed
            )
    else:
        notes.append(f"{len(languages)} languages make {len(languages) - 1} pair: nothing to correlate")
    serving = {code: cluster.id for cluster in clusters for code in cluster.members}
    return Relations(names, adjusted_rand(serving, names) if names else None, correlations, tuple(notes))
