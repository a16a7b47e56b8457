"""Quote what users wrote, in messages of one line: long values and long lists are cut."""

from __future__ import annotations

from collections.abc import Iterable

_VALUE = 80
_LIST = 400
_MESSAGE = 1000


def cut(text: str, most: int = _VALUE) -> str:
    """Return a text of at most ``most`` characters: of a longer one the beginning, and an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def quoted(value: object) -> str:
    """Return a value as Python writes it, cut; a string stands in quotation marks, on one line."""
    return repr(cut(value)) if isinstance(value, str) else cut(repr(value))


def listing(names: Iterable[str], most: int = _LIST) -> str:
    """Return names with commas between them; of a list longer than ``most`` characters the first, and how many more.

    Each name is cut, too. Without names it is ``none``.
    """
    shown: list[str] = []
    left_out = 0
    room = most
    for name in names:
        short = cut(name)
        room -= len(short) + 2
        if room < 0 and shown:
            left_out += 1
        else:
            shown.append(short)
    return ", ".join(shown or ["none"]) + (f" and {left_out} more" if left_out else "")


def one_line(message: str, most: int = _MESSAGE) -> str:
    """Return a message on one line; of a long one the beginning and the end, where it says what to do."""
    line = " ".join(message.splitlines())
    return line if len(line) <= most else f"{line[: most - most // 3]} … {line[-most // 3 :]}"
