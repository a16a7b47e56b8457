"""Choose the segmentation rule that agrees best with the words of a data set."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from gradsim_offline.core.dataset import Dataset, TaggedSentence
from gradsim_shared.errors import DataError
from gradsim_shared.normalisation import Span, normalise, original_spans, trimmed
from gradsim_shared.segmentation import RULES, join, locate, segment

SENTENCES = 500
"""How many training sentences of a language are looked at, spread over all."""

_BEFORE_NEXT = "@#¡¿"  # signs, beside opening brackets and currencies, that stand close to what follows
_BETWEEN = "-/"  # signs that stand close to both neighbours
_AFTER_LAST = "%°"  # beside punctuation and closing brackets


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule that agrees best with a data set.

    Attributes:
        rule: Its name in ``RULES``.
        agreement: Per language, the F1 of its words against the data's: 1.0 when it cuts every text as they did.
    """

    rule: str
    agreement: dict[str, float]


def choose(dataset: Dataset) -> Choice:
    """Choose the rule with the highest mean agreement over the languages; the one that divides most, if several have.

    Only training sentences are looked at, ``SENTENCES`` a language. A text that is no more than its words joined is
    first written as people write, see ``written``: in joined text, white space alone would agree best.

    Raises:
        DataError: In no sentence do the words stand in the text one after the other.
    """
    sentences = {language: list(known_words(dataset.split(language, "train"))) for language in dataset.languages}
    sentences = {language: known for language, known in sentences.items() if known}
    if not sentences:
        raise DataError(
            f"{dataset.name}: in no training sentence do the words stand in the text one after the other, so there is "
            "nothing to choose a segmentation rule by; give each sentence the text that its words were taken from"
        )
    agreements = {
        rule: {language: agreement(rule, known) for language, known in sentences.items()}
        for rule in RULES  # the first of the best is taken: the one that divides most
    }
    best = max(agreements, key=lambda rule: fmean(agreements[rule].values()))
    return Choice(best, agreements[best])


def agreement(rule: str, sentences: Sequence[tuple[str, Sequence[Span]]]) -> float:
    """Return the F1 (0 to 1) of a rule's words against known ones; a word counts if both its ends are right.

    Args:
        rule: One of ``RULES``.
        sentences: Texts and the spans of their words.
    """
    right = total = 0
    for text, known in sentences:
        found = original_spans(segment(normalise(text), rule), text)
        right += len(set(found).intersection(known))
        total += len(found) + len(known)
    return 2 * right / total if total else 1.0


def known_words(examples: Sequence[object]) -> Iterator[tuple[str, list[Span]]]:
    """Yield texts, as people write them, with the spans of the words of the data; at most ``SENTENCES``."""
    for example in examples[:: max(1, -(-len(examples) // SENTENCES))]:
        if not isinstance(example, TaggedSentence):
            continue
        text = example.text if example.text != join(example.words) else written(example.words)
        if spans := locate(example.words, text):
            yield text, [trimmed(span, text) for span in spans]


def written(words: Sequence[str]) -> str:
    """Write words as people do: no space before a comma, behind a bracket that opens, around a hyphen, inside 3.5.

    It is a guess where the data does not say: quotation marks open and close in turn, and ``9 , 13`` becomes a number.
    """
    text, quoted = "", False
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        quotes = set(word) == {'"'}
        close = (
            (quotes and quoted)
            or (set(before) == {'"'} and quoted)
            or _ends(word)
            or _opens(before)
            or _in_number(words, place)
            or join((before, word)) == before + word  # Chinese and Japanese
        )
        text += word if close or not place else " " + word
        quoted ^= quotes
    return text


def _ends(word: str) -> bool:
    """Return whether a word stands close to the one before."""
    return word in (*_BETWEEN, *_AFTER_LAST) or _category(word) in ("Pe", "Pf") or _stops(word)


def _opens(word: str) -> bool:
    """Return whether a word stands close to the one behind."""
    return word in (*_BETWEEN, *_BEFORE_NEXT) or _category(word) in ("Ps", "Pi", "Sc")


def _stops(word: str) -> bool:
    return _category(word) == "Po" and word[0] not in f"{_BEFORE_NEXT}{_BETWEEN}\"'&*\\§†‡•·"


def _in_number(words: Sequence[str], place: int) -> bool:
    """Return whether a word is the second half of a number: ``173`` of ``2 , 173``."""
    return place >= 2 and words[place - 1] in (".", ",", ":") and words[place - 2].isdigit() and words[place].isdigit()


def _category(word: str) -> str:
    """Return the Unicode category of a word of one sign or the same sign again, else nothing."""
    return unicodedata.category(word[0]) if len(set(word)) == 1 else ""
