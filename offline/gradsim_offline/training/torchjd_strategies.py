"""Strategies that weigh one gradient per language of the batch, with the weights of torchjd's aggregators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor, nn

from gradsim_offline.training.gradient_lists import ConflictCounts, combine, gramian, put, take
from gradsim_offline.training.strategies.mixed import backward
from gradsim_offline.training.strategy import Batch, StrategyContext
from gradsim_shared.errors import SettingsError

Weigh = Callable[[Tensor, Sequence[int]], Tensor]
"""From inner products ``[m, m]`` and the m languages to the weight of each language's gradient, ``[m]``."""

_ORDER_WORD = 19  # keeps the random stream of the aggregators apart from the others


class ByLanguage:
    """One gradient for each language in the batch, of the mean loss over its texts (its words), weighed and summed.

    The languages' texts go through the model one language after the other, so that all gradients together cost one
    pass over the batch. Weights follow from the gradients' inner products alone. A batch of one language is trained on
    as it is. The loss that is returned is that of the whole batch, as in plain training.

    Memory: one gradient of the whole model per language in the batch.

    Args:
        context: What strategies are made from.
        weigh: Gives the weights. Inner products are scaled to a mean square of 1: aggregators take very short
            gradients for zero. What it draws with torch on the CPU depends on seed, epoch and step only.
        kept: Tensors of ``weigh`` that a checkpoint must keep, by name; they are changed in place.
    """

    def __init__(self, context: StrategyContext, weigh: Weigh, kept: dict[str, Tensor] | None = None) -> None:
        self._language = torch.tensor([row.language for row in context.rows])
        self._units = torch.tensor([row.units for row in context.rows])
        self._weigh, self._seed, self._kept, self._conflicts = weigh, context.seed, kept or {}, ConflictCounts()

    def backward(self, model: nn.Module, batch: Batch, indices: Sequence[int], epoch: int, step: int) -> Tensor:
        """Leave the weighted sum of the languages' gradients in ``.grad``; return the loss of the batch."""
        chosen = torch.tensor(indices)
        of_row, units = self._language[chosen], self._units[chosen]  # [batch]
        languages: list[int] = of_row.unique().tolist()
        if len(languages) == 1:
            return backward(model, batch)
        losses, gradients = [], []
        for language in languages:
            rows = (of_row == language).nonzero()[:, 0]
            share = units[rows].sum() / units.sum()
            losses.append(backward(model, _part(batch, rows)).detach() * share.item())
            gradients.append(take(model))
        products = gramian(gradients)
        self._conflicts.add(products)
        put(model, combine(gradients, self._weights(products, languages, epoch, step)))
        return torch.stack(losses).sum()

    def _weights(self, products: Tensor, languages: Sequence[int], epoch: int, step: int) -> list[float]:
        """Return the weight of each language's gradient."""
        scaled = products.cpu() / products.diagonal().mean().clamp(min=1e-300).cpu()
        with torch.random.fork_rng([]):
            order = np.random.default_rng([self._seed, epoch, step, _ORDER_WORD])
            torch.default_generator.manual_seed(int(order.integers(2**31)))
            weights: list[float] = self._weigh(scaled.float(), languages).tolist()
        return weights

    def end_epoch(self) -> dict[str, float]:
        """Return how many pairs of languages were compared, how many were in conflict, and their mean cosine."""
        return self._conflicts.end_epoch()

    def state(self) -> dict[str, Tensor]:
        """Return the counts of the running epoch, and what the aggregator remembers."""
        return {**self._conflicts.state(), **{name: tensor.clone() for name, tensor in self._kept.items()}}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint kept."""
        self._conflicts.restore(state)
        for name, tensor in self._kept.items():
            tensor.copy_(state[name])


def _part(batch: Batch, rows: Tensor) -> Batch:
    """Return some rows of a batch, without the columns in which all of them are padding."""
    part = {name: tensor[rows.to(tensor.device)] for name, tensor in batch.items()}
    width = int(part["attention_mask"].sum(dim=1).max())
    padded = batch["attention_mask"].shape[1]
    return {
        name: tensor[:, :width].contiguous() if tensor.ndim > 1 and tensor.shape[1] == padded else tensor
        for name, tensor in part.items()
    }


def require(strategy: str, packages: Sequence[str], command: str) -> None:
    """Check that the packages of an aggregator are installed.

    Raises:
        SettingsError: One is not; the message names the command that installs it.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise SettingsError(f"strategy {strategy} needs {' and '.join(missing)}, not installed here: {command}")
