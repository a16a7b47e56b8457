"""What the head of every group answers to dev texts, and F, which is made of it: what a language is expected to score.

Chosen among thousands of groups by a few hundred texts, the best is largely the luckiest. So F is no plain dev score
(``GroupAnswers.gains``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from gradsim_offline.similarity.gains import Gains
from gradsim_offline.similarity.group_features import Features
from gradsim_offline.similarity.group_heads import Statistics, with_one

TEMPERATURES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""Of ridge scores, which lie between 0 and 1, before the softmax."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class GroupAnswers:
    """What the head of each group answers to the dev texts of its members.

    Attributes:
        groups: Members, ``[groups, N]``; one group is all languages.
        gold: Index of each dev text's label, per language ``[texts]``.
        answered: Index of the label that was answered, per language ``[groups with it, texts]``.
        chance: Probability of the gold label, likewise.
    """

    groups: NDArray[np.bool_]
    gold: tuple[NDArray[np.int64], ...]
    answered: tuple[NDArray[np.uint8], ...]
    chance: tuple[NDArray[np.float16], ...]

    def rows(self, language: int) -> NDArray[np.int64]:
        """Return the groups that a language is in, in the order of its answers."""
        return np.flatnonzero(self.groups[:, language])

    def save(self, path: Path) -> None:
        """Write them."""
        each = {
            f"{name}.{i}": getattr(self, name)[i]
            for name in ("gold", "answered", "chance")
            for i in range(self.groups.shape[1])
        }
        np.savez(path, groups=self.groups, **each)


def read_answers(path: Path) -> GroupAnswers:
    """Read what ``GroupAnswers.save`` wrote."""
    with np.load(path) as kept:
        count = kept["groups"].shape[1]
        each = {name: tuple(kept[f"{name}.{i}"] for i in range(count)) for name in ("gold", "answered", "chance")}
        return GroupAnswers(kept["groups"], **each)


def answer(
    statistics: Statistics,
    read: Features,
    groups: NDArray[np.bool_],
    strength: float,
    temperature: float,
    advance: Callable[[str], None] = lambda _: None,
) -> GroupAnswers:
    """Let the head of each group answer.

    Args:
        statistics: Of the training texts.
        read: The dev texts.
        groups: Members, ``[groups, N]``.
        strength: Of the heads' regularisation.
        temperature: What their scores are multiplied by before the softmax.
        advance: Called once for each group.
    """
    count = groups.shape[1]
    vectors = [with_one(read.vectors("dev", i)) for i in range(count)]
    shapes = [(int(groups[:, i].sum()), len(vectors[i])) for i in range(count)]
    answered = [np.zeros(shape, np.uint8) for shape in shapes]
    chance = [np.zeros(shape, np.float16) for shape in shapes]
    place = np.cumsum(groups, axis=0) - 1  # [groups, N]: the row among those with the language
    for row, head in enumerate(statistics.heads(groups, strength)):
        for i in np.flatnonzero(groups[row]):
            scores = vectors[i] @ head  # [texts, labels]
            own = read.gold["dev"][i]
            answered[i][place[row, i]] = scores.argmax(axis=1)
            chance[i][place[row, i]] = np.exp(log_softmax(temperature * scores, axis=1)[np.arange(len(own)), own])
        advance("")
    return GroupAnswers(groups, tuple(read.gold["dev"]), tuple(answered), tuple(chance))


def calibrated(
    statistics: Statistics, read: Features, strengths: Sequence[float]
) -> tuple[float, float]:
    """Return the strength and the temperature of the lowest dev loss of one head of all languages and one for each.

    Args:
        statistics: Of the training texts.
        read: The dev texts.
        strengths: To choose from.
    """
    count = len(read.gold["dev"])
    groups = np.concatenate([np.eye(count, dtype=bool), np.ones((1, count), bool)])
    vectors = [with_one(read.vectors("dev", i)) for i in range(count)]
    losses = {}
    for strength in strengths:
        for members, head in zip(groups, statistics.heads(groups, strength), strict=True):
            for i in np.flatnonzero(members):
                scores, own = vectors[i] @ head, read.gold["dev"][i]
                for temperature in TEMPERATURES:
                    of_gold = log_softmax(temperature * scores, axis=1)[np.arange(len(own)), own]
                    losses[strength, temperature] = losses.get((strength, temperature), 0.0) - of_gold.mean()
    return min(losses, key=losses.__getitem__)
