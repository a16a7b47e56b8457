"""Plain training: the gradient of the batch, whatever languages are in it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gradsim_offline.core.arithmetic import mixed_precision
from gradsim_offline.training.strategy import Batch, Strategy, StrategyContext, TrainingStrategy


def make(_context: StrategyContext) -> Strategy:
    """Return the strategy; it has no settings."""
    return Mixed()


class Mixed:
    """The gradient of the mean loss over the batch's texts (for tagging, over its judged words)."""

    def backward(self, model: nn.Module, batch: Batch, indices: Sequence[int], epoch: int, step: int) -> Tensor:  # noqa: ARG002
        """Leave the batch's gradient in ``.grad`` and return its loss."""
        return backward(model, batch)

    def end_epoch(self) -> dict[str, float]:
        """Return no figures."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Return no state."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore no state."""


def backward(model: nn.Module, batch: Batch) -> Tensor:
    """Add the gradient of one batch to ``.grad`` and return its loss."""
    with mixed_precision(model):
        loss: Tensor = model(**batch).loss
    loss.backward()
    return loss


PLUGIN = TrainingStrategy(make)
