"""A trained model that answers texts, read and decoded as the service does, run by torch; and its scores on dev."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gradsim_offline.core.arithmetic import mixed_precision
from gradsim_offline.core.dataset import AnyExample, Dataset, Gold
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.training.batching import halves, pad, to_device
from gradsim_offline.training.ensemble import Ensemble, read_members
from gradsim_offline.training.linear_start import WIDE_FOLDER, trunk_below
from gradsim_offline.training.task import Task
from gradsim_offline.training.trunk_batches import hidden_states
from gradsim_offline.training.trunk_outputs import TrunkOutputs
from gradsim_offline.training.trunk_texts import open_outputs
from gradsim_shared.decoding import Logits, Reading, Text
from gradsim_shared.normalisation import NEWEST

HALVES = ("half_0", "half_1")
THRESHOLDS_FILE = "thresholds.json"
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
        outputs: Of the trunk that the model stands on; ``None``: it reads token ids.
        wide: The linear model over n-grams whose logits are added; ``None``: there is none.
        thresholds: Of the labels, where a text may have several; empty: untuned.
    """

    model: nn.Module
    decoder: Any
    reader: Any
    labels: Sequence[str]
    pad_id: int
    device: torch.device
    outputs: TrunkOutputs | None = None
    wide: TrainedModel | None = None
    thresholds: Sequence[float] = ()

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn texts into token ids, and their n-grams where a linear model reads them."""
        reading: Reading = self.reader.read(texts)
        return reading if self.wide is None else replace(reading, wide=self.wide.read(texts))

    def logits(self, texts: Sequence[Text]) -> list[Logits]:
        """Return the logits of each text, ``[units, labels]``: a unit is the text, or each of its words."""
        return self.logits_of(self.read(texts))

    def logits_of(self, reading: Reading) -> list[Logits]:
        """Return the logits of each text that was read, ``[units, labels]``."""
        logits: list[Logits] = self.decoder.gather(reading, self.run(reading.ids))
        if self.wide is None or reading.wide is None:
            return logits
        return [one + other for one, other in zip(logits, self.wide.logits_of(reading.wide), strict=True)]

    def answers(self, texts: Sequence[Text], reading: Reading | None = None) -> list[Gold]:
        """Return the answer to each text; ``reading`` saves reading them again."""
        reading = reading or self.read(texts)
        return self.decoded(self.logits_of(reading), texts, reading)

    def decoded(self, logits: Sequence[Logits], texts: Sequence[Text], reading: Reading) -> list[Gold]:
        """Return the answer to each text from its logits."""
        found = self.decoder.decode(logits, texts, reading, self.labels, self.thresholds)
        return [each.answer for each in found]

    @torch.inference_mode()
    def run(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return the model's output for each piece: ``[labels]``, or ``[tokens, labels]`` without what was padded."""
        self.model.eval()
        if self.outputs is not None and self.outputs.pools:
            features = torch.from_numpy(self.outputs.pooled(ids)).to(self.device)
            return list(self.model(features=features).logits.float().cpu().numpy())
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        by_row: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            with mixed_precision(self.model):
                outputs = self.model(**to_device(self._batch([ids[i] for i in rows]), self.device)).logits
            for row, output in zip(rows, outputs.float().cpu().numpy(), strict=True):
                by_row[row] = output if output.ndim == 1 else output[: len(ids[row])]
        return [by_row[row] for row in range(len(ids))]

    def _batch(self, ids: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        batch = pad(ids, self.pad_id)
        if self.outputs is None:
            return batch
        return {"hidden_states": hidden_states(ids, self.outputs), "attention_mask": batch["attention_mask"]}


def open_trained(
    path: str | Path,
    labels: Sequence[str],
    *,
    task: Task,
    maximum_length: int,
    device: torch.device,
    normalisation: int = NEWEST,
    long_texts: str = "cut",
    alone: bool = False,
) -> TrainedModel:
    """Load a trained model, or all models of an ensemble, with the tokenizer, and what belongs to it.

    Args:
        path: Name on the Hub, or directory.
        labels: In the order of the model's outputs.
        task: The task's torch half.
        maximum_length: Tokens that it can read at once.
        device: Where to put it.
        normalisation: The version that it was trained with.
        long_texts: ``cut`` or ``windows``, as in a manifest.
        alone: Without the linear model over n-grams that was trained with it.

    Raises:
        ModelError: It cannot be loaded.
    """
    trunk, wide = trunk_below(path), Path(path) / WIDE_FOLDER
    tokenizer, pad_id = load_tokenizer(trunk.directory if trunk else path, maximum_length=maximum_length)
    members = read_members(path)
    if members is None:
        model = task.load_model(path, labels)
    else:
        models = [task.load_model(Path(path) / folder, labels) for folder in members.models]
        model = Ensemble(models, members.average, several_labels=task.several_labels)
    reader = task.decoder.Reader(tokenizer, maximum_length, normalisation=normalisation, long_texts=long_texts)
    return TrainedModel(
        model.to(device),
        task.decoder,
        reader,
        labels,
        pad_id,
        device,
        open_outputs(trunk.directory, trunk.outputs) if trunk else None,
        None
        if alone or not wide.is_dir()
        else open_trained(
            wide, labels, task=task, maximum_length=maximum_length, device=device, normalisation=normalisation
        ),
        read_thresholds(path),
    )


def read_thresholds(directory: str | Path) -> list[float]:
    """Return the thresholds that ``DevTexts.tune`` left with a model; empty: none."""
    file = Path(directory) / THRESHOLDS_FILE
    found: list[float] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return found


@dataclass(frozen=True)
class DevTexts:
    """The dev texts that score a model, tokenised once.

    Attributes:
        examples: Of each language that has some.
        number: Index of each language: it seeds which half an example belongs to.
        reader: Tokenises them; any model with this tokenizer can be scored.
        task: The task's torch half.
        seed: The build's seed.
    """

    examples: Mapping[str, Sequence[AnyExample]]
    number: Mapping[str, int]
    reader: Any
    task: Task
    seed: int

    @classmethod
    def of(cls, dataset: Dataset, languages: Sequence[str], *, reader: Any, task: Task, seed: int) -> DevTexts:  # noqa: ANN401 - the task's
        """Return the dev texts of those languages that have some."""
        examples = {code: dataset.split(code, "dev") for code in languages if dataset.split(code, "dev")}
        return cls(examples, {code: i for i, code in enumerate(dataset.languages)}, reader, task, seed)

    def scores(self, model: TrainedModel) -> dict[str, dict[str, float]]:
        """Score a model per language, ``{language: {metric: 0 to 1}}``.

        ``half_0`` and ``half_1`` are the task's metric on two halves of the language's texts: one half can choose, the
        other judge; a half without texts has the score of the whole. Thresholds of labels are tuned on all these texts.
        """
        labels, metric = model.labels, self.task.metric(model.labels)
        logits = model.logits_of(self._reading)
        answers = replace(model, thresholds=self._tuned(logits, labels)).decoded(logits, self._inputs, self._reading)
        by_language, start = {}, 0
        for language, examples in self.examples.items():
            gold, answered = [example.gold for example in examples], answers[start : start + len(examples)]
            scores = self.task.scores(gold, answered, labels)
            sides = halves(len(examples), language=self.number[language], seed=self.seed)
            for half, name in enumerate(HALVES):
                chosen = [i for i, side in enumerate(sides) if side == half] or range(len(examples))
                of_half = self.task.scores([gold[i] for i in chosen], [answered[i] for i in chosen], labels)
                scores[name] = of_half[metric]
            by_language[language] = scores
            start += len(examples)
        return by_language

    def tune(self, model: TrainedModel, directory: Path) -> None:
        """Leave the thresholds of a model's labels in its directory, if its task has some and there are dev texts."""
        if self.task.several_labels and self.examples:
            thresholds = self._tuned(model.logits_of(self._reading), model.labels)
            write_json(directory / THRESHOLDS_FILE, thresholds)

    def _tuned(self, logits: Sequence[Logits], labels: Sequence[str]) -> list[float]:
        """Return the thresholds that fit these texts best; none where labels exclude each other."""
        if self.task.tune is None or not logits:
            return []
        gold = [example.gold for examples in self.examples.values() for example in examples]
        return self.task.tune(self.task.decoder.probabilities(np.concatenate(logits), labels), gold, labels)

    @cached_property
    def _inputs(self) -> list[Text]:
        return [example.input for examples in self.examples.values() for example in examples]

    @cached_property
    def _reading(self) -> Reading:
        reading: Reading = self.reader.read(self._inputs)
        return reading
