"""Export a group's model that stands on a trunk: top.onnx, and how it answers behind the trunk that is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.bundle.export import RESULT, Terms, dev_texts, in_8_bits
from gradsim_offline.bundle.onnx import export
from gradsim_offline.bundle.parity import Choices, compare, parity_of, single_text_latency
from gradsim_offline.bundle.precisions import lost
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.models.trunk import read_trunk
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import TrainedModel, open_trained
from gradsim_offline.training.trunk_batches import hidden_states
from gradsim_offline.training.trunk_outputs import TrunkOutputs
from gradsim_runtime.loading import load_group_model
from gradsim_runtime.sessions import SessionSettings
from gradsim_shared.decoding import Decoded, Text
from gradsim_shared.errors import ModelError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Group, Parity, Precision, Trunk
from gradsim_shared.trunk import TrunkOutput

TOP_FILE, TRUNK_FOLDER = "top.onnx", "trunk"
_LEAST_AGREEMENT = 0.95  # of labels: outputs are kept in 16 bits, and the trunk runs again here


def export_top(
    dataset: Dataset,
    group: LanguageGroup,
    model_directory: Path,
    below: Path,
    directory: Path,
    *,
    task: Task,
    maximum_length: int,
    tolerance: float,
    most_texts: int,
    precision: str,
    progress: Progress,
) -> None:
    """Export what was trained on a trunk's outputs, and compare it with torch on dev texts of the served languages.

    Args:
        dataset: The examples.
        group: Its members, and what the model serves.
        model_directory: Of the trained model.
        below: Of the trunk.
        directory: Where to write.
        task: Its decoder, and how the model is loaded.
        maximum_length: Tokens that are read at once.
        tolerance: Largest allowed difference of a logit, behind the very same outputs of the trunk.
        most_texts: Dev texts, at most.
        precision: Of upper blocks: ``auto``, ``fp32`` or ``int8``; a linear head stays whole.
        progress: Says how it went.

    Raises:
        ModelError: Its logits differ from torch's, or too many labels do behind the trunk.
    """
    trained = open_trained(
        model_directory,
        dataset.labels,
        task=task,
        maximum_length=maximum_length,
        device=torch.device("cpu"),
        alone=True,
    )
    trunk = trunk_entry(below)
    inputs = export(trained.model, directory / TOP_FILE, task=task)
    form = Precision(file=TOP_FILE, parity=Parity(texts=0, max_difference=0, label_agreement=0), latency_milliseconds=0)
    draft = Group(
        id=group.id,
        members=list(group.members),
        tokenizer=trunk.tokenizer,
        precisions={"fp32": form},
        reads="trunk",
        inputs=inputs,
        pad_id=trunk.pad_id,
    )

    def path(file: str) -> Path:
        return below / Path(file).name if file in trunk.model_files else directory / file

    contract = Terms(dataset.task, dataset.labels, maximum_length, trunk=trunk, thresholds=trained.thresholds)
    choices = partial(task.choices, thresholds=trained.thresholds)
    served = load_group_model(path, draft, contract, SessionSettings(threads=1))
    texts = dev_texts(dataset, group, most_texts)
    _check_alone(served, trained, texts, group.id, tolerance, choices)
    parity, _ = parity_of(served.logits(texts), trained.logits(texts), choices)
    if parity.label_agreement < _LEAST_AGREEMENT:
        raise ModelError(
            f"group {group.id}: behind the exported trunk {1 - parity.label_agreement:.1%} of {parity.texts} texts get "
            "another label than in training; keep the trunk in 32 bits (--set exporting.precision=fp32)"
        )
    latency = single_text_latency(served, texts)
    progress.note(f"  {parity.texts} texts: label agreement {parity.label_agreement:.1%}, {latency:.1f} ms per text")
    form = form.model_copy(update={"parity": parity, "latency_milliseconds": round(latency, 3)})
    entry = draft.model_copy(update={"precisions": {"fp32": form}})
    if precision != "fp32" and (kept := trained.outputs) is not None and not kept.pools:
        dev = {code: dataset.split(code, "dev") for code in group.served}

        def judge(smaller: GroupModel) -> str:
            if precision != "auto":
                return ""
            return lost(_Kept(served, kept), _Kept(smaller, kept), dev, task, dataset.labels)

        entry = in_8_bits(path, entry, contract, judge, texts, trained.logits(texts), choices, progress)
    write_json(directory / RESULT, entry.model_dump(mode="json"))


def trunk_entry(directory: Path) -> Trunk:
    """Return the entry of the trunk in a directory, under the paths that it has in a bundle."""
    entry = read_trunk(directory)
    forms = {
        name: form.model_copy(update={"file": f"{TRUNK_FOLDER}/{form.file}"}) for name, form in entry.precisions.items()
    }
    placed = {"tokenizer": f"{TRUNK_FOLDER}/{entry.tokenizer}", "precisions": forms}
    return entry.model_copy(update=placed)


@dataclass(frozen=True)
class _Kept:
    """A model behind the trunk's outputs that are kept: what was read for its training is not read again.

    Attributes:
        served: Reads and decodes.
        outputs: Of the trunk.
    """

    served: GroupModel
    outputs: TrunkOutputs

    def answers(self, texts: Sequence[Text]) -> list[Decoded]:
        readings = self.served.read(texts)
        found = iter(self.run([ids for reading in readings for ids in reading.ids]))
        logits = [self.served.gather(reading, list(islice(found, len(reading.ids)))) for reading in readings]
        return self.served.decode(logits, texts, readings)

    def run(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        found: dict[int, NDArray[np.float32]] = {}
        for rows in self.served.chunks([len(each) for each in ids]):
            found |= zip(rows, self.run_chunk([ids[row] for row in rows]), strict=True)
        return [found[row] for row in range(len(ids))]

    def run_chunk(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        states = self.outputs.pooled(ids) if self.outputs.pools else np.asarray(hidden_states(ids, self.outputs))
        lengths = np.array([len(each) for each in ids])
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        return self.served.run_top(TrunkOutput(states, mask))


def _check_alone(
    served: GroupModel, trained: TrainedModel, texts: Sequence[Text], name: str, tolerance: float, choices: Choices
) -> None:
    """Compare both on the very same outputs of the trunk, which were kept."""
    assert trained.outputs is not None
    ids = trained.read(texts).ids
    kept = _Kept(served, trained.outputs)
    found, expected = [output for each in ids for output in kept.run_chunk([each])], trained.run(ids)
    rows = [[row if row.ndim == 2 else row[None] for row in each] for each in (found, expected)]
    compare(*rows, name=name, tolerance=tolerance, choices=choices)
