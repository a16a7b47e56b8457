"""Split a sentence that a model cannot read at once into overlapping windows; each word is judged in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

OVERLAP = 0.25
"""Of a window's tokens, at least, stand in the next one, too."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of words that is read at once.

    Attributes:
        words: First word, and the one behind the last.
        judged: The words whose output here counts, likewise: those that are not nearer to the middle of a neighbour.
    """

    words: tuple[int, int]
    judged: tuple[int, int]


def windows(sizes: Sequence[int], room: int) -> list[Window]:
    """Return the windows of a sentence; every word is judged in exactly one.

    Args:
        sizes: Tokens of each word, ``room`` at most.
        room: Tokens that fit into a window.
    """
    ends = [0, *accumulate(sizes)]  # tokens before each word
    stretches: list[tuple[int, int]] = []
    first, last = 0, 0
    while last < len(sizes):
        while last < len(sizes) and ends[last + 1] - ends[first] <= room:
            last += 1
        stretches.append((first, last))
        if last < len(sizes):
            following = last
            while following > first + 1 and ends[last] - ends[following] < OVERLAP * room:
                following -= 1
            while ends[last + 1] - ends[following] > room:  # the next window must reach one word further
                following += 1
            first = following
    borders = [0, *((a[1] + b[0]) // 2 for a, b in pairwise(stretches)), len(sizes)]
    return [Window(words, (borders[i], borders[i + 1])) for i, words in enumerate(stretches)]
