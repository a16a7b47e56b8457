"""URIEL's typological features (Littell et al. 2017), read from the arrays inside the installed ``urielplus``.

The names of the feature sets are those of lang2vec: ``syntax``, ``phonology`` or ``inventory`` with a source
(``syntax_wals``), with ``average`` (mean over all sources that know the feature) or with ``knn`` (0 or 1, unknown
ones predicted from a language's nearest relatives and neighbours on the map).

Littell et al. (2017), section 4, predict by the k = 10 nearest languages under the mean of genetic, geographic and
feature distance; their predictions are not in ``urielplus``. Ours leave the feature distance out (a language such as
arq has no feature to compare) and weight the ten by 1 / distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.families import Origin, open_uriel, origin, origins
from gradsim_shared.errors import DataError

_FEATURES = "original_uriel/features.npz"
_KINDS = {"syntax": "S_", "phonology": "P_", "inventory": "INV_"}
_SOURCES = {"ETHNO": "ethnologue"}  # where lang2vec's name is not the array's in small letters
_UNKNOWN = -1
NEIGHBOURS = 10
_NO_PLACE = 0.5  # of the way round the half earth: no nearer than average
_NEAREST = 1e-3  # keeps the weight of a language at the same place, of the same lineage, finite
FEATURE_SETS = (  # those that hold anything
    *("syntax_knn", "syntax_average", "syntax_wals", "syntax_sswl", "syntax_ethnologue"),
    *("phonology_knn", "phonology_average", "phonology_wals", "phonology_ethnologue"),
    *("inventory_knn", "inventory_average", "inventory_phoible_aa", "inventory_phoible_gm", "inventory_phoible_ph"),
    *("inventory_phoible_ra", "inventory_phoible_saphon", "inventory_phoible_spa", "inventory_phoible_upsid"),
)

Values = NDArray[np.float64]  # NaN: not known


@dataclass(frozen=True)
class Uriel:
    """The typological features of all languages that have any.

    Attributes:
        features: Their names; the prefix is the kind.
        languages: ISO 639-3 code to row.
        sources: Their names, as in those of the feature sets.
        data: 0, 1 or -1 (not known), ``[languages, features, sources]``.
    """

    features: tuple[str, ...]
    languages: dict[str, int]
    sources: tuple[str, ...]
    data: NDArray[np.int8]

    def columns(self, kind: str) -> list[int]:
        """Return the features of a kind."""
        return [column for column, name in enumerate(self.features) if name.startswith(_KINDS[kind])]

    def values(self, kind: str, source: str) -> Values:
        """Return a kind's features from one source, or their ``average``, ``[languages, features of the kind]``."""
        sources = slice(None) if source == "average" else [self.sources.index(source)]
        data = self.data[:, self.columns(kind)][..., sources]
        count = (data != _UNKNOWN).sum(axis=2)
        return np.where(count > 0, (data == 1).sum(axis=2) / np.maximum(count, 1), np.nan)


def features(languages: Sequence[str], sets: Sequence[str]) -> Values:
    """Return the features of some sets, side by side: ``[languages, features]``, 0 to 1, NaN where not known.

    Args:
        languages: ISO 639-3 codes.
        sets: Names, of ``FEATURE_SETS``.

    Raises:
        DataError: A language has no known feature in these sets, or its family is not known (``knn``).
    """
    values = np.concatenate([_rows(languages, *name.split("_", 1)) for name in sets], axis=1)
    for code, row in zip(languages, values, strict=True):
        if np.isnan(row).all():
            raise DataError(
                f"URIEL knows no feature of {code} in {' + '.join(sets)}; the sets ending in _knn predict what is "
                "not known: --set similarity.features=syntax_knn+phonology_knn+inventory_knn"
            )
    return values


def _rows(languages: Sequence[str], kind: str, source: str) -> Values:
    """Return the features of a kind of some languages, ``[languages, features of the kind]``."""
    uriel = read()
    if source == "knn":
        return complete(languages, list(uriel.languages), uriel.values(kind, "average"))
    values = uriel.values(kind, source)
    nothing = np.full(values.shape[1], np.nan)
    return np.stack([values[uriel.languages[code]] if code in uriel.languages else nothing for code in languages])


