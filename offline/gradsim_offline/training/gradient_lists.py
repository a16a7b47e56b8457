"""Gradients of a whole model as lists, one entry per parameter: taken, multiplied, combined, put back.

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
    found = [grad.coalesce() if grad is not None and grad.is_sparse else grad for grad in grads]
    model.zero_grad(set_to_none=True)
    return found


def put(model: nn.Module, gradient: Gradient) -> None:
    """Make this the gradient that the optimizer steps along."""
    for parameter, found in zip(model.parameters(), gradient, strict=True):
        parameter.grad = found


@torch.no_grad()
def gramian(gradients: Sequence[Gradient]) -> Tensor:
    """Return the inner products of ``m`` gradients over all parameters, ``[m, m]``.

    Each parameter's products are summed in float32, the parameters in float64.
    """
    device = next((found.device for entries in gradients for found in entries if found is not None), None)
    total = torch.zeros(len(gradients), len(gradients), dtype=torch.float64, device=device)
    for entries in zip(*gradients, strict=True):  # one parameter
        if any(found is not None for found in entries):
            rows = _rows(entries)  # [m, numbers]
            total += (rows @ rows.T).double()
    return total


def _rows(entries: Sequence[Tensor | None]) -> Tensor:
    """Lay one parameter's gradients out below each other, ``[m, numbers]``; where there is none, zeros."""
    there = next(found for found in entries if found is not None)
    if there.is_sparse:
        return _touched_rows(entries).flatten(1)
    zeros = torch.zeros_like(there)
    return torch.stack([(zeros if found is None else found).reshape(-1).float() for found in entries])


def _touched_rows(entries: Sequence[Tensor | None]) -> Tensor:
    """Lay out the rows that any of one parameter's sparse gradients touches, ``[m, rows, width]``; the rest is zero."""
    sparse = [None if found is None else found.coalesce() for found in entries]
    there = [found for found in sparse if found is not None]
    touched, place = torch.cat([found.indices()[0] for found in there]).unique(return_inverse=True)
    laid = there[0].values().new_zeros(len(sparse), len(touched), *there[0].shape[1:], dtype=torch.float32)
    start = 0
    for i, found in enumerate(sparse):
        if found is not None:
            count = len(found.values())
            laid[i, place[start : start + count]] = found.values().float()
            start += count
    return laid


@torch.no_grad()
def combine(gradients: Sequence[Gradient], weights: Sequence[float]) -> Gradient:
    """Return the weighted sum of gradients; sparse where they are, ``None`` where none of them reaches."""
    return [_sum(entries, weights) for entries in zip(*gradients, strict=True)]


def _sum(entries: Sequence[Tensor | None], weights: Sequence[float]) -> Tensor | None:
    """Return the weighted sum of one parameter's gradients."""
    there = [(found, weight) for found, weight in zip(entries, weights, strict=True) if found is not None]
    if not there:
        return None
    first, weight = there[0]
    total = first * weight
    for found, weight in there[1:]:
        total = torch.add(total, found, alpha=weight)
    return total.coalesce() if total.is_sparse else total
