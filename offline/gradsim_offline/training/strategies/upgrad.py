"""Each language's gradient, moved as little as leaves no language harmed (UPGrad, Quinton & Rey 2024)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor
from torchjd.aggregation import UPGradWeighting
from torchjd.linalg import DualConeProjector, PSDMatrix

from gradsim_offline.training.strategy import Strategy, StrategyContext, TrainingStrategy
from gradsim_offline.training.torchjd_strategies import ByLanguage

_RIDGE = 1e-4  # of the trace; torchjd's


def make(context: StrategyContext) -> Strategy:
    """Return UPGrad of Jacobian Descent for Multi-Objective Optimization, as torchjd has it, with our projector."""
    weighting = UPGradWeighting(projector=LeastSquaresProjector())
    return ByLanguage(context, lambda gramian, _: weighting(gramian))


class LeastSquaresProjector(DualConeProjector):
    """Solves torchjd's quadratic programme with SciPy: its default solver, quadprog, has another licence than ours.

    ``min v' G v`` with ``v >= u`` is, with ``v = u + s`` and ``G = L L'``, the non-negative least squares problem
    ``min |L' s + L' u|`` with ``s >= 0``.
    """

    def __call__(self, U: Tensor, G: PSDMatrix) -> Tensor:  # noqa: N803 - torchjd's names
        """Return the weights of each projection.

        Args:
            U: Weights of the vectors to project, ``[..., m]``.
            G: Inner products, ``[m, m]``.
        """
        products = G.detach().cpu().double().numpy()
        trace = products.trace()
        if trace == 0:
            return U
        lower = np.linalg.cholesky(products / trace + _RIDGE * np.eye(len(products)))
        starts = U.detach().cpu().double().reshape(-1, len(products)).numpy()
        weights = np.stack([start + nnls(lower.T, -lower.T @ start)[0] for start in starts])
        return torch.from_numpy(weights).to(U).reshape(U.shape)


PLUGIN = TrainingStrategy(make)
