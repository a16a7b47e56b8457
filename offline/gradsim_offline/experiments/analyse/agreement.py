"""How far two groupings agree, and how often two languages fall into one group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.result import Groups
from gradsim_shared.errors import SettingsError

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


def together(groupings: Sequence[Serving], languages: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of the groupings in which one group serves both languages, ``[N, N]``; 1 on the diagonal."""
    labels = np.array([[grouping[code] for code in languages] for grouping in groupings])  # [groupings, N]
    share: NDArray[np.float64] = (labels[:, :, None] == labels[:, None, :]).mean(axis=0)
    return share
