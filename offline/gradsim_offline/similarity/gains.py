"""F, the gains: what languages are expected to score in whole groups, by the answers of every group's head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gains:
    """What each language is expected to score when each of many groups serves it.

    Attributes:
        groups: Their members, ``[groups, N]``; none stands there twice.
        values: F, ``[groups, N]``; ``-inf``: the language is no member.
    """

    groups: NDArray[np.bool_]
    values: Array

    def of(self, group: Sequence[int]) -> Array:
        """Return what the members of a group score in it, ``[len(group)]``."""
        row = self._rows[tuple(sorted(group))]
        return np.asarray(self.values[row, list(group)])

    @cached_property
    def _rows(self) -> dict[tuple[int, ...], int]:
        return {tuple(np.flatnonzero(group).tolist()): row for row, group in enumerate(self.groups)}
