"""The stability of S: over epochs, over halves of the data, and bootstrap intervals of its entries.

What is said of S is said of the S that was used: the mean over some epochs, or over all (``Measured.counted``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from gradsim_offline.core.bootstrap import drawn_means, interval
from gradsim_offline.similarity.correlations import Correlation, correlate, pairs
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.products import halves_of, of_half, own_cosines, to_cosines
from gradsim_offline.similarity.reliability import Reliability, between_halves, spearman_brown
from gradsim_shared.errors import DataError

Matrix = NDArray[np.float64]
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Halves:
    """S measured twice in one training, each time from one half of every language's examples.

    Attributes:
        matrices: ``[2 halves, epochs of S, N, N]``.
        own: Cosine of each language's gradients of the two halves, ``[all epochs, N]``.
        tested: Whether S repeats between the halves, tested against chance.
        agreement: Of the two halves' S, each the mean over the epochs of S.
        by_epoch: The same of each epoch's S, for all epochs.
        rows: The same of each language's row of S, Pearson's r; ``None`` where it is undefined.
        reliability: Of the S from all examples, by Spearman and Brown: 2 r / (1 + r). ``None``: r is undefined or
            not above -1.
        noise: Standard deviation of an entry of S that comes from the choice of examples: half the root mean square
            of the difference of the halves.
    """

    matrices: Matrix
    own: Matrix
    tested: Reliability | None
    agreement: Correlation
    by_epoch: tuple[Correlation, ...]
    rows: tuple[float | None, ...]
    reliability: float | None
    noise: float


@dataclass(frozen=True)
class Interval:
    """Bootstrap intervals of the entries of S.

    Attributes:
        lower: ``[N, N]``.
        upper: ``[N, N]``.
        drawn_from: How many matrices were drawn from, with replacement.
        width: Mean width over pairs of different languages.
        clear: Share of these pairs whose interval leaves 0 out.
    """

    lower: Matrix
    upper: Matrix
    drawn_from: int
    width: float
    clear: float


def over_epochs(measured: Measured) -> tuple[Correlation, ...]:
    """Correlate every epoch's S with the final one, the mean of some or all; none when nothing was kept per epoch."""
    return tuple(correlate(matrix, measured.matrix) for matrix in measured.epochs)


def over_halves(gradients: Path, measured: Measured) -> Halves | None:
    """Measure S from each half of the data, out of the products of gradients that the measure kept.

    Args:
        gradients: ``gradients.safetensors``: ``<layer>.<epoch>``, ``[2 halves, languages, 2 halves, languages]``.
        measured: The similarity that came from them; its first layer counts.

    Returns:
        ``None`` if there are none for its first layer.

    Raises:
        DataError: The file cannot be read, or is about other languages.
    """
    try:
        kept = load_file(gradients)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{gradients} cannot be read: {error}; measure again") from error
    layer = next(iter(measured.layers), "")
    epochs = [kept[key] for epoch in range(len(kept)) if (key := f"{layer}.{epoch}") in kept]
    if not epochs:
        return None
    halves = (2, len(measured.languages))
    if any(tuple(products.shape) != halves + halves for products in epochs):
        raise DataError(f"{gradients} is not about the {len(measured.languages)} languages beside it; measure again")
    every = np.array([[to_cosines(of_half(epoch, half)) for epoch in epochs] for half in range(2)])
    matrices = every[:, measured.counted]
    first, second = matrices.mean(axis=1)
    agreement = correlate(first, second)
    differences = pairs(first, ordered=False) - pairs(second, ordered=False)
    return Halves(
        matrices,
        np.array([own_cosines(epoch) for epoch in epochs]),
        between_halves(*halves_of(epochs[measured.counted])),
        agreement,
        tuple(correlate(*of_epoch) for of_epoch in zip(*every, strict=True)),
        tuple(_row_agreement(first, second, i) for i in range(len(first))),
        spearman_brown(agreement.pearson),
        float(np.sqrt(np.mean(differences**2)) / 2),
    )


def _row_agreement(first: Matrix, second: Matrix, row: int) -> float | None:
    """Return Pearson's r of two matrices' rows, without the diagonal."""
    x, y = (np.delete(matrix[row], row) for matrix in (first, second))
    x, y = x - x.mean(), y - y.mean()
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / scale) if scale > _ROUNDING else None


def bootstrap(matrices: Matrix, *, draws: int, seed: int) -> Interval:
    """Draw matrices with replacement and return the 95 % interval of their mean, entry by entry.

    It tells how an entry varies over what was drawn from (epochs and halves of one run's data), not over other texts
    or seeds; a half's similarities lie nearer to 0 than those of all examples, because they hold more noise.

    Args:
        matrices: ``[M, N, N]``.
        draws: How often.
        seed: Draws them.
    """
    lower, upper = interval(drawn_means(matrices, draws, np.random.default_rng(seed)))
    low, high = pairs(lower, ordered=True), pairs(upper, ordered=True)
    return Interval(lower, upper, len(matrices), float((high - low).mean()), float(((low > 0) | (high < 0)).mean()))
