"""URIEL's typological features (Littell et al. 2017), read from the arrays inside the installed ``urielplus``.

The names of the feature sets are those of lang2vec: ``syntax``, ``phonology`` or ``inventory`` with a source
(``syntax_wals``), with ``average`` (mean over all sources that know the feature) or with ``knn`` (0 or 1, unknown
ones predicted: ``uriel_neighbours.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.families import open_uriel
from gradsim_offline.similarity.uriel_neighbours import complete
from gradsim_shared.errors import DataError

_FEATURES = "original_uriel/features.npz"
_KINDS = {"syntax": "S_", "phonology": "P_", "inventory": "INV_"}
_SOURCES = {"ETHNO": "ethnologue"}  # where lang2vec's name is not the array's in small letters
_UNKNOWN = -1
FEATURE_SETS = (  # those that hold anything
    *("syntax_knn", "syntax_average", "syntax_wals", "syntax_sswl", "syntax_ethnologue"),
    *("phonology_knn", "phonology_average", "phonology_wals", "phonology_ethnologue"),
    *("inventory_knn", "inventory_average", "inventory_phoible_aa", "inventory_phoible_gm", "inventory_phoible_ph"),
    *("inventory_phoible_ra", "inventory_phoible_saphon", "inventory_phoible_spa", "inventory_phoible_upsid"),
)

Values = NDArray[np.float64]  # NaN: not known


@dataclass(frozen=True)
class Uriel:
    """The typological features of all languages that it knows something of.

    Attributes:
        features: Their names; the prefix tells the kind.
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
