"""What a small group can be worth at most: counting, one language at a time; weak for large groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def small_group_prices(similarity: Array, prices: Array, largest: int) -> Array:
    """Return, for m = 2 to ``largest``, what a group of m members is worth beyond the prices of its served languages.

    A served language i gets the mean of m - 1 entries of its row, at most that of its highest ones. All served
    languages of a group share each of them, r say: so i's mean has ``S[i, r]`` in it, and at most m - 1 others are
    served beside r. The largest over r bounds every group.

    Args:
        similarity: S, ``[N, N]``.
        prices: What each language costs a group that serves it, ``[N]``.
        largest: The largest m, at most N.

    Returns:
        ``[largest - 1]``; not below the true values.
    """
    count = len(similarity)
    margins = np.where(np.eye(count, dtype=bool), -np.inf, similarity - prices[:, None])
    highest = np.cumsum(-np.sort(-margins, axis=1)[:, : largest - 1], axis=1)  # [N, m - 1]: sums of the highest
    highest = np.concatenate([np.zeros((count, 1)), highest], axis=1)
    found = np.empty(largest - 1)
    for members in range(2, largest + 1):
        partners = members - 1
        free = highest[:, partners] / partners  # [N]
        sharing = np.minimum(free[:, None], (highest[:, partners - 1, None] + margins) / partners)  # [i, r]
        beside = -np.partition(-np.maximum(sharing, 0.0), partners - 1, axis=0)[:partners].sum(axis=0)
        found[members - 2] = (free + beside).max()
    return found
