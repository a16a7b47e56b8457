"""A batch that memory has no room for goes through the model in parts; its gradient is that of the whole batch."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from gradsim_offline.training.batching import IGNORED
from gradsim_offline.training.strategies.mixed import backward
from gradsim_offline.training.strategy import Batch
from gradsim_shared.errors import ModelError

_WORDS = re.compile(r"out of memory|not enough memory|can't allocate memory", re.IGNORECASE)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of torch, or of Python, says that there is no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(_WORDS.search(str(error)))


def more_parts(parts: int, texts: int, error: Exception, *, possible: bool) -> int:
    """Return twice as many parts, and say so.

    Args:
        parts: Those that were too large.
        texts: In the batch.
        error: What memory's end was told by.
        possible: Whether parts are: not with a strategy that compares the gradients of whole batches.

    Raises:
        ModelError: There are no smaller parts.
    """
    if not possible:
        raise ModelError(
            f"out of memory in a step of {texts} texts, which must go through the model at once here; set a smaller "
            "batch_size (--set training.batch_size=..., measuring.batch_size=...)"
        ) from error
    if parts >= texts:
        raise ModelError(
            "out of memory with one text at a time; set a lower maximum_length, train fewer blocks "
            "(training.trained_blocks), or take a smaller model"
        ) from error
    warnings.warn(
        f"out of memory in a step of {texts} texts in {parts} part(s): steps go on in {2 * parts} parts, with the same "
        "batches and gradients",
        stacklevel=1,
    )
    return 2 * parts


def backward_in_parts(
    model: nn.Module,
    batch: Batch,
    indices: Sequence[int],
    parts: int,
    watch: Callable[[Sequence[int]], AbstractContextManager[None]],
) -> Tensor:
    """Leave the gradient of a batch's mean loss in ``.grad``, and return that loss, from passes over its parts.

    A part's loss is the mean over its units (texts, or judged words), so that the whole is the mean of the parts
    weighted by their units. What watches sees each part as a batch.

    Args:
        model: Its gradients are empty.
        batch: Of the whole; every tensor has the texts in its first dimension.
        indices: The training rows in it.
        parts: How many, of about the same number of texts.
        watch: Returns the context in which the passes of some rows run.
    """
    loss, done = torch.zeros(()), 0
    size = -(-len(indices) // parts)
    for start in range(0, len(indices), size):
        part = {name: tensor[start : start + size] for name, tensor in batch.items()}
        units = _units(part["labels"])
        if not units:  # no word is judged: its mean would be no number
            continue
        _scale_gradients(model, done / units)
        with watch(indices[start : start + size]):
            own = backward(model, part).detach()
        _scale_gradients(model, units / (done + units))
        loss = (loss.to(own) * done + own * units) / (done + units)
        done += units
    return loss


def _units(labels: Tensor) -> int:
    """Count what a batch's loss is the mean over: texts with 0 or 1 for each label, or labels that are judged."""
    return len(labels) if labels.is_floating_point() else int((labels != IGNORED).sum())


def _scale_gradients(model: nn.Module, factor: float) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(factor)
