"""The known names nearest to one that is not known, for messages that ask "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gradsim_shared.excerpts import cut, listing, quoted


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """Return up to ``limit`` known names that look most like ``name``, nearest first."""
    names = sorted(set(known))
    by_lower = {candidate.lower(): candidate for candidate in names}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=limit, cutoff=0.5)
    return [by_lower[match] for match in matches]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Word the message for an unknown name: the nearest known ones, then all of them, unless they are many.

    Args:
        kind: What is named, as in ``"data set"``.
        name: The name that is not known.
        known: Every name that is.
    """
    names = sorted(set(known))
    guesses = nearest(name, names)
    meant = f" Did you mean {' or '.join(map(cut, guesses))}?" if guesses else ""
    return f"unknown {kind} {quoted(name)}.{meant} Known: {listing(names)}."
