"""The scores of each language, of spans in raw text among them, and the averages over the languages that are served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import AnyExample, Gold, TaggedSentence
from gradsim_offline.experiments.evaluate.answers import Answers, Span, Target
from gradsim_offline.training.task import Task
from gradsim_shared.iob import entities, is_iob
from gradsim_shared.normalisation import trimmed
from gradsim_shared.segmentation import join, locate

SHARES = ("identifier", "routed", "unsure")
UNSURE = ("fallback", "unknown", "too_short", "soft")
COLUMNS = ("given", "identified", "raw")
_NO_ANSWER = ""  # no label: a text that was refused is answered wrongly


def language_scores(
    examples: Sequence[AnyExample], answers: Answers, target: Target, code: str, task: Task
) -> dict[str, Any]:
    """Return a language's figures; shares and scores are 0 to 1.

    Args:
        examples: Its texts.
        answers: What they were answered.
        target: The bundle that answered.
        code: The language, as the data has it.
        task: The torch half of the task: its ``scores``.

    Returns:
        ``texts``; ``group``: the one that serves it, ``None``: none does; ``identifier``: share of texts whose
        language was identified, ``routed``: share that went to the serving group, both ``None`` if none serves it;
        ``unsure``: share whose language was not sure; ``given`` and ``identified``: the task's scores with the
        language named and identified; ``raw``: those of spans in raw text; ``None`` where there is no such column.
    """
    served = target.serving(code)
    count, routes = len(examples), [route for route in answers.routes if route is not None]  # refused texts have none
    scores: dict[str, Any] = {
        "name": codes.name(code),
        "texts": count,
        "group": served and served.group,
        "identifier": served and sum(route.language == served.code for route in routes) / count,
        "routed": served and sum(route.group == served.group for route in routes) / count,
        "unsure": sum(route.reason in UNSURE for route in routes) / count,
        "given": _scores(examples, answers.given, target, task),
        "identified": _scores(examples, answers.identified, target, task),
        "raw": None,
        "refused": len(answers.refusals),
        "refusal": next(iter(answers.refusals), None),
        "taken_for": dict(sorted(Counter(route.language or "unknown" for route in routes).items())),
        "answered_by": dict(sorted(Counter(route.group for route in routes).items())),
    }
    if answers.spans is not None:
        sentences = [example for example in examples if isinstance(example, TaggedSentence)]
        judged = score_spans(sentences, answers.spans, target.labels)
        scores |= {"raw": judged.scores, "raw_left_out": judged.left_out, "raw_joined": judged.joined}
    return scores


def averages(languages: Mapping[str, Mapping[str, Any]], metric: str) -> dict[str, dict[str, float]]:
    """Return each column's averages over the languages that are served: ``plain``, and ``weighted`` by texts."""
    served = [scores for scores in languages.values() if scores["group"] is not None]
    columns: dict[str, list[tuple[float, int]]] = {}
    for scores in served:
        shown = {name: scores[name] for name in SHARES} | {name: figure(scores, name, metric) for name in COLUMNS}
        for name, value in shown.items():
            if value is not None:
                columns.setdefault(name, []).append((value, scores["texts"]))
    return {
        name: {
            "plain": sum(value for value, _ in pairs) / len(pairs),
            "weighted": sum(value * texts for value, texts in pairs) / sum(texts for _, texts in pairs),
        }
        for name, pairs in columns.items()
    }


def figure(found: Mapping[str, Any], column: str, metric: str) -> float | None:
    """Return the one figure that a column of scores is judged by; ``None`` if there is no such column."""
    scores = found[column]
    return None if scores is None else float(scores["f1" if column == "raw" else metric])


def _scores(
    examples: Sequence[AnyExample], answers: Sequence[Gold | None] | None, target: Target, task: Task
) -> dict[str, float] | None:
    if answers is None:
        return None
    gold = [example.gold for example in examples]
    given = [
        _wrong(true, target, task) if answer is None else answer for true, answer in zip(gold, answers, strict=True)
    ]
    found: dict[str, float] = task.scores(gold, given, target.labels)
    return found


def _wrong(gold: Gold, target: Target, task: Task) -> Gold:
    """Return the answer to a text that was refused: no label; of several, those that it has not."""
    if not task.several_labels or not isinstance(gold, tuple):
        return _NO_ANSWER
    return tuple(label for label in target.labels if label not in gold)


@dataclass(frozen=True, slots=True)
class SpanScores:
    """How the spans of a language's raw texts agree with the annotators'.

    Attributes:
        scores: Micro ``f1``, ``precision`` and ``recall`` over spans, 0 to 1; ``None``: no sentence can be judged.
        left_out: Sentences whose words do not stand in their text one after the other, so that no span is known.
        joined: Sentences whose text is no more than their words joined: real text is harder to split.
    """

    scores: dict[str, float] | None
    left_out: int
    joined: int


def gold_spans(sentence: TaggedSentence, *, iob: bool) -> set[Span] | None:
    """Return what the annotators marked, in the sentence's own text; what is unseen at its ends does not count.

    Args:
        sentence: Its words, tags and text.
        iob: The tags mark entities; else every word has its tag, as in the UPOS F1 of the CoNLL 2018 shared task.

    Returns:
        Entities, or all words; ``None`` if the words cannot be located in the text.
    """
    places = locate(sentence.words, sentence.text)
    if places is None:
        return None
    places = [trimmed(place, sentence.text) for place in places]
    if iob:
        return {(kind, places[first][0], places[last - 1][1]) for kind, first, last in entities(sentence.tags)}
    return {(tag, start, end) for tag, (start, end) in zip(sentence.tags, places, strict=True)}


def score_spans(
    sentences: Sequence[TaggedSentence], answers: Sequence[set[Span] | None], labels: Sequence[str]
) -> SpanScores:
    """Compare the spans that were answered with the annotators': right if the label and both ends are.

    Args:
        sentences: With the annotators' tags.
        answers: The spans of each sentence's raw text; ``None``: it was refused.
        labels: Of the bundle; they tell entities from tags of words.
    """
    right = answered = true = left_out = 0
    for sentence, spans in zip(sentences, answers, strict=True):
        gold = gold_spans(sentence, iob=is_iob(labels))
        if gold is None:
            left_out += 1
            continue
        right += len(gold & {(label, *trimmed((start, end), sentence.text)) for label, start, end in spans or ()})
        answered += len(spans or ())
        true += len(gold)
    joined = sum(sentence.text == join(sentence.words) for sentence in sentences)
    if left_out == len(sentences):
        return SpanScores(None, left_out, joined)
    scores = {
        "f1": 2 * right / max(answered + true, 1),
        "precision": right / max(answered, 1),
        "recall": right / max(true, 1),
    }
    return SpanScores(scores, left_out, joined)
