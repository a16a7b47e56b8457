"""The loss of a classifier's logits: of one label per text or token, or of labels that do not exclude each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss over all units: texts, judged tokens, or each label of each text.

    Args:
        logits: ``[..., labels]``.
        labels: Indices, ``[...]``, -100: not judged; or 0.0 and 1.0, ``[..., labels]``: each label by itself.
    """
    if labels.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits.float(), labels)
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def two_sided(logits: Tensor) -> Tensor:
    """Return logits of not having and of having each label, ``[...]`` to ``[..., 2]``, whose softmax is the sigmoid."""
    return torch.stack([torch.zeros_like(logits), logits], dim=-1)
