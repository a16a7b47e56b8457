"""Word segmentation of raw text: by a named rule, the same in training and in serving.

A rule is one expression whose alternatives are tried in order; the last is any character that is no space, so that
every character but white space falls into exactly one word. Segmenting the words, joined, gives the same words again:
what an alternative looks at outside of its word is there, too, when the words stand apart.
How well each rule agrees with real data, and why there are several: docs/design/segmentation.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise

from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import unknown
from gradsim_shared.normalisation import PICTURES, Span


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to cut a text into words.

    Attributes:
        description: What it does, in a line.
        expression: Matches one word, from any character that is no white space.
    """

    description: str
    expression: str


def _ranges(*categories: str) -> str:
    """Write the characters of some Unicode categories as ranges for a character class; Han and Hangul have none."""
    codes = [
        code
        for low, high in ((0x61, 0x3400), (0xA000, 0xAC00), (0xF900, 0x20000), (0xE0000, 0xE01F0))
        for code in range(low, high)
        if unicodedata.category(chr(code)) in categories
    ]
    starts = [code for before, code in pairwise([-1, *codes]) if code != before + 1]
    ends = [code for code, after in pairwise([*codes, -1]) if after != code + 1]
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))


# Insides of character classes.
_MARKS = _ranges("Mn", "Mc", "Me", "Cf")  # combining marks and invisible format characters
_LOWER = _ranges("Ll")
_SINGLE = (  # Han, Hiragana and Katakana with the sound mark: one word per character
    "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003fffd"
)

# Parts of words.
_M = f"[{_MARKS}]*"
_A = f"[^\\W{_SINGLE}]"  # a letter or digit, or _
_LETTER = f"[^\\W\\d_{_SINGLE}]{_M}"
_BODY = f"{_A}+(?:[{_MARKS}]+{_A}+)*{_M}"  # no text can match this in two ways: it cannot become slow
_END = f"(?!{_A}|[{_MARKS}])"
_APOSTROPHE = "['\u2018\u2019\u00b4`]"
_APART = f"{_APOSTROPHE}(?={_A})|(?<=\\d)[.,:/](?=\\d)"  # stands inside a word: o'clock, 2,000, 3.5, 10:30, 16/11/2004
_HYPHEN = f"[-\u2010\u2011](?={_A})"

# Words.
_TONED = f"[{PICTURES}][{_MARKS}\U0001f3fb-\U0001f3ff]*"
_EMOJI = (  # keycap, flag, or pictures held together by zero-width joiners
    f"[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}{_M}|{_TONED}(?:(?<=\u200d){_TONED})*"
)
_EMOTICON = f"[:;=]['\u2019]?-?(?:[()\\[\\]|](?!{_A})|[DPdp]{_END})"
_IN_LINK = f'[^\\s<>"“”«»、。「」\uff08\uff09\uff0c\uff01\uff1f{_SINGLE}'
_LINK = f"(?:https?://|www\\.){_IN_LINK}]*{_IN_LINK}.,;:!?)\\]}}'\u2019]"
_NAMED = f"[@#]{_BODY}"
_INITIALS = f"(?:{_LETTER}\\.){{2,}}(?:{_LETTER}{_END})?"  # U.S. and p.m. and U.S.A
_TITLE = f"(?:Mr|Mrs|Ms|Dr)\\.(?=\\s+{_A})"
_CLITIC = f"(?:n['\u2019]t|['\u2019](?:s|m|d|re|ve|ll)){_END}"
_DOTTED = (  # an initial; kr. or 3. if the sentence goes on; f.eks.
    f"(?=(?>(?:{_A}{_M}){{1,5}})\\.)(?:{_LETTER}\\.(?=\\s+{_A})"  # the first look spares long words the others
    f"|(?:{_A}{_M}){{1,5}}\\.(?=\\s*[,;:)]|\\s+[{_LOWER}\\d])|(?:(?:{_A}{_M}){{1,4}}\\.){{2,}})"
)
_SIGNS = f"{_APOSTROPHE}{{2,}}{_M}|([^\\w\\s!?{_MARKS}])\\1*{_M}|\\S{_M}"  # -- and ... are one word, !! are two


def _word(inside: str) -> str:
    """Match letters and digits with what may stand between them."""
    return f"{_BODY}(?:(?:{inside}){_BODY})*"


