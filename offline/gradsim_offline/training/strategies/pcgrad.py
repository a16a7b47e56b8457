"""Each language's gradient, less what conflicts with the others' (PCGrad, Yu et al. 2020)."""

from __future__ import annotations

from gradsim_offline.training.strategy import Strategy, StrategyContext, TrainingStrategy
from gradsim_offline.training.torchjd_strategies import ByLanguage


def make(context: StrategyContext) -> Strategy:
    """Return Algorithm 1 of Gradient Surgery for Multi-Task Learning (NeurIPS 2020), as torchjd has it.

    Its sum over languages is divided by their number, so that rate and clipping mean what they do in plain training.
    """
    from torchjd.aggregation import PCGradWeighting

    weighting = PCGradWeighting()

    return ByLanguage(context, lambda gramian, languages: weighting(gramian) / len(languages))


PLUGIN = TrainingStrategy(make)
