"""Cosines of vectors and of gradients; of gradients the inner products are kept, halves apart: far fewer numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_AT_ONCE = 1 << 14  # parameters that are held in float64 at a time

Matrix = NDArray[np.float64]


def cosines(first: Tensor, second: Tensor) -> Matrix:
    """Return the cosine of every pair of rows, ``[N, N]``; a row of zeros has the cosine 0 with everything."""
    a, b = (
        vectors.double() / vectors.double().norm(dim=1, keepdim=True).clamp(min=1e-300) for vectors in (first, second)
    )
    similarity: Matrix = (a @ b.T).clamp(-1, 1).cpu().numpy()
    return similarity


def products(halves: Tensor) -> Tensor:
    """Return the inner product of every two gradients, ``[2, languages, 2, languages]``, float64.

    Args:
        halves: The mean gradients of both halves, ``[2, languages, parameters]``.
    """
    rows = halves.flatten(0, 1)
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for part in rows.split(_AT_ONCE, dim=1):
        wide = part.double()
        total += wide @ wide.T
    return total.view(*halves.shape[:2], *halves.shape[:2])


def of_wholes(inner: Tensor, shares: Tensor) -> Tensor:
    """Return the products of whole gradients, ``[languages, languages]``; each is the mean of its halves.

    Args:
        inner: Of the halves, as ``products`` returns them.
        shares: Share of each language's examples (words) that is in each half, ``[2, languages]``.
    """
    weights = shares.double()
    return torch.einsum("ai,aibj,bj->ij", weights, inner, weights)


def of_half(inner: Tensor, half: int) -> Tensor:
    """Return the products of the gradients of one half, ``[languages, languages]``."""
    return inner[half, :, half]


def to_cosines(inner: Tensor) -> Matrix:
    """Return cosines from products, ``[N, N]``; a gradient of zeros has the cosine 0 with everything."""
    lengths = inner.diagonal().clamp(min=0).sqrt()
    similarity: Matrix = (inner / torch.outer(lengths, lengths).clamp(min=1e-300)).clamp(-1, 1).numpy()
    return similarity


def halves_of(epochs: Sequence[Tensor]) -> tuple[list[Matrix], Matrix]:
    """Return S of either half, ``[N, N]`` each, and S across them (row in half 0, column in half 1): means over epochs.

    Args:
        epochs: Products of the halves' gradients, as ``products`` returns them.
    """
    within = [np.mean([to_cosines(of_half(epoch, half)) for epoch in epochs], axis=0) for half in range(2)]
    return within, np.mean([_across(epoch) for epoch in epochs], axis=0)


def _across(inner: Tensor) -> Matrix:
    count = inner.shape[1]
    every = to_cosines(inner.reshape(2 * count, 2 * count))
    return every[:count, count:]


def own_cosines(inner: Tensor) -> Matrix:
    """Return each language's cosine between its two halves, ``[N]``."""
    halves = torch.stack([of_half(inner, half).diagonal() for half in range(2)])  # squared lengths, [2, N]
    between = inner[0, :, 1].diagonal()
    similarity: Matrix = (between / halves.prod(0).sqrt().clamp(min=1e-300)).clamp(-1, 1).numpy()
    return similarity
