"""What a solver is asked: similarities, how many groups, what a group of one is worth, constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.objective import check_similarity, largest_entry
from gradsim_offline.similarity.gains import Gains
from gradsim_shared.errors import SettingsError

Pair = tuple[int, int]


@dataclass(frozen=True)
class Constraints:
    """What a grouping must keep to, by language index.

    Attributes:
        must_link: Pairs that are served by the same group.
        cannot_link: Pairs that are never members of the same group, source-only or not.
        largest_group: Members of a group, at most, source-only ones included; ``None``: no limit.
        budget: The sum over groups of the training examples of all members, at most; ``None``: no limit.
        sizes: Training examples of each language, ``[N]``; needed for a budget.
    """

    must_link: tuple[Pair, ...] = ()
    cannot_link: tuple[Pair, ...] = ()
    largest_group: int | None = None
    budget: float | None = None
    sizes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A grouping problem.

    Attributes:
        similarity: S, ``[N, N]``, finite; may be asymmetric and negative. ``S[i, j]``: what training on j does for i.
        groups: K, at least 1: at most so many groups.
        singletons: Score of each language as a group of one, ``[N]``; ``-inf`` forbids it.
        languages: Codes, ``N``; for messages, and for solvers that know languages.
        constraints: What the grouping must keep to.
        seed: For solvers that draw.
        effort: Multiple of the usual number of iterations after which a solver returns the best that it has, with a
            bound. Iterations are counted, not timed: a busy machine gives the same answer as an idle one.
        gains: F, what languages score in whole groups, which is then maximised; ``None``: S is all that is known.
    """

    similarity: NDArray[np.float64]
    groups: int
    singletons: NDArray[np.float64]
    languages: tuple[str, ...] = ()
    constraints: Constraints = field(default_factory=Constraints)
    seed: int = 0
    effort: float = 1.0
    gains: Gains | None = None

    def __post_init__(self) -> None:
        """Check what every solver takes for granted.

        Raises:
            SettingsError: S is no square matrix of numbers, or K < 1.
        """
        object.__setattr__(self, "similarity", check_similarity(self.similarity))
        if self.groups < 1:
            raise SettingsError(f"the number of groups is {self.groups}; it is at least 1")
        if not self.languages:
            object.__setattr__(self, "languages", tuple(f"language {i}" for i in range(len(self.similarity))))

    @property
    def count(self) -> int:
        """N, the number of languages."""
        return len(self.similarity)

    def in_units(self) -> tuple[Problem, float]:
        """Return the problem with similarities of about 1, and what they were divided by, a power of two.

        Solvers take scores for equal that differ by less than a fixed number; among very small similarities all would
        be. Powers of two are divided out without rounding. The diagonal, which no score is made of, is 0.
        """
        most = largest_entry(self.similarity, self.singletons)
        unit = float(2.0 ** np.round(np.log2(most))) if most else 1.0
        return replace(
            self,
            similarity=np.where(np.eye(self.count), 0.0, self.similarity / unit),
            singletons=self.singletons / unit,
        ), unit


def read_constraints(chosen: GroupingSettings, languages: Sequence[str], sizes: Sequence[int]) -> Constraints:
    """Turn the settings' constraints into language indices.

    Args:
        chosen: The settings; a pair is written ``hau+yor``, three languages stand for all their pairs.
        languages: Codes.
        sizes: Training examples of each language.

    Raises:
        SettingsError: A pair names an unknown language, or fewer than two.
    """

    def pairs(name: str, given: Sequence[str]) -> tuple[Pair, ...]:
        indices: list[Pair] = []
        for text in given:
            codes = [code.strip() for code in text.split("+")]
            unknown = [code for code in codes if code not in languages]
            if unknown or len(set(codes)) < 2:
                why = f"{unknown[0]!r} is none of {' '.join(languages)}" if unknown else "it takes two languages"
                raise SettingsError(f"grouping.{name} {text!r}: {why}; write it as {languages[0]}+{languages[-1]}")
            indices += list(combinations(sorted({languages.index(code) for code in codes}), 2))
        return tuple(indices)

    return Constraints(
        pairs("must_link", chosen.must_link),
        pairs("cannot_link", chosen.cannot_link),
        chosen.largest_group,
        None if chosen.budget is None else chosen.budget * sum(sizes),
        tuple(float(size) for size in sizes),
    )
