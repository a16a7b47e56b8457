"""Cross entropy over the whole vocabulary, slice by slice: the logits of all positions are never held at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SLICE = 64  # positions at a time: their logits stay in a core's own cache


def summed_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor, pieces: Tensor) -> Tensor:
    """Return the sum of the cross entropies of some positions, as ``F.cross_entropy`` of ``F.linear`` has it.

    The gradients are computed with the loss, so what it takes is the time of three matrix products and little memory.

    Args:
        hidden: What the pieces are predicted from, ``[positions, width]``.
        weight: ``[vocabulary, width]``.
        bias: ``[vocabulary]``.
        pieces: The pieces that were hidden, ``[positions]``.
    """
    total: Tensor = _Sliced.apply(hidden, weight, bias, pieces)
    return total


class _Sliced(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, pieces: Tensor) -> Tensor:  # noqa: ANN401
        of_hidden, of_weight, of_bias = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
        total = hidden.new_zeros(())
        for start in range(0, len(hidden), _SLICE):
            rows, asked = hidden[start : start + _SLICE], pieces[start : start + _SLICE, None]
            logits = torch.addmm(bias, rows, weight.T)  # [slice, vocabulary]
            norms = logits.logsumexp(dim=1, keepdim=True)
            total += (norms - logits.gather(1, asked)).sum()
            wrong = logits.sub_(norms).exp_()  # the probabilities; less 1 at the right piece: the gradient
            wrong.scatter_add_(1, asked, -torch.ones_like(norms))
            torch.mm(wrong, weight, out=of_hidden[start : start + _SLICE])
            of_weight.addmm_(wrong.T, rows)
            of_bias += wrong.sum(dim=0)
        ctx.save_for_backward(of_hidden, of_weight, of_bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401
        of_hidden, of_weight, of_bias = ctx.saved_tensors
        return outer * of_hidden, outer * of_weight, outer * of_bias, None
