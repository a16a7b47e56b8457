"""Do sprachbunds follow families and typology? Correlation of similarities, and agreement of the clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.families import lineage
from gradsim_offline.experiments.analyse.correlations import FEWEST_LANGUAGES, Correlation, correlate
from gradsim_offline.experiments.analyse.groupings import adjusted_rand
from gradsim_offline.experiments.sprachbund.clusters import Sprachbund
from gradsim_offline.similarity.measures.family import same_family, shared_lineage
from gradsim_offline.similarity.measures.typology import compare, cosine
from gradsim_offline.similarity.uriel import features
from gradsim_shared.errors import DataError

FEATURES = ("syntax_knn", "phonology_knn", "inventory_knn")
_PERMUTATIONS = 9999

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Relations:
    """How the representations stand to what linguists know.

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
    """Set cosines and sprachbunds beside families and typology.

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
