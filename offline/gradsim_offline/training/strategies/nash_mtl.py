"""The step on which the languages would agree as bargainers (Nash-MTL, Navon et al. 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from pydantic import Field, model_validator
from torch import Tensor

from gradsim_offline.core.section import Positive, Section
from gradsim_offline.training.strategy import Strategy, StrategyContext, TrainingStrategy
from gradsim_offline.training.torchjd_strategies import ByLanguage, require


class Options(Section):
    """Settings of the strategy."""

    iterations: Positive = Field(20, description="convex problems solved in a step, at most")

    @model_validator(mode="after")
    def _installed(self) -> Options:
        require("nash_mtl", ["cvxpy", "ecos"], 'pip install "torchjd[nash-mtl]"')
        return self


def make(context: StrategyContext) -> Strategy:
    """Return Algorithm 1 of Multi-Task Learning as a Bargaining Game (ICML 2022), as torchjd has it.

    Its sum over languages is divided by their number. Batches differ in their languages, so that the bargaining begins
    anew at each step, where the published code starts from the last weights; the length of the step is left to
    ``clip``.
    """
    from torchjd.aggregation import NashMTL

    def weigh(gramian: Tensor, languages: Sequence[int]) -> Tensor:
        count = len(languages)
        bargain = NashMTL(n_tasks=count, max_norm=0.0, update_weights_every=1, optim_niter=context.options.iterations)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are solving a parameterized problem that is not DPP")
            weights: Tensor = bargain.weighting(_root(gramian)) / count
        return weights

    return ByLanguage(context, weigh)


def _root(gramian: Tensor) -> Tensor:
    """Return vectors, ``[m, m]``, that have these inner products: their weights are those of the gradients."""
    values, vectors = torch.linalg.eigh(gramian.double())
    return (vectors * values.clamp(min=0).sqrt()).to(gramian.dtype)


PLUGIN = TrainingStrategy(make, options=Options)
