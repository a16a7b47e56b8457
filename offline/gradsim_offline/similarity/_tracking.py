"""Exact per-language gradients of linear layers from ONE backward pass over a mixed batch.

For a linear layer ``y = W x + b`` the weight gradient is a sum over examples of outer products ``delta ⊗ [x; 1]``,
with ``delta`` the gradient of the loss at the layer's output. Hooks sum these products by language, so N gradients
cost about as much as one. (GradSim section 3.1 takes them from separate batches; for the same examples the sums are
equal, not sampled.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradsim_shared.errors import SettingsError

HALVES = 2


class GradientTracker:
    """Sums the gradients of some linear layers by language and by half of the data.

    Args:
        layers: The linear layers to track, by name.
        languages: How many languages there are.
    """

    def __init__(self, layers: Mapping[str, nn.Linear], languages: int) -> None:
        self._layers = dict(layers)
        self._languages = languages
        self._rows: Tensor | None = None  # for each example of the batch: half * languages + language
        self._handles: list[RemovableHandle] = []
        self.reset()

    def reset(self) -> None:
        """Start a new epoch: forget every sum."""
        self._sums: dict[str, Tensor] = {}
        self._counts = torch.zeros(HALVES * self._languages, dtype=torch.float64)
        for name, layer in self._layers.items():
            width = layer.in_features + (layer.bias is not None)
            dtype = layer.weight.dtype if layer.weight.dtype == torch.float64 else torch.float32
            shape = (HALVES * self._languages, layer.out_features, width)
            self._sums[name] = torch.zeros(shape, dtype=dtype, device=layer.weight.device)

    @contextmanager
    def batch(self, languages: Tensor, halves: Tensor) -> Iterator[None]:
        """Track the forward and backward pass that run inside the context.

        The loss must be the mean over the examples of the batch.

        Args:
            languages: Language index of each example, ``[batch]``.
            halves: Which half of its language's data each example belongs to, 0 or 1, ``[batch]``.
        """
        self._rows = halves.long() * self._languages + languages.long()
        self._handles = [layer.register_forward_hook(self._watch(name)) for name, layer in self._layers.items()]
        try:
            yield
        finally:
            for handle in self._handles:
                handle.remove()
        self._counts += torch.bincount(self._rows.cpu(), minlength=HALVES * self._languages)
        self._rows = None

    def _watch(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        """Return a forward hook that waits for the gradient at the layer's output."""

        def on_forward(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if output.requires_grad:
                source = inputs[0].detach()
                output.register_hook(lambda delta: self._add(name, source, delta))

        return on_forward

    @torch.no_grad()
    def _add(self, name: str, source: Tensor, delta: Tensor) -> None:
        """Add ``delta ⊗ [x; 1]`` of every position to the sum of its example's language."""
        if self._rows is None:
            raise RuntimeError("the backward pass must run inside GradientTracker.batch")
        sums = self._sums[name]
        batch = len(self._rows)
        x = source.reshape(batch, -1, source.shape[-1]).to(sums.dtype)  # [batch, positions, in]
        d = delta.reshape(batch, -1, delta.shape[-1]).to(sums.dtype) * batch  # the loss is a mean: undo 1 / batch
        if self._layers[name].bias is not None:
            x = torch.cat([x, x.new_ones(*x.shape[:2], 1)], dim=-1)  # [batch, positions, in + 1]
        for row in self._rows.unique():
            mine = self._rows == row
            sums[row] += d[mine].flatten(0, 1).T @ x[mine].flatten(0, 1)  # [out, in + 1]

    def half_means(self) -> dict[str, Tensor]:
        """Return the mean gradients of both halves, ``{layer: [2, languages, parameters]}``."""
        counts = self._counts.view(HALVES, self._languages)
        return {
            name: torch.stack([_mean(half, count) for half, count in zip(self._split(sums), counts, strict=True)])
            for name, sums in self._sums.items()
        }

    def _split(self, sums: Tensor) -> Tensor:
        return sums.view(HALVES, self._languages, -1)

    def state(self) -> dict[str, Tensor]:
        """Return the sums so far, for a checkpoint in the middle of an epoch."""
        return {**{f"sums.{name}": sums for name, sums in self._sums.items()}, "counts": self._counts}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the sums of a checkpoint."""
        for name, sums in self._sums.items():
            sums.copy_(state[f"sums.{name}"])
        self._counts.copy_(state["counts"])


def _mean(total: Tensor, counts: Tensor) -> Tensor:
    """Divide ``[languages, parameters]`` by the examples of each language; none stays zero."""
    return total / counts.clamp(min=1).to(total)[:, None]


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
    found: dict[str, dict[str, nn.Linear]] = {}
    for name in names:
        kind, _, number = name.partition(".")
        if name == "head":
            found[name] = head
        elif name == "head.out":
            found[name] = dict([list(head.items())[-1]])
        elif kind == "encoder" and number.isdecimal():
            found[name] = {path: layer for path, layer in linear.items() if f".layer.{number}." in f".{path}"}
        else:
            raise SettingsError(f"tracked layer {name!r} is not known; use head.out, head or encoder.<number>")
        if not found[name]:
            raise SettingsError(f"tracked layer {name!r}: this model has no such linear layer")
    return found
