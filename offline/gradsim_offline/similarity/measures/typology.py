"""URIEL's typological features: how alike two languages' grammar, phonology and sound inventory are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gradsim_offline.core.families import uriel_version
from gradsim_offline.core.section import Section
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.uriel import FEATURE_SETS, features
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

Values = NDArray[np.float64]


class Options(Section):
    """Settings of the measure ``typology``."""

    features: list[str] = Field(
        ["syntax_knn", "phonology_knn", "inventory_knn"],
        min_length=1,
        description="URIEL's feature sets, as in syntax_knn+phonology_average; docs/measures.md names them",
    )
    distance: Literal["cosine", "angular", "hamming", "euclidean"] = Field(
        "cosine", description="S is 1 minus it: cosine, angular, hamming, euclidean"
    )

    @field_validator("features", mode="before")
    @classmethod
    def _split(cls, names: object) -> object:
        return names.replace("+", " ").replace(",", " ").split() if isinstance(names, str) else names

    @field_validator("features")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in FEATURE_SETS:
                raise ValueError(unknown("feature set", name, FEATURE_SETS))
            if names.count(name) > 1:
                raise ValueError(f"{name} stands twice")
        return names


def fingerprint(_: Options) -> str:
    """Return which features are installed."""
    return uriel_version()


def measure(context: MeasureContext) -> Measured:
    """Compare the languages' features in URIEL; nothing is trained, and the texts are not looked at.

    ``S[i, j]`` is 1 minus the distance of the features that are known for both languages.

    Raises:
        DataError: URIEL does not know a language, or no feature that two languages share.
    """
    started = time.monotonic()
    languages, options = context.dataset.languages, context.options
    values = features(languages, options.features)
    return Measured(
        "typology",
        languages,
        compare(values, languages, _DISTANCES[options.distance]),
        settings={
            **options.model_dump(mode="json"),
            "feature_count": values.shape[1],
            "known": {code: int(n) for code, n in zip(languages, (~np.isnan(values)).sum(axis=1), strict=True)},
        },
        seconds=time.monotonic() - started,
    )


def compare(values: Values, languages: tuple[str, ...], distance: Callable[[Values, Values], float]) -> Values:
    """Return 1 minus the distance of every two rows over the features that both know, ``[N, N]``; 1 on the diagonal.

    Args:
        values: Features 0 to 1, NaN where not known, ``[N, features]``.
        languages: Their codes, for messages.
        distance: Of two vectors without NaN.

    Raises:
        DataError: Two languages have no known feature in common.
    """
    similarity = np.eye(len(values))
    for i, first in enumerate(values):
        for j, second in enumerate(values[:i]):
            both = ~np.isnan(first) & ~np.isnan(second)
            if not both.any():
                raise DataError(
                    f"URIEL knows no feature of both {languages[j]} and {languages[i]} in these sets; choose sets "
                    "ending in _knn, which predict what is not known"
                )
            similarity[i, j] = similarity[j, i] = 1 - distance(first[both], second[both])
    return similarity


def cosine(first: Values, second: Values) -> float:
    """Return 1 minus the cosine; two vectors without any feature are as far as vectors that share none: 1."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return 1 - min(1.0, float(first @ second / lengths)) if lengths else 1.0


def angular(first: Values, second: Values) -> float:
    """Return the angle as a share of a right angle, 0 to 1, as URIEL+ does."""
    return 2 * float(np.arccos(1 - cosine(first, second))) / np.pi


def hamming(first: Values, second: Values) -> float:
    """Return the share of features that differ; of averages, by how much they do."""
    return float(np.abs(first - second).mean())


def euclidean(first: Values, second: Values) -> float:
    """Return the Euclidean distance over the root of the number of features, so that it is 0 to 1."""
    return float(np.sqrt(np.square(first - second).mean()))


_DISTANCES = {"cosine": cosine, "angular": angular, "hamming": hamming, "euclidean": euclidean}


PLUGIN = SimilarityMeasure(measure, fingerprint=fingerprint, options=Options)
