"""Languages' gradients, turned towards the cosine that they usually have (GradVac, Wang et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gradsim_offline.core.section import Section
from gradsim_offline.training.strategy import Strategy, StrategyContext, TrainingStrategy
from gradsim_offline.training.torchjd_strategies import ByLanguage


class Options(Section):
    """Settings of the strategy."""

    beta: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="weight of a step's cosine in the running mean of a pair of languages"
    )


def make(context: StrategyContext) -> Strategy:
    """Return Gradient Vaccine (ICLR 2021), as torchjd has it, over the whole model.

    Its sum over languages is divided by their number. torchjd keeps the running cosines by position and forgets them
    when the number of gradients changes; ours belong to pairs of languages, whichever a batch holds.
    """
    from torchjd.aggregation import GradVacWeighting

    weighting = GradVacWeighting(beta=context.options.beta)
    usual = torch.zeros(len(context.languages), len(context.languages))  # running cosines

    def weigh(gramian: Tensor, languages: Sequence[int]) -> Tensor:
        here = torch.tensor(languages)
        weighting._state_key = (len(languages), gramian.dtype)
        weighting.register_buffer("_phi_t", usual[here[:, None], here])
        weights: Tensor = weighting(gramian) / len(languages)
        usual[here[:, None], here] = weighting.get_buffer("_phi_t")
        return weights

    return ByLanguage(context, weigh, {"usual": usual})


PLUGIN = TrainingStrategy(make, options=Options)
