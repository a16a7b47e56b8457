"""Inner products of the languages' gradients, halves apart: all that cosines need, and of no size to speak of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIMENSIONS = 4  # of products: halves and languages, twice; gradients themselves have three
_AT_ONCE = 1 << 14  # parameters that are held in float64 at a time

Matrix = NDArray[np.float64]


def products(halves: Tensor) -> Tensor:
    """Return the inner product of every two gradients, ``[2, languages, 2, languages]``, float64.

    Args:
        halves: The mean gradients of both halves, ``[2, languages, parameters]``.
    """
    rows = halves.flatten(0, 1)
    found = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for part in rows.split(_AT_ONCE, dim=1):
        wide = part.double()
        found += wide @ wide.T
    return found.view(*halves.shape[:2], *halves.shape[:2])


def of_wholes(found: Tensor, shares: Tensor) -> Tensor:
    """Return the products of whole gradients, ``[languages, languages]``; each is the mean of its halves.

    Args:
        found: Of the halves, as ``products`` returns them.
        shares: Share of each language's examples (words) that is in each half, ``[2, languages]``.
    """
    weights = shares.double()
    return torch.einsum("ai,aibj,bj->ij", weights, found, weights)


def of_half(found: Tensor, half: int) -> Tensor:
    """Return the products of the gradients of one half, ``[languages, languages]``."""
    return found[half, :, half]


def to_cosines(found: Tensor) -> Matrix:
    """Return cosines from products, ``[N, N]``; a gradient of zeros has the cosine 0 with everything."""
    lengths = found.diagonal().clamp(min=0).sqrt()
    similarity: Matrix = (found / torch.outer(lengths, lengths).clamp(min=1e-300)).clamp(-1, 1).numpy()
    return similarity


def own_cosines(found: Tensor) -> Matrix:
    """Return each language's cosine between its two halves, ``[N]``."""
    halves = torch.stack([of_half(found, half).diagonal() for half in range(2)])  # squared lengths, [2, N]
    between = found[0, :, 1].diagonal()
    similarity: Matrix = (between / halves.prod(0).sqrt().clamp(min=1e-300)).clamp(-1, 1).numpy()
    return similarity
