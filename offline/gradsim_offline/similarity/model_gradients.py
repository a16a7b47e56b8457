"""Gradients of a finished model's last linear layer, without dropout; the weights stay as they are.

A new language is assigned by its gradient at a model at which the other languages' gradients are known. Only the last
layer requires a gradient, so that the backward pass costs little beside the forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    """Return each language's mean gradient over both halves of its rows, in full precision: devices must agree.

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
    model.to(device).eval()
    model.requires_grad_(False)
    layers = tracked_layers(model, [LAYER])[LAYER]
    for layer in layers.values():
        layer.requires_grad_(True)
    tracker = GradientTracker(layers, languages)
    for batch in _batches(rows):
        chosen = [rows[i] for i in batch]
        inputs = to_device(task.collate(chosen, pad_id)(range(len(chosen)), 0, 0), device)
        owners, halves, units = (
            torch.tensor([getattr(row, name) for row in chosen]) for name in ("language", "half", "units")
        )
        with tracker.batch(owners, halves, units):
            model(**inputs).loss.backward()
            model.zero_grad(set_to_none=True)
    counts = torch.zeros(2, languages, dtype=torch.int64)
    for row in rows:
        counts[row.half, row.language] += row.units
    means = tracker.half_means()
    return torch.cat([means[path].float().cpu() for path in layers], dim=-1), counts


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
    batches = _batches(rows)
    by_batch = []
    for batch in batches:
        apart = [replace(rows[i], language=number, half=0) for number, i in enumerate(batch)]
        by_batch.append(half_gradients(model, apart, len(apart), pad_id, task=task, device=device)[0][0])
    order = [i for batch in batches for i in batch]
    return torch.cat(by_batch)[torch.tensor(order).argsort()]


def _batches(rows: Sequence[Row]) -> list[list[int]]:
    """Return indices of texts of about the same length."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    return [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
