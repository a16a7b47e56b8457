"""The bootstrap: draw again with replacement, as many as there are, and see how a figure is spread (Efron, 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ENDS = (0.025, 0.975)  # shares of the draws below the ends of a 95 % interval

Array = NDArray[np.float64]


def times_drawn(count: int, draws: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each of ``count`` things is drawn, ``[draws, count]``; a row sums to ``count``.

    Args:
        count: How many there are.
        draws: How often they are drawn anew.
        random: Where chance comes from.
    """
    return random.multinomial(count, np.full(count, 1 / count), size=draws)


def drawn_means(values: Array, draws: int, random: np.random.Generator) -> Array:
    """Return the mean of values drawn with replacement, as many as there are, ``[draws, ...]``.

    Args:
        values: ``[count, ...]``.
        draws: How often.
        random: Where chance comes from.
    """
    count = len(values)
    means = times_drawn(count, draws, random) @ values.reshape(count, -1) / count
    return np.asarray(means.reshape(draws, *values.shape[1:]))


def interval(drawn: Array) -> tuple[Array, Array]:
    """Return the ends of the 95 % percentile interval of each figure, ``[...]``, from its draws, ``[draws, ...]``."""
    lower, upper = np.quantile(drawn, _ENDS, axis=0)
    return lower, upper
