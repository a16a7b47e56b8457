"""Refuse what is no text: the same for the Python API, lines of a file and requests."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from gradsim_shared.columns import QUESTION_COLUMNS
from gradsim_shared.errors import RequestError
from gradsim_shared.excerpts import quoted
from gradsim_shared.segments import Pair, Question, Sent

_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})  # not Cn: Python may not know the newest emoji yet


def is_visible(text: str) -> bool:
    """Say whether a text has more than spaces, control and format characters."""
    return any(unicodedata.category(character) not in _INVISIBLE for character in text)


def check_text(text: object, index: int | None = None) -> str:
    """Return a text that can be answered.

    Args:
        text: What was given.
        index: Of the text among those given.

    Raises:
        RequestError: ``invalid_text``: it is no string, or no Unicode; ``empty_text``: it has no visible character.
    """
    return checked(text, "the text", index)


def check_sent(text: object, index: int | None = None, *, kind: type[Sent]) -> Sent:
    """Return a text, a pair of texts, or a question, that can be answered.

    Args:
        text: What was given: a pair is a list or tuple of two strings, and so is a question with its context, or an
            object with both.
        index: Of the text among those given.
        kind: What the bundle answers: ``str``, ``Pair`` or ``Question``.

    Raises:
        RequestError: As of ``check_text``.
    """
    if kind is str:
        return check_text(text, index)
    if kind is Question:
        return _question(text, index)
    if not isinstance(text, list | tuple) or len(text) != 2:
        message = f"this bundle answers pairs: give two texts, (first, second), not {quoted(text)}"
        raise RequestError(message, code="invalid_text", index=index)
    return Pair(checked(text[0], "the first text", index), checked(text[1], "the second text", index))


def _question(text: object, index: int | None) -> Question:
    named = isinstance(text, Mapping) and text.keys() == set(QUESTION_COLUMNS)
    both = [text[name] for name in QUESTION_COLUMNS] if named and isinstance(text, Mapping) else text
    if not isinstance(both, list | tuple) or len(both) != 2:
        form = '{"question": "...", "context": "..."}'
        message = f"this bundle answers questions about a context: give {form}, or both as two, not {quoted(text)}"
        raise RequestError(message, code="invalid_text", index=index)
    return Question(*(checked(each, f"the {name}", index) for each, name in zip(both, QUESTION_COLUMNS, strict=True)))


def checked(text: object, what: str, index: int | None = None) -> str:
    """As ``check_text``; ``what`` names it in messages."""
    if not isinstance(text, str):
        raise RequestError(f"{what} must be a string, not {quoted(text)}", code="invalid_text", index=index)
    if any("\ud800" <= character <= "\udfff" for character in text):
        message = f"{what} holds a lone surrogate, which is no character of Unicode"
        raise RequestError(message, code="invalid_text", index=index)
    if not is_visible(text):
        raise RequestError(f"{what} is empty: it has no visible character", code="empty_text", index=index)
    return text
