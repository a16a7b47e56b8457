"""Inequalities that every group keeps and the relaxation may break: sizes, and triangles of languages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
_BROKEN = 1e-3  # triangles that are broken by less are left alone
_IDLE = 1e-7


@dataclass(frozen=True)
class Cuts:
    """Inequalities ``row . (g g') >= 0`` that hold for every group vector g of a size class.

    Attributes:
        rows: One inequality a row, over the entries of g g', ``[cuts, width^2]``, of length 1.
        transposed: ``rows`` the other way round.
        multipliers: Their multipliers, at least 0, ``[cuts]``.
        sizes: How many of them, from the first, are about sizes; these are never dropped.
        norm: The largest eigenvalue of rows times their transpose, at least.
        width: Entries of g.
    """

    rows: sparse.csr_matrix
    transposed: sparse.csr_matrix
    multipliers: Array
    sizes: int
    norm: float
    width: int

    def weighted_sum(self, multipliers: Array) -> Array:
        """Return the inequalities, times their multipliers, summed up: ``[width, width]``."""
        return np.asarray(self.transposed @ multipliers).reshape(self.width, self.width)

    def stepped(self, multipliers: Array, left: Array) -> Array:
        """Return the multipliers after one projected step; ``left`` is what is not accounted for yet."""
        return np.maximum(0.0, multipliers + (self.rows @ left.ravel()) / self.norm)

    def with_multipliers(self, multipliers: Array) -> Cuts:
        """Return the same inequalities with other multipliers."""
        return replace(self, multipliers=multipliers)

    def joined(self, other: Cuts) -> Cuts:
        """Return these without the idle ones, and others."""
        keep = (np.arange(len(self.multipliers)) < self.sizes) | (self.multipliers > _IDLE)
        rows = sparse.vstack([self.rows[keep], other.rows]).tocsr()
        multipliers = np.concatenate([self.multipliers[keep], other.multipliers])
        return _cuts(rows, multipliers, self.sizes, self.width)

    def widened(self, count: int, sizes: Cuts) -> Cuts:
        """Return the size inequalities of wider vectors and these triangles, moved to the served part."""
        triangles = self.rows[self.sizes :].tocoo()
        row, column = np.divmod(triangles.col, count)
        moved = sparse.csr_matrix(
            (triangles.data, (triangles.row, row * sizes.width + column)), shape=(triangles.shape[0], sizes.width**2)
        )
        rows = sparse.vstack([sizes.rows, moved]).tocsr()
        multipliers = np.concatenate([sizes.multipliers, self.multipliers[self.sizes :]])
        return _cuts(rows, multipliers, sizes.sizes, sizes.width)


def size_cuts(count: int, width: int, low: int, high: int) -> Cuts:
    """Every member of a group of ``low`` to ``high`` members has ``low - 1`` to ``high - 1`` partners."""
    language = np.arange(width) % count
    member, partner = np.nonzero(language[:, None] != language[None, :])
    diagonal = np.arange(width)
    parts = []
    for partners, sign in ((low - 1, 1.0), (high - 1, -1.0)):
        data = np.concatenate([np.full(2 * len(member), sign / 2), np.full(width, -sign * partners)])
        where = np.concatenate([member * width + partner, partner * width + member, diagonal * width + diagonal])
        parts.append(sparse.csr_matrix((data, (np.concatenate([member, member, diagonal]), where)), (width, width**2)))
    rows = sparse.vstack(parts).tocsr()
    return _cuts(_of_length_one(rows), np.zeros(2 * width), 2 * width, width)


def triangle_cuts(moments: Array, width: int, most: int) -> Cuts:
    """Return the inequalities ``x_i - x_i x_j - x_i x_k + x_j x_k >= 0`` that ``moments`` breaks most.

    Args:
        moments: The served part of the relaxed groups, ``[N, N]``.
        width: Entries of a group vector, N or more.
        most: How many to return at most.
    """
    by_language = []
    for i, row in enumerate(moments):
        broken = np.triu(row[:, None] + row[None, :] - moments - row[i], 1)
        broken[i], broken[:, i] = 0.0, 0.0
        j, k = np.nonzero(broken > _BROKEN)
        by_language.append(np.stack([broken[j, k], np.full(len(j), i), j, k]))
    triangles = np.concatenate(by_language, axis=1)
    if not triangles.shape[1]:
        return _cuts(sparse.csr_matrix((0, width**2)), np.zeros(0), 0, width)
    order = np.argsort(-triangles[0], kind="stable")[:most]
    i, j, k = triangles[1:, order].astype(np.int64)
    pairs = [(i, i, 1.0), (i, j, -0.5), (j, i, -0.5), (i, k, -0.5), (k, i, -0.5), (j, k, 0.5), (k, j, 0.5)]
    data = np.concatenate([np.full(len(i), value) for _, _, value in pairs])
    where = np.concatenate([row * width + column for row, column, _ in pairs])
    rows = sparse.csr_matrix((data, (np.tile(np.arange(len(i)), len(pairs)), where)), (len(i), width**2))
    return _cuts(_of_length_one(rows), np.zeros(len(i)), 0, width)


def _of_length_one(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(1.0 / lengths).dot(rows).tocsr()


def _cuts(rows: sparse.csr_matrix, multipliers: Array, sizes: int, width: int) -> Cuts:
    """Put cuts together and bound their norm by power iterations, with a margin."""
    transposed = rows.T.tocsr()
    vector, norm = np.random.default_rng(0).random(rows.shape[0]), 1.0
    for _ in range(15 if rows.shape[0] else 0):
        vector = rows @ (transposed @ (vector / np.linalg.norm(vector)))
        norm = max(float(np.linalg.norm(vector)), 1e-12)
    return Cuts(rows, transposed, multipliers, sizes, 1.1 * norm, width)
