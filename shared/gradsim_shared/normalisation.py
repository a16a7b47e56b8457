"""Text normalisation: single spaces, and none of the characters that people do not see.

The same for training, identifying and serving. What is taken out, what stays and why: docs/design/normalisation.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

NEWEST = 1
"""The version that new models and identifiers are trained with; 0: texts are read as they were sent."""

Span = tuple[int, int]
"""Start and end, in code points."""

# Insides of character classes.
PICTURES = (  # what emoji are made of, skin tones too
    "\u2190-\u21ff\u2300-\u23ff\u2600-\u2775\u2794-\u27bf\u2b00-\u2bff\U0001f000-\U0001f1e5\U0001f200-\U0001faff"
)
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # choose how the character before them is drawn
_UNSEEN = f"\u034f\u17b4\u17b5{_SELECTORS}"  # marks that Python counts as printable
_MARKS = (  # controls but white space, format characters without meaning, what Unicode keeps free for more of them
    f"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    f"\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e0fff{_UNSEEN}"
)
_BLANKS = "\u2800\u3164\uffa0"  # braille and Hangul: characters without ink
_JOINERS = "\u200c\u200d"
_TAGS = "\U000e0000-\U000e007f"
_JOINER = re.compile(f"[{_JOINERS}]+")
_PICTURE = re.compile(f"[{PICTURES}]")
_SELECTED = re.compile(f"[{_SELECTORS}]*")
_PERHAPS = re.compile(f"[{_UNSEEN}{_BLANKS}\u1361]")  # what a printable text may hold to be taken out
_INVISIBLE = re.compile(f"[{_MARKS}]+")
_RARE = re.compile(f"[{_JOINERS}{_TAGS}]")
_TAG = re.compile(f"(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{{3,6}}\U000e007f)|[{_TAGS}]+")  # flags stay
_BLANK = re.compile(f"[{_BLANKS}]|(?<!\u1361)\u1361(?!\u1361)")  # two Ethiopic word spaces are a full stop

_JOINING = (  # blocks of scripts whose letters change their form beside others, from Arabic to Adlam
    *((0x0600, 0x0E00), (0x0F00, 0x10A0), (0x1700, 0x1C50), (0xA800, 0xAB00), (0xABC0, 0xAC00)),
    *((0x10A00, 0x12000), (0x1E900, 0x1E960)),
)
_VIRAMA = 9  # its canonical combining class


def normalise(text: str, version: int = NEWEST) -> str:
    """Return ``text`` without the marks that people do not see, its white space as single spaces, none at its ends.

    Args:
        text: Any text.
        version: Of the normalisation, as a bundle names it; 0 changes nothing.
    """
    if not version:
        return text
    single = text.isprintable() and "  " not in text and text == text.strip()
    if single and (text.isascii() or not _PERHAPS.search(text)):  # nearly every text: there is nothing to do
        return text
    return " ".join(_visible(text).split())


def original_positions(text: str) -> list[int]:
    """Return where each code point of ``normalise(text)`` stands in ``text``: of white space, where it begins."""
    visible = _visible(text)
    before = _align(visible, text)
    return [before[place] for place in _align(" ".join(visible.split()), visible)]


def original_spans(spans: Iterable[Span], text: str, version: int = NEWEST) -> list[Span]:
    """Return where spans of ``normalise(text, version)``, none of them empty, are in ``text``.

    They begin and end at visible characters; a character keeps the variation selectors behind it.
    """
    if normalise(text, version) == text:
        return list(spans)
    where = original_positions(text)
    return [(where[start], _end_with_selectors(where[end - 1], text)) for start, end in spans]


def trimmed(span: Span, text: str) -> Span:
    """Return a span without the unseen marks at its ends; one of nothing else stays as it is."""
    inside = text[span[0] : span[1]]
    if normalise(inside) == inside or not (where := _align(_visible(inside), inside)):
        return span
    return span[0] + where[0], span[1] - len(inside) + _end_with_selectors(where[-1], inside)


def _end_with_selectors(place: int, text: str) -> int:
    """Return where a character ends with the variation selectors behind it."""
    selectors = _SELECTED.match(text, place + 1)
    return selectors.end() if selectors else place + 1


def _visible(text: str) -> str:
    """Take out the marks, and put a space for each character without ink."""
    text = _INVISIBLE.sub("", text)
    if _RARE.search(text):
        text = _JOINER.sub(_meaningful, _TAG.sub(r"\1", text))
    return _BLANK.sub(" ", text)


def _align(visible: str, text: str) -> list[int]:
    """Return where each code point of ``visible`` is in ``text``, of which some were taken out or became spaces."""
    positions, place = [], 0
    for character in visible:
        while text[place] != character and not (
            character == " " and (text[place].isspace() or _BLANK.match(text[place]))
        ):
            place += 1
        positions.append(place)
        place += 1
    return positions


def _meaningful(run: re.Match[str]) -> str:
    """Return the first of a run of joiners if it changes what people see, else nothing."""
    before, joiner, after = run.string[run.start() - 1 : run.start()], run[0][0], run.string[run.end() : run.end() + 1]
    if _joins(before) and _joins(after):
        return joiner
    half = before and unicodedata.combining(before) == _VIRAMA  # half forms, and chillus of Malayalam: at ends, too
    if joiner == _JOINERS[1] and (half or (_PICTURE.match(before) and _PICTURE.match(after))):
        return joiner
    return ""


def _joins(character: str) -> bool:
    """Whether this is a letter or mark of a script whose letters change their form; the ends of a text are not."""
    if not character or unicodedata.category(character)[0] not in "LM":
        return False
    return any(low <= ord(character) < high for low, high in _JOINING)
