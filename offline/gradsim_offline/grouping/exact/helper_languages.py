"""All choices of helpers that are nearly as good as the best, for a budget, where the best may cost too much."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def helper_sets(gains: NDArray[np.float64], number: int, loss: float) -> Iterator[list[int]]:
    """Yield every choice of ``number`` helpers whose summed gain is less than ``loss`` below the best choice's.

    Args:
        gains: Of each possible helper, ``[n]``.
        number: Helpers to take.
        loss: How much may be lost.
    """
    order = np.argsort(-gains, kind="stable")
    ordered = gains[order].tolist()
    if number > len(ordered):
        return
    stack: list[tuple[int, float, list[int]]] = [(0, loss, [])]  # next place, what may still be lost, places taken
    while stack:
        place, left, taken = stack.pop()
        missing = number - len(taken)
        if missing == 0:
            yield [int(order[i]) for i in taken]
            continue
        if place + missing > len(ordered):
            continue
        stack.append((place + 1, left, [*taken, place]))
        # Leaving this one out, the best choice of the rest ends one place later.
        if place + missing < len(ordered):
            lost = ordered[place] - ordered[place + missing]
            if lost < left:
                stack.append((place + 1, left - lost, taken))
