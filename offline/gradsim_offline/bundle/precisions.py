"""A smaller form of an exported model, in 8 bits, and the gate that it must pass on dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Protocol

from gradsim_offline.core.dataset import AnyExample
from gradsim_offline.models.eight_bits import in_eight_bits
from gradsim_offline.training.task import Task
from gradsim_shared.decoding import Decoded, Text

INT8 = "int8"
MOST_TEXTS = 1000
"""Dev texts of a language that judge the smaller form, at most."""
_MEAN, _EACH = 0.003, 0.01  # of the task's metric: what may be lost on average, and by a single language
_CHANCE = 2  # texts of a language that may go wrong whatever share of its dev texts they are


def quantise(model: Path, smaller: Path) -> None:
    """Write the form whose matrices and embeddings have 8 bits."""
    import onnx

    onnx.save(in_eight_bits(onnx.load(str(model))), str(smaller))


class Answering(Protocol):
    """What answers texts."""

    def answers(self, texts: Sequence[Text]) -> Sequence[Decoded]:
        """Return the answer to each text."""


def lost(
    whole: Answering, smaller: Answering, dev: Mapping[str, Sequence[AnyExample]], task: Task, labels: Sequence[str]
) -> str:
    """Return in words what a smaller form loses; empty: it passes the gate.

    Args:
        whole: The exported model.
        smaller: Its smaller form.
        dev: Dev texts of each served language.
        task: Its metric counts.
        labels: In the order of the model's outputs.
    """
    metric = task.metric(labels)
    losses: dict[str, float] = {}
    allowed: dict[str, float] = {}
    for code, examples in dev.items():
        chosen = examples[:MOST_TEXTS]
        if not chosen:
            return f"{code} has no dev texts to judge it by"
        gold, inputs = [example.gold for example in chosen], [example.input for example in chosen]
        answers = ([each.answer for each in model.answers(inputs)] for model in (whole, smaller))
        before, after = (task.scores(gold, answered, labels)[metric] for answered in answers)
        losses[code] = before - after
        allowed[code] = max(_EACH, _CHANCE / len(chosen))
    worst = max(losses, key=lambda code: losses[code] - allowed[code])
    if losses[worst] > allowed[worst]:
        return f"{worst} loses {100 * losses[worst]:.1f} points of {metric} on dev"
    if fmean(losses.values()) > _MEAN:
        return f"{100 * fmean(losses.values()):.1f} points of {metric} are lost on dev"
    return ""
