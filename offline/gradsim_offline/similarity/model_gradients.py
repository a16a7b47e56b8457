"""Gradients of a finished model: of the last linear layer, without dropout, the model unchanged.

The measurement compares gradients along a training; a bundle keeps its end. What is needed of a new language is its
gradient at a model at which the other languages' gradients are known, too. Only the last layer asks for a gradient, so
that the backward pass costs nothing beside the forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from gradsim_offline.similarity.tracking import GradientTracker, tracked_layers
from gradsim_offline.training.batching import Row, to_device
from gradsim_offline.training.task import Task

LAYER = "head.out"
_BATCH = 32


def half_gradients(
    model: nn.Module, rows: Sequence[Row], languages: int, pad_id: int, *, task: Task, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return each language's mean gradient over both halves of its rows.

    Args:
        model: A classifier; it is left frozen and in evaluation mode.
        rows: Examples with labels, languages and halves.
        languages: How many there are.
        pad_id: Of the tokenizer.
        task: The task's torch half.
        device: Where to compute.

    Returns:
        Gradients ``[2, languages, parameters]`` of the layer's ``[W, b]``, row by row, and counts ``[2, languages]``.
    """
    layers = _freeze(model, device)
    tracker = GradientTracker(layers, languages)
    for chosen in _batches(rows):
        owners = torch.tensor([rows[i].language for i in chosen])
        with tracker.batch(owners, torch.tensor([rows[i].half for i in chosen]), _units(rows, chosen)):
            _backward(model, rows, chosen, pad_id, task=task, device=device)
    counts = torch.zeros(2, languages, dtype=torch.int64)
    for row in rows:
        counts[row.half, row.language] += row.units
    return _joined(tracker, layers), counts


def example_gradients(
    model: nn.Module, rows: Sequence[Row], pad_id: int, *, task: Task, device: torch.device
) -> Tensor:
    """Return the gradient of every row's own loss, ``[rows, parameters]``: each row tracked as a language of its own.

    Args:
        model: A classifier; it is left frozen and in evaluation mode.
        rows: Examples with labels.
        pad_id: Of the tokenizer.
        task: The task's torch half.
        device: Where to compute.
    """
    layers = _freeze(model, device)
    by_batch: list[Tensor] = []
    order: list[int] = []
    for chosen in _batches(rows):
        tracker = GradientTracker(layers, len(chosen))
        with tracker.batch(
            torch.arange(len(chosen)), torch.zeros(len(chosen), dtype=torch.int64), _units(rows, chosen)
        ):
            _backward(model, rows, chosen, pad_id, task=task, device=device)
        by_batch.append(_joined(tracker, layers)[0])
        order += chosen
    gradients = torch.cat(by_batch)
    return gradients[torch.tensor(order).argsort()]


def _freeze(model: nn.Module, device: torch.device) -> dict[str, nn.Linear]:
    """Leave only the last linear layer asking for a gradient; return it by its path."""
    model.to(device).eval()
    model.requires_grad_(False)
    layers = tracked_layers(model, [LAYER])[LAYER]
    for layer in layers.values():
        layer.requires_grad_(True)
    return layers


def _batches(rows: Sequence[Row]) -> Iterator[list[int]]:
    """Yield indices of texts of about the same length."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for start in range(0, len(order), _BATCH):
        yield order[start : start + _BATCH]


def _units(rows: Sequence[Row], chosen: Sequence[int]) -> Tensor:
    return torch.tensor([rows[i].units for i in chosen])


def _backward(
    model: nn.Module, rows: Sequence[Row], chosen: Sequence[int], pad_id: int, *, task: Task, device: torch.device
) -> None:
    """Run the loss of a batch and its backward pass, in full precision: devices must agree with each other."""
    batch = task.collate([rows[i] for i in chosen], pad_id)(range(len(chosen)), 0, 0)
    model(**to_device(batch, device)).loss.backward()
    model.zero_grad(set_to_none=True)


def _joined(tracker: GradientTracker, layers: dict[str, nn.Linear]) -> Tensor:
    """Return the tracker's means ``[2, languages, parameters]``, on the CPU."""
    means = tracker.half_means()
    return torch.cat([means[path].float().cpu() for path in layers], dim=-1)
