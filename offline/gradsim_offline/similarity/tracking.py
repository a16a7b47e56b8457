"""Exact per-language gradients of linear layers from ONE backward pass over a mixed batch.

For a linear layer ``y = W x + b`` the weight gradient is a sum over examples of outer products ``delta ⊗ [x; 1]``,
with ``delta`` the gradient of the loss at the layer's output. Hooks sum these products by language, so N gradients
cost about as much as one. (GradSim section 3.1 takes them from separate batches; for the same examples the sums are
equal, not sampled.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.hooks import RemovableHandle

from gradsim_offline.similarity.gradient_sums import Batch, LayerSums
from gradsim_offline.similarity.projection import Projection, make_projection
from gradsim_shared.errors import SettingsError

HALVES = 2


class GradientTracker:
    """Sums the gradients of some linear layers by language and by half of the data.

    The model trains as without it: to the last bit where a layer reads one vector per example, as heads do; up to
    rounding where it reads a sequence, because its weight gradient is then summed language by language.

    Args:
        layers: The linear layers to track, by name.
        languages: How many languages there are.
        projection: How many numbers to keep of a weight gradient, at most; ``None``: all. Smaller ones stay whole, and
            so do biases.
        seed: Seeds the projection.
    """

    def __init__(
        self, layers: Mapping[str, nn.Linear], languages: int, *, projection: int | None = None, seed: int = 0
    ) -> None:
        self._layers = dict(layers)
        self._languages = languages
        self._projections = {name: _projection(name, layer, projection, seed) for name, layer in layers.items()}
        self._batch: Batch | None = None  # of each example: half * languages + language
        self.reset()

    def reset(self) -> None:
        """Start a new epoch: forget every sum."""
        rows = HALVES * self._languages
        self._counts = torch.zeros(rows, dtype=torch.float64)
        self._sums = {name: LayerSums(layer, rows, self._projections[name]) for name, layer in self._layers.items()}

    @contextmanager
    def batch(self, languages: Tensor, halves: Tensor, units: Tensor) -> Iterator[None]:
        """Track the forward and backward pass that run inside the context.

        The loss must be the mean over all units of the batch: its texts, or their judged words.

        Args:
            languages: Language index of each example, ``[batch]``.
            halves: Which half of its language's data each example belongs to, 0 or 1, ``[batch]``.
            units: How many units each example has, ``[batch]``; one, where a text has one label.
        """
        units = units.cpu()
        self._batch = Batch((halves.long() * self._languages + languages.long()).cpu(), int(units.sum()))
        handles = [self._hook(name, layer) for name, layer in self._layers.items()]
        try:
            yield
            self._counts.index_add_(0, self._batch.rows, units.to(self._counts))
        finally:
            for handle in handles:
                handle.remove()
            self._batch = None

    def _hook(self, name: str, layer: nn.Linear) -> RemovableHandle:
        """Have the layer's gradient summed in the backward pass of whatever runs through it."""

        def on_forward(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> Tensor | None:
            if not output.requires_grad:
                return None
            source: Tensor = inputs[0] if inputs else named["input"]
            if self._sums[name].wants_all(source[..., 0].numel() // len(self._current())):
                add = partial(self._add_instead, name)
                return _Summed.apply(source, layer.weight, layer.bias, output.detach(), add)
            watched = output.clone() if output._is_view() else output  # a view that is changed in place loses its hooks
            watched.register_hook(partial(self._add_later, name, source.detach()))
            return watched

        return layer.register_forward_hook(on_forward, with_kwargs=True)

    @torch.no_grad()
    def _add_later(self, name: str, source: Tensor, delta: Tensor) -> None:
        self._sums[name].add_later(source, delta, self._current())

    def _add_instead(self, name: str, source: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        return self._sums[name].add_instead(source, delta, self._current())

    def _current(self) -> Batch:
        if self._batch is None:
            raise RuntimeError("the backward pass must run inside GradientTracker.batch")
        return self._batch

    def half_means(self) -> dict[str, Tensor]:
        """Return the mean gradients of both halves, ``{layer: [2, languages, parameters]}``."""
        return {name: self._mean(sums.vectors()) for name, sums in self._sums.items()}

    def _mean(self, sums: Tensor) -> Tensor:
        """Divide ``[rows, parameters]`` by the units of each row; none stays zero."""
        return (sums / self._counts.clamp(min=1).to(sums)[:, None]).view(HALVES, self._languages, -1)

    def state(self) -> dict[str, Tensor]:
        """Return the sums so far, for a checkpoint in the middle of an epoch."""
        kept = {f"sums.{name}:{key}": part for name, sums in self._sums.items() for key, part in sums.state().items()}
        return {**kept, "counts": self._counts}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the sums of a checkpoint."""
        for name, sums in self._sums.items():
            start = f"sums.{name}:"
            sums.restore({key.removeprefix(start): kept for key, kept in state.items() if key.startswith(start)})
        self._counts.copy_(state["counts"])


class _Summed(torch.autograd.Function):
    """A linear layer, already computed, whose parameters' gradients come from a callback in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own
        source: Tensor,
        weight: Tensor,
        _bias: Tensor | None,
        output: Tensor,
        add: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    ) -> Tensor:
        ctx.save_for_backward(source, weight)
        ctx.add = add
        ctx.mark_dirty(output)  # it is the output itself, not a view: what follows may change it in place
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's own
        source, weight = ctx.saved_tensors
        to_source, to_weight, to_bias, *_ = ctx.needs_input_grad
        by_weight, by_bias = ctx.add(source, delta)
        return (
            (delta @ weight.to(delta.dtype)).to(source.dtype) if to_source else None,
            by_weight.to(weight.dtype) if to_weight else None,
            by_bias.to(weight.dtype) if to_bias else None,
            None,
            None,
        )


def _projection(name: str, layer: nn.Linear, dims: int | None, seed: int) -> Projection | None:
    """Return the layer's projection; ``None`` where its gradient is kept whole."""
    if dims is None or layer.weight.numel() <= dims:
        return None
    return make_projection(
        layer.out_features, layer.in_features, dims, seed=seed, name=name, device=layer.weight.device
    )


def tracked_layers(model: nn.Module, names: Sequence[str]) -> dict[str, dict[str, nn.Linear]]:
    """Return the linear layers behind each tracked name, ``{name: {path: layer}}``.

    ``head.out`` is the last linear layer of the classification head; ``head`` all of the head's; ``encoder.<n>``
    the linear layers of the encoder's n-th block. The head is what is not part of ``model.base_model``.

    Raises:
        SettingsError: A name is none of these, or the encoder has fewer blocks.
    """
    linear = {path: layer for path, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    prefix = f"{model.base_model_prefix}."
    head = {path: layer for path, layer in linear.items() if not path.startswith(prefix)}
    tracked: dict[str, dict[str, nn.Linear]] = {}
    for name in names:
        kind, _, number = name.partition(".")
        if name == "head":
            tracked[name] = head
        elif name == "head.out":
            tracked[name] = dict([list(head.items())[-1]])
        elif kind == "encoder" and number.isdecimal():
            place = int(number) - getattr(model.config, "first_block", 0)  # of a top: its blocks keep their numbers
            tracked[name] = {path: layer for path, layer in linear.items() if f".layer.{place}." in f".{path}"}
        else:
            raise SettingsError(f"tracked layer {name!r} is not known; use head.out, head or encoder.<number>")
        if not tracked[name]:
            raise SettingsError(f"tracked layer {name!r}: this model has no such linear layer")
    return tracked
