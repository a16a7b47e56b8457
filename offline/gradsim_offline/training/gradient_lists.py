"""Gradients of a whole model as lists, one entry per parameter: taken, multiplied, combined, put back; conflicts.

An entry is ``None`` where a loss does not reach a parameter, and sparse for the n-gram embeddings of ``mini``. Those
are parameters as others: their touched rows, and only these, count in every product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Gradient = list[Tensor | None]


def take(model: nn.Module) -> Gradient:
    """Return what the backward passes left in ``.grad``, in the order of ``model.parameters()``, and leave nothing.

    Sparse gradients are coalesced, as the optimizer would do it: that changes no step.
    """
    grads = [parameter.grad for parameter in model.parameters()]
    gradient = [grad.coalesce() if grad is not None and grad.is_sparse else grad for grad in grads]
    model.zero_grad(set_to_none=True)
    return gradient


def put(model: nn.Module, gradient: Gradient) -> None:
    """Make this the gradient that the optimizer steps along."""
    for parameter, entry in zip(model.parameters(), gradient, strict=True):
        parameter.grad = entry


@torch.no_grad()
def gramian(gradients: Sequence[Gradient]) -> Tensor:
    """Return the inner products of ``m`` gradients over all parameters, ``[m, m]``.

    Each parameter's products are summed in float32, the parameters in float64.
    """
    device = next((entry.device for entries in gradients for entry in entries if entry is not None), None)
    total = torch.zeros(len(gradients), len(gradients), dtype=torch.float64, device=device)
    for entries in zip(*gradients, strict=True):  # one parameter
        if any(entry is not None for entry in entries):
            rows = _rows(entries)  # [m, numbers]
            total += (rows @ rows.T).double()
    return total


def _rows(entries: Sequence[Tensor | None]) -> Tensor:
    """Lay one parameter's gradients out below each other, ``[m, numbers]``; where there is none, zeros."""
    there = next(entry for entry in entries if entry is not None)
    if there.is_sparse:
        return _touched_rows(entries).flatten(1)
    zeros = torch.zeros_like(there)
    return torch.stack([(zeros if entry is None else entry).reshape(-1).float() for entry in entries])


def _touched_rows(entries: Sequence[Tensor | None]) -> Tensor:
    """Lay out the rows that any of one parameter's sparse gradients touches, ``[m, rows, width]``; the rest is zero."""
    sparse = [None if entry is None else entry.coalesce() for entry in entries]
    there = [entry for entry in sparse if entry is not None]
    touched, place = torch.cat([entry.indices()[0] for entry in there]).unique(return_inverse=True)
    laid = there[0].values().new_zeros(len(sparse), len(touched), *there[0].shape[1:], dtype=torch.float32)
    start = 0
    for i, entry in enumerate(sparse):
        if entry is not None:
            count = len(entry.values())
            laid[i, place[start : start + count]] = entry.values().float()
            start += count
    return laid


@torch.no_grad()
def combine(gradients: Sequence[Gradient], weights: Sequence[float]) -> Gradient:
    """Return the weighted sum of gradients; sparse where they are, ``None`` where none of them reaches."""
    return [_sum(entries, weights) for entries in zip(*gradients, strict=True)]


def _sum(entries: Sequence[Tensor | None], weights: Sequence[float]) -> Tensor | None:
    """Return the weighted sum of one parameter's gradients."""
    there = [(entry, weight) for entry, weight in zip(entries, weights, strict=True) if entry is not None]
    if not there:
        return None
    first, weight = there[0]
    total = first * weight
    for entry, weight in there[1:]:
        total = torch.add(total, entry, alpha=weight)
    return total.coalesce() if total.is_sparse else total


class ConflictCounts:
    """How often gradients were compared and were in conflict in the running epoch, and their mean cosine."""

    def __init__(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)  # pairs, conflicts, summed cosines

    def add(self, gramian: Tensor) -> None:
        """Count every pair of gradients once, from their inner products, ``[m, m]``; below 0 is a conflict."""
        norms = gramian.diagonal().clamp(min=0).sqrt()
        lengths = norms[:, None] * norms
        cosines = torch.where(lengths > 0, gramian / lengths.clamp(min=1e-300), 0.0).clamp(-1, 1)
        pairs = torch.triu_indices(len(gramian), len(gramian), offset=1)
        compared = cosines[pairs[0], pairs[1]].cpu()
        counts = [len(compared), int((compared < 0).sum()), float(compared.sum())]
        self._sums += torch.tensor(counts, dtype=torch.float64)

    def end_epoch(self) -> dict[str, float]:
        """Return the epoch's ``compared`` pairs, ``conflicts`` and mean ``cosine``, and start the next.

        Without a pair there is no cosine.
        """
        compared, conflicts, cosines = self._sums.tolist()
        self._sums = torch.zeros_like(self._sums)
        mean = {"cosine": cosines / compared} if compared else {}
        return {"compared": compared, "conflicts": conflicts, **mean}

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must keep."""
        return {"conflicts": self._sums.clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint kept."""
        self._sums = state["conflicts"].clone()
