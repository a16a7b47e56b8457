"""Refuse what is no text: the same for the Python API, lines of a file and requests."""

from __future__ import annotations

import unicodedata

from gradsim_shared.errors import RequestError
from gradsim_shared.excerpts import quoted

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
    if not isinstance(text, str):
        raise RequestError(f"text must be a string, not {quoted(text)}", code="invalid_text", index=index)
    if any("\ud800" <= character <= "\udfff" for character in text):
        message = "the text holds a lone surrogate, which is no character of Unicode"
        raise RequestError(message, code="invalid_text", index=index)
    if not is_visible(text):
        raise RequestError("the text is empty: it has no visible character", code="empty_text", index=index)
    return text
