"""Judge what is found in raw text by characters: a span is right if its label and both its ends are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradsim_offline.core.dataset import TaggedSentence
from gradsim_offline.experiments.evaluate.answers import Span
from gradsim_shared.iob import entities, is_iob
from gradsim_shared.normalisation import trimmed
from gradsim_shared.segmentation import join, locate


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
    sentences: Sequence[TaggedSentence], found: Sequence[set[Span] | None], labels: Sequence[str]
) -> SpanScores:
    """Compare what was found in raw texts, ``None`` where a text was refused, with what the annotators marked."""
    right = answered = true = left_out = 0
    for sentence, mine in zip(sentences, found, strict=True):
        gold = gold_spans(sentence, iob=is_iob(labels))
        if gold is None:
            left_out += 1
            continue
        right += len(gold & {(label, *trimmed((start, end), sentence.text)) for label, start, end in mine or ()})
        answered += len(mine or ())
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
