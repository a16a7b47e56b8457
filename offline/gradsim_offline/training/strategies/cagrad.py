"""The step that helps the worst-off language most, near the mean gradient (CAGrad, Liu et al. 2021)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from gradsim_offline.core.section import Section
from gradsim_offline.training.strategy import Strategy, StrategyContext, TrainingStrategy
from gradsim_offline.training.torchjd_strategies import ByLanguage, require


class Options(Section):
    """Settings of the strategy."""

    c: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.5, description="how far the step may be from the mean gradient, as a share of its length; 0: the mean"
    )

    @model_validator(mode="after")
    def _installed(self) -> Options:
        require("cagrad", ["cvxpy", "clarabel"], 'pip install "torchjd[cagrad]"')
        return self


def make(context: StrategyContext) -> Strategy:
    """Return Algorithm 1 of Conflict-Averse Gradient Descent (NeurIPS 2021), as torchjd has it."""
    from torchjd.aggregation import CAGradWeighting

    weighting = CAGradWeighting(c=context.options.c)
    return ByLanguage(context, lambda gramian, _: weighting(gramian))


PLUGIN = TrainingStrategy(make, options=Options)