@cache
def read() -> Uriel:
    """Read the arrays (0.3 MB on disk, 92 MB while reading, 10 MB kept); no pickle.

    Raises:
        DataError: The installed urielplus has no such file.
    """
    with open_uriel(_FEATURES) as stream, np.load(stream, allow_pickle=False) as arrays:
        data = arrays["data"].astype(np.int8)
        known = (data != _UNKNOWN).any(axis=(1, 2))
        return Uriel(
            tuple(str(name) for name in arrays["feats"]),
            {str(code): row for row, code in enumerate(arrays["langs"][known])},
            tuple(_SOURCES.get(str(name), str(name).lower()) for name in arrays["sources"]),
            data[known],
        )


def complete(languages: Sequence[str], known: Sequence[str], values: Values) -> Values:
    """Return the features of some languages as 0 or 1, predicted where they are not known or the sources disagree.

    Args:
        languages: ISO 639-3 codes of those to complete.
        known: The codes of the rows of ``values``.
        values: Features 0 to 1, NaN where not known, ``[known, features]``; 0.5: as many sources say yes as no.

    Returns:
        ``[languages, features]``.

    Raises:
        DataError: The family of a language is not known, so that it has no neighbours.
    """
    settled = np.where(values == 0.5, np.nan, np.round(values))
    rows = {code: row for row, code in enumerate(known)}
    all_origins = origins()
    teachers = [code for code in known if code in all_origins and not np.isnan(settled[rows[code]]).all()]
    lessons = settled[[rows[code] for code in teachers]]
    nothing = np.full(values.shape[1], np.nan)
    completed = []
    for code in languages:
        row = settled[rows[code]].copy() if code in rows else nothing.copy()
        unknown = np.isnan(row)
        if unknown.any():
            apart = distances(origin(code), [all_origins[teacher] for teacher in teachers])
            row[unknown] = _vote(lessons[:, unknown], apart)
        completed.append(row)
    return np.array(completed)


def distances(language: Origin, others: Sequence[Origin]) -> Values:
    """Return the mean of genetic and geographic distance, 0 to 1, ``[others]``.

    Genetic: the share of the language's own lineage that the other does not share. Geographic: the shortest way, in
    shares of half the earth's circumference.
    """
    genetic = np.array([_apart(language.lineage, other.lineage) for other in others])
    return (genetic + _way(language, others)) / 2


def _apart(lineage: tuple[str, ...], other: tuple[str, ...]) -> float:
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(lineage, other, strict=False)))
    return 1 - common / len(lineage)


def _way(language: Origin, others: Sequence[Origin]) -> Values:
    if language.place is None:
        return np.full(len(others), _NO_PLACE)
    unknown = (np.nan, np.nan)
    points = _on_the_sphere(np.array([other.place or unknown for other in others]).reshape(-1, 2))
    here = _on_the_sphere(np.array([language.place]))[0]
    return np.nan_to_num(np.arccos(np.clip(points @ here, -1, 1)) / np.pi, nan=_NO_PLACE)


def _on_the_sphere(places: Values) -> Values:  # [places, 2] in degrees -> [places, 3]
    latitude, longitude = np.radians(places).T
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )


def _vote(lessons: Values, apart: Values) -> Values:
    """Return the weighted vote of the nearest languages that know a feature, for each feature: 0 or 1.

    Args:
        lessons: Features 0 or 1, NaN where not known, ``[languages, features]``.
        apart: The distance of each, ``[languages]``.
    """
    order = np.argsort(apart, kind="stable")
    sorted_lessons = lessons[order]
    knows = ~np.isnan(sorted_lessons)
    asked = knows & (knows.cumsum(axis=0) <= NEIGHBOURS)  # the nearest ten that know this feature
    weights = asked / (apart[order, None] + _NEAREST)
    share = (weights * np.nan_to_num(sorted_lessons)).sum(axis=0) / weights.sum(axis=0)
    return np.where(share > 0.5, 1.0, 0.0)
