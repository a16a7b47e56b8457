"""Predict what URIEL does not know of a language from its nearest relatives and neighbours on the map.

Littell et al. (2017), section 4, predict by the k = 10 nearest languages under the mean of genetic, geographic and
feature distance; their predictions are not in ``urielplus``. Ours leave the feature distance out (a language such as
arq has no feature to compare) and weight the ten by 1 / distance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.families import Origin, origin, origins

NEIGHBOURS = 10
_NO_PLACE = 0.5  # of the way round the half earth: no nearer than average
_NEAREST = 1e-3  # keeps the weight of a language at the same place, of the same lineage, finite

Values = NDArray[np.float64]


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
        own = settled[rows[code]].copy() if code in rows else nothing.copy()
        asked = np.isnan(own)
        if asked.any():
            apart = distances(origin(code), [all_origins[teacher] for teacher in teachers])
            own[asked] = _vote(lessons[:, asked], apart)
        completed.append(own)
    return np.array(completed)


def distances(language: Origin, others: Sequence[Origin]) -> Values:
    """Return the mean of genetic and geographic distance, 0 to 1, ``[others]``.

    Genetic: the share of the language's own lineage that the other does not share. Geographic: the shortest way, in
    shares of half the earth's circumference.
    """
    genetic = np.array([_apart(language.lineage, other.lineage) for other in others])
    return (genetic + _way(language, others)) / 2


def _apart(own: tuple[str, ...], other: tuple[str, ...]) -> float:
    common = 0
    for mine, theirs in zip(own, other, strict=False):
        if mine != theirs:
            break
        common += 1
    return 1 - common / len(own)


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