def _rule(description: str, *alternatives: str) -> Rule:
    """Make a rule of what it keeps together; marks without a letter before them belong to what follows."""
    return Rule(description, f"{_M}(?:{'|'.join((_EMOJI, f'[{_SINGLE}]{_M}', *alternatives, _SIGNS))})")


_KEPT = (_LINK, _EMOTICON, _NAMED, _INITIALS, _TITLE)
_HYPHENATED = f"(?:(?<!\\S)-(?={_LETTER}))?{_word(f'{_APART}|{_HYPHEN}')}(?:-(?=\\s+{_A}|\\s*[,)]))?"

RULES: Mapping[str, Rule] = {
    "letters": _rule(
        "letters, digits and apostrophes, also at the edges of a word; every other sign is a word",
        f"(?:{_APOSTROPHE}+(?={_A}))?{_word(f'{_APOSTROPHE}+')}(?:{_APOSTROPHE}+{_M})?",
    ),
    "words": _rule(
        "numbers, links, @names, #tags, initials and emoticons are kept, and apostrophes inside words",
        *_KEPT,
        _word(_APART),
    ),
    "words-split-clitics": _rule(
        "as words, but English n't, 's, 'm, 'd, 're, 've and 'll are words",
        *_KEPT,
        _CLITIC,
        f"(?=(?>{_BODY})['\u2019]){_BODY}(?={_CLITIC})",  # the first look spares words without an apostrophe
        _word(_APART),
    ),
    "words-keep-hyphens": _rule(
        "as words, and hyphens inside words and hanging from them are kept",
        *_KEPT,
        _HYPHENATED,
    ),
    "words-keep-dots": _rule(
        "as words-keep-hyphens, and the dot of an initial, or of a short word or number if the sentence goes on",
        *_KEPT,
        _DOTTED,
        _HYPHENATED,
    ),
    "spaces": Rule("white space alone divides words", r"\S+"),
}
"""The rules by name, those that divide most first."""


def segment(text: str, rule: str) -> list[Span]:
    """Find the words of a text.

    Args:
        text: Any text; it is not changed or normalised.
        rule: One of ``RULES``.

    Returns:
        Start and end of each word in code points, in order; every character but white space is in one of them.

    Raises:
        SettingsError: There is no rule of that name.
    """
    return [match.span() for match in _pattern(rule).finditer(text)]


@cache
def _pattern(rule: str) -> re.Pattern[str]:
    if rule not in RULES:
        raise SettingsError(unknown("segmentation rule", rule, RULES))
    return re.compile(RULES[rule].expression)


_ONE = re.compile(f"[{_SINGLE}]")
_SPACE = re.compile(r"\s*")
_GAP = re.compile(f"[\\s{_MARKS}]*")


def join(words: Sequence[str]) -> str:
    """Write words as one text: with single spaces, but none between two single Chinese or Japanese characters."""
    single = [_ONE.fullmatch(word) is not None for word in words]
    spaces = ["" if left and right else " " for left, right in pairwise(single)]
    return "".join(chain.from_iterable(zip(words, [*spaces, ""], strict=False)))


def locate(words: Sequence[str], text: str) -> list[Span] | None:
    """Find known words in the text that they were taken from.

    A space inside a word stands for any white space of the text. Between two words there may be white space and
    invisible format characters, nothing else: otherwise a word that is not there would be found somewhere later.

    Returns:
        Start and end of each word in code points, in order; ``None`` if these are not the words of the text.
    """
    spans: list[Span] = []
    position = 0
    for word in words:
        span = _at(word, text, _end(_SPACE, text, position)) or _at(word, text, _end(_GAP, text, position))
        if span is None:
            return None
        spans.append(span)
        position = span[1]
    return spans


def _at(word: str, text: str, start: int) -> Span | None:
    """Find a word right here; an empty one is anywhere."""
    parts = word.split()
    if len(parts) < 2:
        whole = "".join(parts)
        return (start, start + len(whole)) if text.startswith(whole, start) else None
    match = re.compile(r"\s+".join(map(re.escape, parts))).match(text, start)
    return match.span() if match else None


def _end(gap: re.Pattern[str], text: str, position: int) -> int:
    """Return where a gap ends; it may be empty."""
    match = gap.match(text, position)
    return match.end() if match else position
