"""A linear head for every group of languages, in closed form: what ridge regression reads of data adds up.

With ``A_l = sum of x x^T`` and ``B_l = sum of x y^T`` over a language's texts (x: a text's vector and a 1, y: 1 for its
label, else 0), the head of any group is ``(sum of A_l + D)^-1 (sum of B_l)``, D the strength of the regularisation on
the diagonal, 0 for the intercept: one small solve per group, after one pass over the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_softmax

from gradsim_offline.similarity.gains import GroupAnswers

Array = NDArray[np.float64]
TEMPERATURES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""Of ridge scores, which lie between 0 and 1, before the softmax."""
_INTERCEPT = 1e-9  # of a text: keeps the matrix definite where a group has none


@dataclass(frozen=True)
class Statistics:
    """What ridge regression reads of each language's texts.

    Attributes:
        outer: A, ``[N, width + 1, width + 1]``.
        targets: B, ``[N, width + 1, labels]``.
    """

    outer: Array
    targets: Array

    @classmethod
    def of(cls, vectors: Iterable[Array], gold: Sequence[NDArray[np.int64]], labels: int) -> Statistics:
        """Sum up over texts.

        Args:
            vectors: Of each language's texts, ``[texts, width]``.
            gold: Index of each text's label.
            labels: How many there are.
        """
        outer, targets = [], []
        for some, own in zip(vectors, gold, strict=True):
            whole = with_one(some)
            outer.append(whole.T @ whole)
            targets.append(whole.T @ np.eye(labels)[own])
        return cls(np.array(outer), np.array(targets))

    def heads(self, groups: NDArray[np.bool_], strength: float) -> Iterator[Array]:
        """Yield the head of each group, ``[width + 1, labels]``; the last row is the intercept.

        Groups that follow each other and differ by few languages are quickest: their sums are not taken anew.

        Args:
            groups: Members, ``[groups, N]``.
            strength: Of the regularisation.
        """
        diagonal = np.full(self.outer.shape[1], float(strength))
        diagonal[-1] = _INTERCEPT
        outer, targets = np.diag(diagonal), np.zeros(self.targets.shape[1:])
        inside = np.zeros(groups.shape[1], dtype=bool)
        for members in groups:
            for language in np.flatnonzero(members != inside):
                sign = 1.0 if members[language] else -1.0
                outer += sign * self.outer[language]
                targets += sign * self.targets[language]
            inside = members
            yield cho_solve(cho_factor(outer, lower=True, check_finite=False), targets, check_finite=False)


def with_one(vectors: Array) -> Array:
    """Return vectors with a 1 at their end, ``[texts, width + 1]``."""
    return np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1)


def every_group(languages: int) -> NDArray[np.bool_]:
    """Return all groups, each of which differs from the one before by one language (Gray code), ``[2^N - 1, N]``."""
    numbers = np.arange(1, 1 << languages)
    return ((numbers ^ numbers >> 1)[:, None] >> np.arange(languages) & 1).astype(bool)


def sampled_groups(languages: int, most: int, seed: int) -> NDArray[np.bool_]:
    """Return some groups: all languages, each alone, every pair, all but one, and random ones of every size.

    Args:
        languages: N.
        most: Groups, at most; those that are not random are all there.
        seed: Of the draw; sizes are drawn evenly, then members.
    """
    random, single = np.random.default_rng(seed), np.eye(languages, dtype=bool)
    first, second = np.triu_indices(languages, 1)
    fixed = np.concatenate([np.ones((1, languages), bool), single, single[first] | single[second], ~single])
    sizes = random.integers(3, max(4, languages - 1), max(0, most - len(fixed)))
    drawn = random.random((len(sizes), languages)).argsort(axis=1).argsort(axis=1) < sizes[:, None]
    return np.unique(np.concatenate([fixed, drawn]), axis=0)


def answer(
    statistics: Statistics,
    texts: Sequence[Array],
    gold: Sequence[NDArray[np.int64]],
    groups: NDArray[np.bool_],
    *,
    strength: float,
    temperature: float,
    advance: Callable[[str], None] = lambda _: None,
) -> GroupAnswers:
    """Let the head of each group answer other texts of its members.

    Args:
        statistics: Of the training texts.
        texts: Vectors of each language's texts, ``[texts, width]``.
        gold: Index of each text's label.
        groups: Members, ``[groups, N]``; one of them is all languages.
        strength: Of the heads' regularisation.
        temperature: What their scores are multiplied by before the softmax.
        advance: Called once for each group.
    """
    vectors = [with_one(each) for each in texts]
    shapes = [(int(each), len(own)) for each, own in zip(groups.sum(axis=0), gold, strict=True)]
    answered = tuple(np.zeros(shape, np.uint16) for shape in shapes)
    chance = tuple(np.zeros(shape, np.float16) for shape in shapes)
    place = np.cumsum(groups, axis=0) - 1  # [groups, N]: the row among those with the language
    for row, head in enumerate(statistics.heads(groups, strength)):
        for i in np.flatnonzero(groups[row]).tolist():
            scores = vectors[i] @ head  # [texts, labels]
            answered[i][place[row, i]] = scores.argmax(axis=1)
            chance[i][place[row, i]] = np.exp(_of_gold(temperature * scores, gold[i]))
        advance("")
    return GroupAnswers(groups, tuple(gold), answered, chance)


def calibrated(
    statistics: Statistics, texts: Sequence[Array], gold: Sequence[NDArray[np.int64]], strengths: Sequence[float]
) -> tuple[float, float]:
    """Return the strength and the temperature of the lowest loss of the head of all languages and of each one's.

    Args:
        statistics: Of the training texts.
        texts: Vectors of each language's other texts, ``[texts, width]``.
        gold: Index of each text's label.
        strengths: To choose from.
    """
    groups = np.concatenate([np.eye(len(gold), dtype=bool), np.ones((1, len(gold)), bool)])
    losses = dict.fromkeys(product(strengths, TEMPERATURES), 0.0)
    for strength in strengths:
        for members, head in zip(groups, statistics.heads(groups, strength), strict=True):
            for i in np.flatnonzero(members).tolist():
                scores = with_one(texts[i]) @ head
                for temperature in TEMPERATURES:
                    losses[strength, temperature] -= float(_of_gold(temperature * scores, gold[i]).mean())
    return min(losses, key=losses.__getitem__)


def _of_gold(scores: Array, gold: NDArray[np.int64]) -> Array:
    """Return the logarithm of the gold labels' probability, ``[texts]``."""
    return np.asarray(log_softmax(scores, axis=1)[np.arange(len(gold)), gold])
