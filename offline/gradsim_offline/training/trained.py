"""A trained model that answers texts: read and decoded as the service does, run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gradsim_offline.core.dataset import Gold
from gradsim_offline.core.devices import mixed_precision
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.training.batching import pad, to_device
from gradsim_offline.training.ensemble import Ensemble, read_members
from gradsim_offline.training.task import Task
from gradsim_shared.decoding import Logits, Reading, Text
from gradsim_shared.normalisation import NEWEST

_BATCH = 64


@dataclass(frozen=True)
class TrainedModel:
    """A model with its reader.

    Attributes:
        model: Gives logits; it is put into evaluation mode. Of an ensemble: an ``Ensemble`` of its models.
        decoder: The numpy half of the task.
        reader: Turns texts into token ids.
        labels: In the order of the model's outputs.
        pad_id: Of the tokenizer.
        device: Where it is.
    """

    model: nn.Module
    decoder: Any
    reader: Any
    labels: Sequence[str]
    pad_id: int
    device: torch.device

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn texts into token ids."""
        reading: Reading = self.reader.read(texts)
        return reading

    def logits(self, texts: Sequence[Text]) -> list[Logits]:
        """Return the logits of each text, ``[units, labels]``: a unit is the text, or each of its words."""
        reading = self.read(texts)
        found: list[Logits] = self.decoder.gather(reading, self.run(reading.ids))
        return found

    def answers(self, texts: Sequence[Text], reading: Reading | None = None) -> list[Gold]:
        """Return the answer to each text; ``reading`` saves reading them again."""
        reading = reading or self.read(texts)
        logits = self.decoder.gather(reading, self.run(reading.ids))
        return [decoded.answer for decoded in self.decoder.decode(logits, texts, reading, self.labels)]

    @torch.inference_mode()
    def run(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return the model's output for each piece: ``[labels]``, or ``[tokens, labels]`` without what was padded."""
        self.model.eval()
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            with mixed_precision(self.device):
                outputs = self.model(**to_device(pad([ids[i] for i in rows], self.pad_id), self.device)).logits
            for row, output in zip(rows, outputs.float().cpu().numpy(), strict=True):
                found[row] = output if output.ndim == 1 else output[: len(ids[row])]
        return [found[row] for row in range(len(ids))]


def open_trained(
    path: str | Path,
    labels: Sequence[str],
    *,
    task: Task,
    maximum_length: int,
    device: torch.device,
    normalisation: int = NEWEST,
) -> TrainedModel:
    """Load a trained model, or all models of an ensemble, with the tokenizer.

    Args:
        path: Name on the Hub, or directory.
        labels: In the order of the model's outputs.
        task: The task's torch half.
        maximum_length: Tokens that it can read at once.
        device: Where to put it.
        normalisation: The version that it was trained with.

    Raises:
        ModelError: It cannot be loaded.
    """
    tokenizer, pad_id = load_tokenizer(path, maximum_length=maximum_length)
    members = read_members(path)
    if members is None:
        model = task.load_model(path, labels)
    else:
        models = [task.load_model(Path(path) / folder, labels) for folder in members.models]
        model = Ensemble(models, members.average)
    reader = task.decoder.Reader(tokenizer, maximum_length, normalisation=normalisation)
    return TrainedModel(model.to(device), task.decoder, reader, labels, pad_id, device)
