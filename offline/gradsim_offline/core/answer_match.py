"""Whether an answer to a question is one of the right ones, and how much of its words it shares: EM and F1.

As SQuAD defines them (Rajpurkar et al., EMNLP 2016, section 6.1): capitals, ASCII punctuation and English articles make
no difference, and of several right answers the best counts. As MLQA does (Lewis et al., ACL 2020, section 4) where a
language is named: its own articles, all punctuation of Unicode, and where words stand without spaces, every character
is a word. MLQA divides Chinese so; we do the same for all scripts that are written without spaces.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

_ENGLISH = r"\b(a|an|the)\b"
_ARTICLES = {
    "eng": _ENGLISH,
    "spa": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "deu": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "vie": r"\b(của|là|cái|chiếc|những)\b",
    "ara": "ال",  # a prefix
    "arb": "ال",
}
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"
)  # Thai, Lao, Burmese, Khmer, kana, Han
UNSPACED_LANGUAGES = frozenset({"zho", "cmn", "yue", "jpn", "tha", "lao", "mya", "khm"})


@cache
def _is_sign(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character)[0] == "P"


def words(text: str, language: str | None = None) -> list[str]:
    """Return what counts of an answer, in its order.

    Args:
        text: The answer.
        language: ISO 639-3, whose rules MLQA has; ``None``: SQuAD's rules.
    """
    lower = text.lower()
    if language is None:
        plain = "".join(character for character in lower if character not in string.punctuation)
        return re.sub(_ENGLISH, " ", plain).split()
    plain = "".join(character for character in lower if not _is_sign(character))
    if articles := _ARTICLES.get(language):
        plain = re.sub(articles, " ", plain)
    return (_UNSPACED.sub(r" \g<0> ", plain) if language in UNSPACED_LANGUAGES else plain).split()


def exact_match(right: Sequence[str], answer: str, language: str | None = None) -> float:
    """Return 1 if an answer is one of the right ones, else 0."""
    return _best(lambda one, other: float(one == other), right, answer, language)


def f1(right: Sequence[str], answer: str, language: str | None = None) -> float:
    """Return the F1 of an answer's words against those of the right answer that is nearest, 0 to 1."""
    return _best(_shared, right, answer, language)


def _best(
    score: Callable[[list[str], list[str]], float], right: Sequence[str], answer: str, language: str | None
) -> float:
    given = words(answer, language)
    return max((score(words(one, language), given) for one in right), default=0.0)


def _shared(right: list[str], given: list[str]) -> float:
    if not right or not given:
        return float(right == given)
    both = (Counter(right) & Counter(given)).total()
    return 2 * both / (len(right) + len(given))
