"""The protocol of training strategies, and the context that a strategy is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import AnyExample
from gradsim_offline.training.batching import Row

Batch = dict[str, Tensor]
LayOut = Callable[[Sequence[int], int, int], Batch]
"""From example indices, epoch and step to the model's arguments."""


class Strategy(Protocol):
    """Computes the gradient of each training step; the optimizer then steps along ``.grad``."""

    def backward(self, model: nn.Module, batch: Batch, indices: Sequence[int], epoch: int, step: int) -> Tensor:
        """Leave the gradient of this step in the parameters' ``.grad``, and return the loss of the batch.

        Args:
            model: The model in training; its gradients are empty.
            batch: Its arguments, on its device.
            indices: The training rows in the batch, in order.
            epoch: Counted from 0.
            step: Of this epoch, counted from 0.
        """

    def end_epoch(self) -> dict[str, float]:
        """Return the figures of the finished epoch, and start the next."""

    def state(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the state of a checkpoint."""


@dataclass(frozen=True)
class StrategyContext:
    """What a strategy is made from; most strategies use a part of it.

    Attributes:
        languages: All languages of the data set; a row's ``language`` is an index into it.
        examples: The training examples of each member.
        rows: The training rows, as the batches' indices mean them.
        encode: From a language and some of its examples to rows.
        lay_out: From rows to the function that makes batches of them.
        batch_size: Texts per training step.
        options: The strategy's own settings: an instance of its ``options``, ``None`` if it has none.
        seed: The build's seed.
    """

    languages: Sequence[str]
    examples: Mapping[str, Sequence[AnyExample]]
    rows: Sequence[Row]
    encode: Callable[[str, Sequence[AnyExample]], list[Row]]
    lay_out: Callable[[Sequence[Row]], LayOut]
    batch_size: int
    options: Any
    seed: int


def _nothing_to_check(_options: Any, _texts: Mapping[str, int]) -> None:  # noqa: ANN401 - each strategy's own
    """Accept all data."""


@dataclass(frozen=True)
class TrainingStrategy(plugins.Plugin):
    """A way to turn the languages' gradients into one step.

    Attributes:
        make: Makes the strategy of one training.
        check: Raises ``SettingsError`` before anything is trained if its options do not fit the data: it is given
            them, and how many training texts each language has.
    """

    make: Callable[[StrategyContext], Strategy]
    check: Callable[[Any, Mapping[str, int]], None] = _nothing_to_check


def load_strategy(name: str) -> TrainingStrategy:
    """Return the strategy of that name.

    Raises:
        SettingsError: There is none.
    """
    return plugins.load("strategies", name, TrainingStrategy)
