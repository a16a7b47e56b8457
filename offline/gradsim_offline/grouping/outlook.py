"""Does grouping pay? Estimated from what every group's head answers to dev texts, before any group model is trained.

Groups that are chosen by dev texts and judged by the same ones look better than they are. So the texts of each language
are dealt into folds: groups are chosen by the texts of all folds but one, as those of the build are by all texts, and
answer the texts of that one. The answers of all folds together have a score, and so have those of the head of all
languages; the gain is the difference, its spread that of texts drawn anew, and the probability that grouping pays the
share of draws in which it is above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.bootstrap import times_drawn
from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.choose_k import WORTH, candidates
from gradsim_offline.grouping.exact.group_gains import solve_gains
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.result import Groups
from gradsim_offline.grouping.solve import named
from gradsim_offline.similarity.gains import GroupAnswers

_FOLDS, _REPEATS, _DRAWS, _SEED = 5, 4, 1000, 0
_FEW = 14  # languages, up to which every K is looked at, with all repeats
_USUAL = (1, 2, 4, 8)  # K of more
Array = NDArray[np.float64]
Count = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]
"""From gold and answered labels, as indices, to each text's counts, ``[texts, S]``."""
Score = Callable[[NDArray[np.float64]], Array]
"""From summed counts, ``[..., S]``, to the score, ``[...]``."""


@dataclass(frozen=True)
class Outlook:
    """What K groups are expected to gain over one model of all languages.

    Attributes:
        groups: K.
        score: Plain mean over languages of their score, 0 to 1.
        gain: How much of it is gained, ``[N + 1]``: by each language, and on average.
        deviation: Standard deviation of these among draws of the texts.
        probability: Share of the draws in which they are above 0; of 0 half counts.
    """

    groups: int
    score: float
    gain: Array
    deviation: Array
    probability: Array


def outlooks(
    problem: Problem, answers: GroupAnswers, count: Count, score: Score, wanted: Sequence[int] | None = None
) -> list[Outlook]:
    """Return the outlook of each number of groups from 1 to ``problem.groups``; of many languages of the usual ones.

    Numbers of groups that the constraints make impossible are left out.

    Args:
        problem: Constraints and the largest number of groups; F is made anew in every fold.
        answers: Of every group's head.
        count: Counts of texts.
        score: Score of summed counts.
        wanted: Numbers of groups to look at, with 1 and N; ``None``: as above.

    Raises:
        SettingsError: No grouping is possible.
    """
    numbers = list(range(1, min(problem.groups, problem.count) + 1))
    if wanted:
        numbers = candidates(problem.count, wanted)
    elif problem.count > _FEW:
        numbers = [k for k in numbers if k in _USUAL] + [k for k in numbers[-1:] if k not in _USUAL]
    languages = range(problem.count)
    everything = int(answers.groups.all(axis=1).argmax())
    of_one = [count(answers.gold[i], answers.of(i, everything)).astype(np.float64) for i in languages]
    repeats = _REPEATS if problem.count <= _FEW else 1
    sums: dict[int, list[Array]] = {}
    for kept in _folds(answers, repeats):
        gains = answers.gains(kept)
        solved = solve_gains(replace(problem, gains=gains), numbers)
        for k, found in zip(numbers[-len(solved) :], solved, strict=True):
            of_groups = sums.setdefault(k, [np.zeros_like(each) for each in of_one])
            for i in languages:
                left = ~kept[i]
                answered = answers.of(i, gains.row(found.groups[found.serving[i]]))[left]
                of_groups[i][left] += count(answers.gold[i][left], answered)
    draws = [times_drawn(len(own), _DRAWS, np.random.default_rng([_SEED, i])) for i, own in enumerate(answers.gold)]
    return [_outlook(k, of_groups, [repeats * each for each in of_one], draws, score) for k, of_groups in sums.items()]


def _folds(answers: GroupAnswers, repeats: int) -> Iterator[list[NDArray[np.bool_]]]:
    """Yield, per language, which texts choose; each text is left out once in every repeat."""
    for repeat in range(repeats):
        fold = [
            np.random.default_rng([_SEED, repeat, i]).permutation(len(own)) % _FOLDS
            for i, own in enumerate(answers.gold)
        ]
        for number in range(_FOLDS):
            yield [each != number for each in fold]


def _outlook(
    groups: int, sums: Sequence[Array], of_one: Sequence[Array], draws: Sequence[NDArray[np.int64]], score: Score
) -> Outlook:
    """Compare counts of texts, ``[texts, S]`` per language, with those of one model."""
    often = [np.concatenate([np.ones_like(times[:1]), times]) for times in draws]  # as they are first
    scores, before = (
        np.stack([score(times @ counts) for times, counts in zip(often, each, strict=True)], axis=1)
        for each in (sums, of_one)
    )  # [1 + draws, N]
    gains = scores - before
    gains = np.concatenate([gains, gains.mean(axis=1, keepdims=True)], axis=1)
    drawn = gains[1:]
    probability = (drawn > 0).mean(axis=0) + (drawn == 0).mean(axis=0) / 2
    return Outlook(groups, float(scores[0].mean()), gains[0], drawn.std(axis=0), probability)


def choose_by_outlook(
    problem: Problem, chosen: GroupingSettings, found: Sequence[Outlook], say: Callable[[str], None]
) -> Groups:
    """Return the groups of the smallest K within half a point of the best, or of the K that was given.

    Args:
        problem: With F of all texts.
        chosen: The settings.
        found: The outlook of each number of groups.
        say: Tells the user what was found.
    """
    best = max(each.score for each in found)
    kept = found[-1]
    if chosen.groups == "auto":
        kept = next(each for each in found if each.score >= best - WORTH - 1e-9)
    solved = {each.groups: named(replace(problem, groups=each.groups), chosen, chosen.solver) for each in found}
    say("  before groups are trained: what they would gain over one model of all languages, points of dev score")
    several = [each for each in found if each.groups > 1]
    for each in several:
        say(f"  K = {each.groups}: {in_words(each)}{'  <- chosen' if each is kept else ''}")
    told = kept if kept.groups > 1 or not several else max(several, key=lambda each: float(each.gain[-1]))
    if told is not kept:
        say(f"  one model for all: {told.groups} groups would gain {in_words(told)}")
    by_language = zip(problem.languages, told.gain, told.probability, strict=False)
    say("  by language: " + ", ".join(f"{code} {100 * gain:+.1f} ({p:.2f})" for code, gain, p in by_language))
    curve = tuple(
        {
            "groups": each.groups,
            "distinct": len(solved[each.groups].groups),
            "grouping_score": solved[each.groups].score,
            "score": each.score,
            "gain": float(each.gain[-1]),
            "deviation": float(each.deviation[-1]),
            "probability": float(each.probability[-1]),
            "chosen": each is kept,
        }
        for each in found
    )
    return replace(solved[kept.groups], curve=curve)


def in_words(outlook: Outlook) -> str:
    """Say what so many groups would gain, in points, and how sure that is."""
    gain, spread = 100 * outlook.gain[-1], 100 * outlook.deviation[-1]
    return f"{gain:+.2f} +- {spread:.2f} points; probability {outlook.probability[-1]:.2f}"
