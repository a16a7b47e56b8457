"""Count what a language's texts were answered against what the annotators say; collect examples of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gradsim_offline.core.answer_match import exact_match
from gradsim_offline.core.dataset import AnyExample, Gold, RightAnswers, TaggedSentence
from gradsim_offline.training.task import Task
from gradsim_runtime.predictor import Answer
from gradsim_shared.excerpts import cut
from gradsim_shared.segments import segments

_LONGEST = 300  # characters of a text that is shown
_WORDS = 8  # differing words of a sentence that are shown

Counts = dict[str, dict[str, int]]
"""Gold label -> answered label -> texts, words or entities; ``O``: no entity."""


def label_counts(task: Task, gold: Sequence[Gold], answered: Sequence[Gold], labels: Sequence[str]) -> Counts:
    """Return the confusion matrix of one language's answers, without zeros."""
    counts: Counts = {}
    for (true, answer), count in sorted(Counter(task.pairs(gold, answered, labels)).items()):
        counts.setdefault(true, {})[answer] = count
    return counts


def errors(examples: Sequence[AnyExample], answers: Sequence[Answer], most: int) -> list[dict[str, Any]]:
    """Return the worst errors: the surest wrong labels or answers, or the sentences with the most wrong tags.

    Args:
        examples: As annotated.
        answers: To each of them.
        most: How many are returned, at most.

    Returns:
        Each a ``text``, its ``gold`` and the ``answer`` as people read them (of tagged words those that differ), and
        the answer's probability as ``score``; ``None`` for tagged words.
    """
    wrong: list[tuple[float, dict[str, Any]]] = []
    for example, answer in zip(examples, answers, strict=True):
        gold, answered, prediction = example.gold, answer.decoded.answer, answer.decoded.prediction
        if isinstance(gold, RightAnswers):
            right = exact_match(gold.texts, str(answered), gold.language) == 1
        else:
            right = gold == answered
        if right or not most:
            continue
        shown: dict[str, Any] = {"text": cut(" | ".join(segments(example.text)), _LONGEST)}
        if not isinstance(example, TaggedSentence):
            wrong_ones = set(gold).symmetric_difference(answered) if isinstance(gold, tuple) else ()
            said = [max(p, 1 - p) for label, p in getattr(prediction, "scores", {}).items() if label in wrong_ones]
            weight = max(said) if said else prediction.score
            named = gold.texts if isinstance(gold, RightAnswers) else gold
            true, tags = (each if isinstance(each, str) else ", ".join(each) or "none" for each in (named, answered))
            shown |= {"gold": true, "answer": tags, "score": weight}
        else:
            tagged = zip(example.words, example.tags, answered, strict=True)
            words = [(word, true, tag) for word, true, tag in tagged if true != tag]
            weight = len(words)
            true, tags = (", ".join(f"{word[0]} {word[i]}" for word in words[:_WORDS]) for i in (1, 2))
            shown |= {"gold": true, "answer": tags, "score": None}
        wrong.append((weight, shown))
    return [shown for _, shown in sorted(wrong, key=lambda each: -each[0])[:most]]
