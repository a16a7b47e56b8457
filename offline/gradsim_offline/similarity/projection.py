"""A seeded random projection of weight gradients that never materialises a gradient: each side is folded.

A gradient ``G`` ``[out, in]`` becomes ``A G B^T`` ``[a, b]``: ``A`` and ``B`` put every coordinate, with a random sign,
into one of ``a`` or ``b`` buckets that all hold about the same number of coordinates (a count sketch of each side:
Charikar, Chen & Farach-Colton 2002; Weinberger et al. 2009). As ``G`` is a sum of outer products ``delta ⊗ x``, it is
enough to fold ``delta`` and ``x``.

Inner products are right on average, and for gradients ``G`` and ``H`` (docs/design/measuring.md has the proof)

    Var <A G B^T, A H B^T>  <=  ((1 + 2 p)(1 + 2 q) - 1) |G|^2 |H|^2,      p <= 1 / a,  q <= 1 / b

where ``p`` is the chance that two of the ``out`` coordinates share a bucket, ``q`` the same for ``in``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Fold:
    """Adds coordinates up in buckets, each with a sign.

    Attributes:
        matrix: One +1 or -1 in each row, ``[coordinates, buckets]``; so small that a dense product is fastest.
    """

    matrix: Tensor

    def __call__(self, x: Tensor) -> Tensor:  # [..., coordinates] -> [..., buckets]
        """Fold the last dimension; with as many buckets as coordinates it stays as it is."""
        return x if self.size == len(self.matrix) else x @ self.matrix.to(x.dtype)

    @property
    def size(self) -> int:
        """How many buckets there are."""
        return self.matrix.shape[1]

    @property
    def collision(self) -> float:
        """The chance that two coordinates share a bucket."""
        width = len(self.matrix)
        if self.size == width:
            return 0.0
        counts = self.matrix.abs().sum(0).double()
        return float((counts * (counts - 1)).sum()) / (width * (width - 1))


@dataclass(frozen=True)
class Projection:
    """Folds both sides of a linear layer's weight gradient."""

    output: Fold
    input: Fold

    @property
    def deviation(self) -> float:
        """Bound on the standard deviation of an inner product of two gradients, as a share of their norms' product."""
        return math.sqrt((1 + 2 * self.output.collision) * (1 + 2 * self.input.collision) - 1)


def make_projection(outputs: int, inputs: int, dims: int, *, seed: int, name: str, device: torch.device) -> Projection:
    """Draw the projection of a layer; the same for the same seed and name.

    Args:
        outputs: Of the layer.
        inputs: Of the layer.
        dims: How many numbers are kept of the weight gradient, at most; less than it has.
        seed: The build's seed.
        name: Of the layer: each has a projection of its own.
        device: Where the layer lies.
    """
    random = np.random.default_rng([seed, *name.encode()])
    a, b = _sizes(outputs, inputs, dims)
    return Projection(_draw(outputs, a, random, device), _draw(inputs, b, random, device))


def _sizes(outputs: int, inputs: int, dims: int) -> tuple[int, int]:
    """Return the sizes of both sides: the same, where neither side has fewer coordinates than that."""
    root = math.isqrt(dims)
    if outputs <= root:
        return outputs, min(inputs, dims // outputs)
    if inputs <= root:
        return min(outputs, dims // inputs), inputs
    return root, min(inputs, dims // root)


def _draw(width: int, size: int, random: np.random.Generator, device: torch.device) -> Fold:
    """Put ``width`` coordinates at random into ``size`` buckets that are as full as one another."""
    matrix = np.zeros((width, size), dtype=np.float32)
    matrix[random.permutation(width), np.arange(width) % size] = random.choice([-1.0, 1.0], width)
    return Fold(torch.from_numpy(matrix).to(device))
