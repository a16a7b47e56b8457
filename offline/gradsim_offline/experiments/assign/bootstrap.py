"""The bootstrap of a ranking: examples drawn with replacement, and in halves (Efron and Tibshirani 1993, ch. 6, 13).

All arrays are float64. Drawing again adds noise, which turns a gradient away from all others: cosines of draws lie
below the one of all examples. So a draw tells how far a cosine is spread, and which group wins, not where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def group_similarities(gradients: Array, known: Array, groups: Sequence[Sequence[int]]) -> Array:
    """Return the collective similarity of each gradient with each group: the mean cosine over its members.

    Args:
        gradients: ``[draws, parameters]``.
        known: Gradient of each known language, ``[languages, parameters]``.
        groups: The members of each, as rows of ``known``.

    Returns:
        ``[draws, groups]``.
    """
    cosines = _unit(gradients) @ _unit(known).T  # [draws, languages]
    return np.stack([cosines[:, list(members)].mean(axis=1) for members in groups], axis=1)


def wins(similarities: Array) -> Array:
    """Return the share of draws ``[draws, groups]`` in which each group is the most similar; ties are shared."""
    best = similarities >= similarities.max(axis=1, keepdims=True) - 1e-12
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def split_half(examples: Array, draws: int, random: np.random.Generator) -> float:
    """Return the cosine between the mean gradients of two random halves, mean over ``draws`` splits."""
    agreements = []
    for _ in range(draws):
        order = random.permutation(len(examples))
        first, second = (examples[half].mean(axis=0)[None] for half in np.array_split(order, 2))
        agreements.append(float((_unit(first) @ _unit(second).T)[0, 0]))
    return float(np.mean(agreements))


def _unit(vectors: Array) -> Array:
    """Scale rows to length 1; a row of zeros stays: its cosine with everything is 0."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-300))
