"""Distilling: one model, the student, learns the labels and an ensemble's probabilities of them, the teacher's.

Hinton, Vinyals & Dean, Distilling the Knowledge in a Neural Network, 2015: with weight w, temperature T and softmax p
of logits divided by T, the loss of a unit (a text, a judged word, or each label of a text with several) is

    (1 - w) · cross entropy(labels, student) + w · T² · KL(p_teacher || p_student)

T² keeps the second part's gradient as large as it is at T = 1. The defaults, half of the weight on the labels and
T = 2, are those of their speech model (§4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradsim_offline.core.arithmetic import mixed_precision
from gradsim_offline.models.label_loss import two_sided
from gradsim_offline.training.batching import IGNORED, Row
from gradsim_offline.training.strategies.mixed import Mixed
from gradsim_offline.training.strategy import Batch
from gradsim_offline.training.trained import TrainedModel


class Distilling(Mixed):
    """Plain training with a teacher's part in the loss.

    Args:
        rows: The training rows, as the batches' indices mean them.
        logits: The teacher's, of the judged units of each row, as ``judged_logits`` has them.
        weight: Of the teacher's part, 0 to 1.
        temperature: Above 1 softens the probabilities of both.
    """

    def __init__(self, rows: Sequence[Row], logits: Tensor, *, weight: float, temperature: float) -> None:
        self._weight, self._temperature = weight, temperature
        self._logits = torch.split(logits, [row.units for row in rows])

    def backward(self, model: nn.Module, batch: Batch, indices: Sequence[int], epoch: int, step: int) -> Tensor:  # noqa: ARG002
        """Leave the gradient of the batch's loss in ``.grad`` and return the loss."""
        with mixed_precision(model):
            output = model(**batch)
        student = output.logits[batch["labels"] != IGNORED].float()  # [units, labels] or [units], as the teacher's
        teacher = torch.cat([self._logits[i] for i in indices]).to(student.device)
        distance = divergence(teacher, student, self._temperature)
        loss: Tensor = (1 - self._weight) * output.loss + self._weight * distance
        loss.backward()
        return loss


def divergence(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """Return T² KL(teacher || student) of softened probabilities, the mean over units.

    Args:
        teacher: Logits, ``[units, labels]``; or ``[units]``, where a unit is a label that a text has or has not.
        student: Likewise.
        temperature: T.
    """
    if teacher.ndim == 1:
        teacher, student = two_sided(teacher), two_sided(student)
    asked, given = (F.log_softmax(logits / temperature, dim=-1) for logits in (student, teacher))
    return temperature**2 * F.kl_div(asked, given, reduction="batchmean", log_target=True)


def judged_logits(teacher: TrainedModel, rows: Sequence[Row]) -> Tensor:
    """Return a trained model's logits of all judged units of the rows, one row's after the other's.

    Returns:
        ``[units, labels]``: a unit is a text, or a judged word at its first subword; or ``[units]``, each label of a
        text that may have several.
    """
    outputs = teacher.run([row.ids for row in rows])  # [labels] or [tokens, labels] each
    units = [
        output if output.shape == (row.units,) else np.atleast_2d(output)[np.array(row.labels) != IGNORED]
        for output, row in zip(outputs, rows, strict=True)
    ]
    return torch.from_numpy(np.concatenate(units))
