"""The joint run of a measure: one model trained on all languages, watched on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import nn

from gradsim_offline.similarity.measure import MeasureContext
from gradsim_offline.training.batching import Row
from gradsim_offline.training.fine_tune import fine_tune
from gradsim_offline.training.loop import Observer

Watcher = TypeVar("Watcher", bound=Observer)


def train_jointly(context: MeasureContext, observe: Callable[[nn.Module, Sequence[Row]], Watcher]) -> Watcher:
    """Train on all languages with the measuring schedule; leave the model in the context's directory.

    Args:
        context: What the measure was given.
        observe: Makes the observer of the backward passes from the model and the training rows.

    Returns:
        That observer, after the last epoch.
    """
    observers: list[Watcher] = []

    def keep(model: nn.Module, rows: Sequence[Row]) -> Watcher:
        observers.append(observe(model, rows))
        return observers[-1]

    fine_tune(
        context.dataset,
        context.dataset.languages,
        context.dataset.languages,
        context.directory,
        context=context.training,
        settings=context.measuring,
        fraction=context.measuring.fraction,
        observe=keep,
    )
    return observers[0]
