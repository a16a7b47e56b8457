"""The groups as later stages and the bundle know them: ids, members, and what each serves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.grouping.objective import GroupingResult, collective_similarity
from gradsim_offline.similarity.gains import Gains

GROUPS_FILE = "groups.json"
_LONG_NAME = 60


@dataclass(frozen=True)
class LanguageGroup:
    """One group, by language codes.

    Attributes:
        id: ``g1``, ``g2``, ... in the order of the first language that each serves.
        members: Languages trained together.
        served: Languages that it answers for; the other members are source-only.
        collective_similarity: Of each member in this group; with the measure ``gains``, what it is expected to score.
    """

    id: str
    members: tuple[str, ...]
    served: tuple[str, ...]
    collective_similarity: dict[str, float]

    @property
    def folder(self) -> str:
        """Name its folder by its members and what it serves, so that the same group is found again."""
        return folder_name(self.members, self.served)


def folder_name(members: Sequence[str], served: Sequence[str]) -> str:
    """Return a folder's name for a model of these members and served languages."""
    name = "-".join(members)
    if list(members) == list(served) and len(name) <= _LONG_NAME:
        return name
    return f"{name[:_LONG_NAME]}-{sha256(repr((tuple(members), tuple(served))).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Groups:
    """All groups by name, and how good the choice is known to be.

    Attributes:
        solver: What chose them.
        singleton_score: What a group of one was worth.
        score: The grouping score.
        bound: No choice of as many groups scores higher that the solver may make: ``partition`` none with overlap, and
            none may break the constraints.
        proven: The score is the bound.
        groups: Each of them.
        curve: What each K that was tried came to, and whether it was ``chosen``, if K was chosen on evidence
            (``choose_k.CandidateK``).
        reason: What there is to say against these groups, in a sentence; empty: nothing.
    """

    solver: str
    singleton_score: str | float
    score: float
    bound: float
    proven: bool
    groups: tuple[LanguageGroup, ...]
    curve: tuple[dict[str, float], ...] = ()
    reason: str = ""

    @property
    def gap(self) -> float:
        """How far the score may be below the best."""
        return max(0.0, self.bound - self.score)

    def save(self, path: Path) -> None:
        """Write them as JSON."""
        write_json(path, asdict(self) | {"gap": self.gap})


def name_groups(
    grouping: GroupingResult,
    languages: Sequence[str],
    similarity: NDArray[np.float64],
    singletons: NDArray[np.float64],
    *,
    solver: str,
    singleton_score: str | float,
    gains: Gains | None = None,
) -> Groups:
    """Turn a grouping of indices into groups of languages; with ``gains``, F takes the place of similarities."""
    named = []
    for position, group in enumerate(grouping.groups):
        values = gains.of(group) if gains else collective_similarity(similarity, group, singletons)
        named.append(
            LanguageGroup(
                f"g{position + 1}",
                tuple(languages[i] for i in group),
                tuple(languages[i] for i in grouping.served(position)),
                {languages[i]: float(value) for i, value in zip(group, values, strict=True)},
            )
        )
    return Groups(solver, singleton_score, grouping.score, grouping.bound, grouping.proven, tuple(named))


def read_groups(path: Path) -> Groups:
    """Read what ``Groups.save`` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    groups = tuple(
        LanguageGroup(g["id"], tuple(g["members"]), tuple(g["served"]), g["collective_similarity"])
        for g in content.pop("groups")
    )
    content.pop("gap", None)
    return Groups(**{**content, "groups": groups, "curve": tuple(content.get("curve", ()))})
