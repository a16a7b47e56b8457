"""Weigh a model and a linear model over n-grams against each other, so that their summed logits answer best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Blend:
    """What the logits of a model, and of the one over n-grams beside it, are multiplied with before they are summed."""

    model: float
    wide: float

    def of(self, model: Matrix, wide: Matrix) -> Matrix:
        """Return the summed logits, ``[texts, labels]``."""
        return self.model * model + self.wide * wide


def fit_blend(model: Matrix, wide: Matrix, gold: NDArray[np.int64]) -> Blend:
    """Return the two weights, neither below 0, of the smallest cross entropy.

    Args:
        model: Logits of texts that neither was trained on, ``[texts, labels]``.
        wide: The other's.
        gold: Index of each text's label, ``[texts]``.
    """

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_chances = log_softmax(weights[0] * model + weights[1] * wide, axis=1)
        chances = np.exp(log_chances)
        rows = np.arange(len(gold))
        slopes = [((chances * each).sum(axis=1) - each[rows, gold]).mean() for each in (model, wide)]
        return float(-log_chances[rows, gold].mean()), np.array(slopes)

    fitted = minimize(loss, np.array([0.5, 0.5]), jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None)])
    return Blend(*(float(weight) for weight in fitted.x))


def cross_fitted(model: Matrix, wide: Matrix, gold: NDArray[np.int64], sides: NDArray[np.int64]) -> Matrix:
    """Return summed logits of each half of the texts by the weights of the other half, ``[texts, labels]``.

    Args:
        model: As for ``fit_blend``.
        wide: As for ``fit_blend``.
        gold: As for ``fit_blend``.
        sides: Half of each text, 0 or 1; where one is empty, all texts have the weights of all.
    """
    if len(np.unique(sides)) < 2:
        return fit_blend(model, wide, gold).of(model, wide)
    summed = np.empty_like(model)
    for side in (0, 1):
        here, there = sides == side, sides != side
        summed[here] = fit_blend(model[there], wide[there], gold[there]).of(model[here], wide[here])
    return summed
