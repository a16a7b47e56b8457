"""Lookahead steps: step along one language's gradient, evaluate every language's loss, and step back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradsim_offline.training.batching import IGNORED, to_device

Batch = dict[str, Tensor]
Lay = Callable[[Sequence[int]], Batch]  # from indices of rows to a batch with its labels
_AT_ONCE = 64  # texts judged in one forward pass


class Judge:
    """Computes the loss of every language on its own texts.

    All languages' texts go through the model together, in chunks of about the same length; a language's loss is the
    mean cross entropy over its texts (over its labelled tokens, for tagging), as the model's own loss of a batch of
    those texts alone.

    Args:
        texts: Indices of each language's rows.
        lengths: Tokens of every row.
        lay: Lays rows out.
        languages: How many languages there are.
        device: Where the model is.
    """

    def __init__(
        self,
        texts: Mapping[int, Sequence[int]],
        lengths: Sequence[int],
        lay: Lay,
        *,
        languages: int,
        device: torch.device,
    ) -> None:
        self._languages = languages
        near = sorted(((row, language) for language in texts for row in texts[language]), key=lambda c: lengths[c[0]])
        self._chunks = [
            (
                to_device(lay([row for row, _ in chunk]), device),
                torch.tensor([language for _, language in chunk], device=device),
            )
            for chunk in (near[start : start + _AT_ONCE] for start in range(0, len(near), _AT_ONCE))
        ]

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> Tensor:
        """Return the losses, ``[languages]``, float64 on the CPU; NaN for a language without texts."""
        sums, counts = torch.zeros(2, self._languages, dtype=torch.float64)
        for batch, spoken in self._chunks:
            labels = batch["labels"].reshape(
                len(spoken), -1
            )  # [texts, positions]; one position for a text's label, each for several
            logits = model(**batch).logits
            if labels.is_floating_point():  # of several labels to a text
                entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
            else:
                entropy = F.cross_entropy(
                    logits.reshape(-1, logits.shape[-1]), labels.flatten(), reduction="none", ignore_index=IGNORED
                ).view(labels.shape)
            losses, labelled = entropy.sum(1).cpu().double(), (labels != IGNORED).sum(1).cpu().double()
            sums.index_add_(0, spoken.cpu(), losses)
            counts.index_add_(0, spoken.cpu(), labelled)
        return sums / counts


def affinities(model: nn.Module, steps: Mapping[int, Batch], judge: Judge, gain: float) -> Tensor:
    """Return what a step on each language does to every language, ``[languages, languages]``, float64.

    ``Z[i, j] = (1 - L_i(theta - rate * dL_j/dtheta) / L_i(theta)) / gain`` (TAG, equation 1, over ``gain``). The rate
    is the same for all j: the one at which a language's own loss would fall by ``gain``, to first order and on
    average, ``gain * mean L_j / mean |dL_j/dtheta|^2``. NaN where a language has no texts or no loss. All parameters
    are shared. The model must be in evaluation mode; it is left bit for bit as it was. One copy of the parameters and
    one language's gradient are held at a time, so gradients are computed twice.

    Args:
        model: The model, without gradients.
        steps: Each language's batch to step on.
        judge: Computes the losses.
        gain: Share of the loss that a step is to take away.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = judge(model)
    affinity = torch.full((len(before), len(before)), torch.nan, dtype=torch.float64)
    losses, squares = zip(*(_slope(model, batch, parameters) for batch in steps.values()), strict=True)
    if not sum(squares):
        return affinity  # nothing to learn: no step leads anywhere
    rate = gain * sum(losses) / sum(squares)
    kept = [parameter.detach().clone() for parameter in parameters]
    try:
        for language, batch in steps.items():
            gradients = _gradients(model, batch, parameters)[1]
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        parameter.sub_(gradient, alpha=rate)
            del gradients
            affinity[:, language] = (1 - judge(model) / before) / gain
            _put_back(parameters, kept)
    finally:
        _put_back(parameters, kept)  # also after KeyboardInterrupt in the middle of a step
    return torch.where(affinity.isfinite(), affinity, torch.nan)


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode; afterwards its modes and torch's random state are as they were."""
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def _gradients(model: nn.Module, batch: Batch, parameters: Sequence[Tensor]) -> tuple[float, tuple[Tensor | None, ...]]:
    """Return a batch's loss and its gradient; ``.grad`` is not touched."""
    loss = model(**batch).loss
    return loss.item(), torch.autograd.grad(loss, list(parameters), allow_unused=True)


def _slope(model: nn.Module, batch: Batch, parameters: Sequence[Tensor]) -> tuple[float, float]:
    """Return a batch's loss and the squared length of its gradient."""
    loss, gradients = _gradients(model, batch, parameters)
    return loss, sum(float(g.square().sum()) for g in gradients if g is not None)


def _put_back(parameters: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.copy_(value)
