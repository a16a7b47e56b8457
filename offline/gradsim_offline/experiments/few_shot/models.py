"""The models of a seed: each is one training with one list of languages that it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradsim_offline.experiments.few_shot.plan import Plan
from gradsim_offline.experiments.few_shot.regimes import ZERO_SHOT, Regime

SOURCE = "source"  # the model that zero-shot is, and that the regimes of two steps go on from


@dataclass(frozen=True)
class Model:
    """One training.

    Attributes:
        regime: How it is trained.
        shots: K; 0: none.
        targets: The languages whose shots it trains on.
        answers: The languages whose texts it is asked.
    """

    regime: Regime
    shots: int
    targets: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its folder."""
        if self.regime is ZERO_SHOT:
            return SOURCE
        return f"{self.regime.name}-{self.shots}" + (f"-{self.targets[0]}" if self.regime.apart else "")


def source_model(plan: Plan) -> Model:
    """Return the model that is trained on the source alone."""
    return Model(ZERO_SHOT, 0, (), plan.languages)


def models_of(plan: Plan, regime: Regime, shots: int) -> tuple[Model, ...]:
    """Return the models of a regime at a K: one, or one per target.

    With a model per target, the source is answered by its own model, the one that all of them went on from.
    """
    if regime is ZERO_SHOT:
        return (source_model(plan),)
    if regime.apart:
        return (source_model(plan), *(Model(regime, shots, (code,), (code,)) for code in plan.targets))
    return (Model(regime, shots, plan.targets, plan.languages),)


def all_models(plan: Plan) -> Iterator[Model]:
    """Yield every model of a seed once, the source model first."""
    found = {m.name: m for k in plan.shots for regime in plan.regimes for m in models_of(plan, regime, k)}
    yield from found.values()
