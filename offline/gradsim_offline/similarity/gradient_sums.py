"""Sums of one linear layer's gradients by row (a half of a language's data), in the three ways that are cheapest.

- *Later*: layers that read one vector per example, as heads do. Pairs of ``delta`` and ``x`` are buffered and
  multiplied some thousand at a time; autograd's own gradient is not touched.
- *Instead*: layers that read a sequence. Their weight gradient is computed by row, added to the sums, and its total
  is what the optimizer gets: autograd need not compute it once more.
- *Folded*: with a projection, both sides are folded and then set aside.

docs/design/measuring.md has the reasons and the costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from gradsim_offline.similarity.projection import Projection

_SET_ASIDE = 1 << 20  # buffered numbers per layer: 4 MB
_LONGEST_WAIT = 4096  # buffered pairs: more would make the products no faster
_SMALL = 1 << 15  # weights up to which a product per example, all in one call, beats a call per row


@dataclass(frozen=True)
class Batch:
    """The rows of a batch's examples, ``[batch]``, on the CPU; and how many units its loss is a mean over."""

    rows: Tensor
    units: int

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def order(self) -> Tensor:
        """The examples sorted by row."""
        return self.rows.argsort(stable=True)

    @cached_property
    def present(self) -> tuple[list[int], list[int]]:
        """The rows that occur, and how often each does."""
        rows, counts = self.rows[self.order].unique_consecutive(return_counts=True)
        return rows.tolist(), counts.tolist()


class LayerSums:
    """The sums of a layer.

    Args:
        layer: The linear layer.
        rows: How many rows there are.
        projection: What the weight's gradient is folded with; ``None``: it is kept whole.
    """

    def __init__(self, layer: nn.Linear, rows: int, projection: Projection | None = None) -> None:
        self._projection = projection
        shape = (layer.in_features, layer.out_features)  # transposed: products of small layers come out faster
        if projection is not None:
            shape = (projection.input.size, projection.output.size)
        dtype = torch.float64 if layer.weight.dtype == torch.float64 else torch.float32
        device = layer.weight.device
        self._weights = torch.zeros(rows, *shape, dtype=dtype, device=device)
        self._biases = torch.zeros(rows, 0 if layer.bias is None else layer.out_features, dtype=dtype, device=device)
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []  # x [n, in], delta [n, out], rows [n]
        self._limit = min(_LONGEST_WAIT, _SET_ASIDE // sum(shape))

    def wants_all(self, positions: int) -> bool:
        """Return whether ``add_instead``, not ``add_later``, is to be used for that many positions per example."""
        return self._projection is None and positions > 1

    def add_later(self, source: Tensor, delta: Tensor, batch: Batch) -> None:
        """Set the pairs aside; autograd computes the layer's gradient for itself.

        Args:
            source: What the layer read, ``[batch, ..., in]``.
            delta: The gradient of the mean loss at its output, ``[batch, ..., out]``.
            batch: The examples' rows.
        """
        x, d = self._laid_out(source, batch), self._laid_out(delta, batch)
        positions = x.shape[1]
        self._add_biases(d.sum(1), batch)
        if self._projection is not None:
            x, d = self._projection.input(x), self._projection.output(d)
        rows = batch.rows.repeat_interleave(positions) if positions > 1 else batch.rows
        # copies: the buffer must not keep whole activations alive
        self._waiting.append((x.flatten(0, 1).clone(), d.flatten(0, 1) * batch.units, rows))
        if sum(len(rows) for *_, rows in self._waiting) >= self._limit:
            self._multiply()

    def add_instead(self, source: Tensor, delta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Add the products at once and return their total: the gradients of weight and bias.

        Args:
            source: What the layer read, ``[batch, ..., in]``.
            delta: The gradient of the mean loss at its output, ``[batch, ..., out]``.
            batch: The examples' rows.
        """
        x, d = self._laid_out(source, batch), self._laid_out(delta, batch)
        by_example = torch.bmm(d.new_ones(len(batch), 1, d.shape[1]), d)[:, 0]  # [batch, out]; faster than a sum
        self._add_biases(by_example, batch)
        small = self._weights[0].numel() <= _SMALL
        weight = self._add_by_example(x, d, batch) if small else self._add_by_row(x, d, batch)
        return weight, by_example.sum(0)

    def _laid_out(self, tensor: Tensor, batch: Batch) -> Tensor:  # [batch, positions, width]
        return tensor.detach().reshape(len(batch), -1, tensor.shape[-1]).to(self._weights.dtype)

    def _add_biases(self, by_example: Tensor, batch: Batch) -> None:
        if self._biases.shape[1]:
            self._biases.index_add_(0, batch.rows.to(by_example.device), by_example, alpha=batch.units)

    def _add_by_example(self, x: Tensor, d: Tensor, batch: Batch) -> Tensor:
        products = torch.bmm(x.transpose(1, 2), d)  # [batch, in, out]
        self._weights.index_add_(0, batch.rows.to(x.device), products, alpha=batch.units)
        # a product with ones adds the examples up in half the time of a sum
        return (products.new_ones(1, len(batch)) @ products.flatten(1)).view_as(products[0]).T

    def _add_by_row(self, x: Tensor, d: Tensor, batch: Batch) -> Tensor:
        positions, order = x.shape[1], batch.order.to(x.device)
        x, d = x.index_select(0, order).flatten(0, 1), d.index_select(0, order).flatten(0, 1)
        total = torch.zeros_like(self._weights[0])
        product = torch.empty_like(total)
        for row, x_of_row, d_of_row in _by_row(x, d, *batch.present, positions):
            torch.mm(x_of_row.T, d_of_row, out=product)
            self._weights[row].add_(product, alpha=batch.units)
            total.add_(product)
        return total.T

    def _multiply(self) -> None:
        """Multiply the buffered pairs and empty the buffer."""
        if not self._waiting:
            return
        x, d, rows = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = []
        waited = Batch(rows, len(rows))
        order = waited.order.to(x.device)
        x, d = x.index_select(0, order), d.index_select(0, order)
        for row, x_of_row, d_of_row in _by_row(x, d, *waited.present, 1):
            self._weights[row].addmm_(x_of_row.T, d_of_row)

    def vectors(self) -> Tensor:
        """Return the sums, ``[rows, parameters]``: ``[W | b]`` row by row; with a projection all of W, then b."""
        self._multiply()
        weights = self._weights.transpose(1, 2)  # [rows, out, in]
        if self._projection is not None:
            return torch.cat([weights.flatten(1), self._biases], dim=1)
        biases = self._biases[..., None] if self._biases.shape[1] else weights[..., :0]
        return torch.cat([weights, biases], dim=2).flatten(1)

    def state(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint, with the buffer as it is: a resumed training is the same, bit for bit."""
        state = {"weights": self._weights, "biases": self._biases}
        if self._waiting:
            x, d, rows = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
            state |= {"waiting.source": x, "waiting.delta": d, "waiting.rows": rows}
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of a checkpoint."""
        self._weights.copy_(state["weights"])
        self._biases.copy_(state["biases"])
        self._waiting = []
        if "waiting.rows" in state:
            x, d = (state[f"waiting.{key}"].to(self._weights) for key in ("source", "delta"))
            self._waiting = [(x, d, state["waiting.rows"].cpu())]


def _by_row(
    x: Tensor, d: Tensor, present: list[int], counts: list[int], positions: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield each row with its part of x and delta, which are sorted by row."""
    sizes = [count * positions for count in counts]
    yield from zip(present, x.split(sizes), d.split(sizes), strict=True)
