"""The groups of a bundle, ranked for a new language, and what to know before trusting the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DECIDED = 0.8  # share of the draws that the best group must win
_CERTAIN = 1.96  # standard errors: 95 % of a normal distribution

Array = NDArray[np.float64]
By = Literal["score", "gradient"]


@dataclass(frozen=True)
class RankedGroup:
    """A group, with its scores for the new language.

    Attributes:
        id: The group's.
        members: Languages that its model was trained on.
        similarity: Collective similarity of the new language in it; ``None``: the bundle has no gradients of it.
        similarity_error: Its standard error over bootstrap draws of the examples.
        wins: Share of the draws in which no group is more similar; those that tie share a draw.
        score: The task's metric of its model on the examples, 0 to 1.
        score_error: Its standard error over draws.
        score_wins: Share of the draws in which no group's model scores higher; those that tie share a draw.
    """

    id: str
    members: tuple[str, ...]
    similarity: float | None
    similarity_error: float | None
    wins: float
    score: float
    score_error: float
    score_wins: float


@dataclass(frozen=True)
class GroupRanking:
    """The groups of a bundle, ranked for a new language.

    Attributes:
        bundle: Name and version of the bundle that was asked.
        language: ISO 639-3 code.
        name: The language's name.
        examples: How many labelled texts were measured.
        metric: The task's.
        similarities: Cosine with each known language's gradient, greatest first.
        groups: The groups, best first by what decides.
        split_half: Cosine between the gradients of two halves of the examples, mean over random halves; ``None``: the
            bundle has no joint model, so there are no gradients.
        notes: What a reader should know before trusting the first group.
        by: What decides: the score of the groups' models, or the gradient.
    """

    bundle: str
    language: str
    name: str
    examples: int
    metric: str
    similarities: dict[str, float]
    groups: tuple[RankedGroup, ...]
    split_half: float | None
    notes: tuple[str, ...]
    by: By

    @property
    def best(self) -> RankedGroup:
        """The first group."""
        return self.groups[0]

    def best_by(self, by: By) -> RankedGroup:
        """Return the group that the score, or the gradient, names."""
        return max(self.groups, key=rank(by))

    def wins(self, group: RankedGroup) -> float:
        """Return the share of the draws in which no group is better, by what decides."""
        return group.score_wins if self.by == "score" else group.wins

    @property
    def decided(self) -> bool:
        """Whether it is the best in most draws of the examples."""
        return self.wins(self.best) >= DECIDED

    def content(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        by_gradient = self.best_by("gradient").id if self.similarities else None
        named = {"by_score": self.best_by("score").id, "by_gradient": by_gradient}
        return {"group": self.best.id, **named, "decided": self.decided, **asdict(self)}


def rank(by: By) -> Callable[[RankedGroup], tuple[float, float]]:
    """Return the order of groups, the best highest; of equal scores the more similar."""
    if by == "score":
        return lambda group: (group.score, -np.inf if group.similarity is None else group.similarity)
    return lambda group: (-np.inf if group.similarity is None else group.similarity, group.score)


def notes_on_score(groups: Sequence[RankedGroup]) -> list[str]:
    """Return the notes on a ranking by score: undecided, tied, or contradicted by the gradient."""
    best, similar = groups[0], max(groups, key=rank("gradient"))
    notes = []
    if best.score_wins < DECIDED:
        notes.append(
            f"undecided: {best.id} scores highest in {best.score_wins:.0%} of the draws, less than {DECIDED:.0%}; "
            "more examples would help"
        )
    equal = [group.id for group in groups if group.score == best.score]
    if len(equal) > 1 and similar.similarity is not None:
        notes.append(f"{', '.join(equal)} score the same; of them the gradient names {best.id}")
    if similar is not best and similar.wins >= DECIDED:
        notes.append(
            f"the gradient disagrees: {similar.id} is the most similar in {similar.wins:.0%} of the draws; "
            "--by gradient chooses it"
        )
    return notes


def notes_on_gradient(groups: Sequence[RankedGroup], draws: Array, metric: str) -> list[str]:
    """Return the notes on a ranking by gradient; ``draws`` of scores: ``[draws, groups]``."""
    notes = []
    if groups[0].wins < DECIDED:
        notes.append(
            f"undecided: {groups[0].id} is the most similar in {groups[0].wins:.0%} of the draws, less than "
            f"{DECIDED:.0%}; more examples would help"
        )
    rival = int(np.argmax([group.score for group in groups]))
    ahead, spread = groups[rival].score - groups[0].score, (draws[:, rival] - draws[:, 0]).std()
    if ahead > _CERTAIN * spread:
        notes.append(
            f"the scores disagree: the model of {groups[rival].id} answers these examples better than that of "
            f"{groups[0].id}, by {100 * ahead:.1f} points of {metric} (standard error {100 * spread:.1f}); "
            f"--by score chooses it"
        )
    return notes
