"""Export one group: model.onnx, tokenizer.json, and what their check against the trained model found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from gradsim_offline.bundle.full_length import check_shapes
from gradsim_offline.bundle.onnx import MODEL_FILE, export
from gradsim_offline.bundle.parity import Choices, compare, parity_of, single_text_latency
from gradsim_offline.bundle.precisions import INT8, lost, quantise
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.training.ensemble import Ensemble
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import open_trained
from gradsim_runtime.loading import load_group_model
from gradsim_runtime.sessions import SessionSettings
from gradsim_shared.decoding import Logits, Text
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Group, Parity, Precision, Trunk
from gradsim_shared.ngrams import TABLE_FILE, is_table
from gradsim_shared.normalisation import NEWEST

TOKENIZER_FILE = "tokenizer.json"
RESULT = "export.json"


@dataclass(frozen=True)
class Terms:
    """What a model must know of a bundle that is not there yet; its words are given, so no rule splits them."""

    task: str
    labels: Sequence[str]
    maximum_length: int
    segmentation: str = "none"
    normalisation: int = NEWEST
    long_texts: str = "cut"
    trunk: Trunk | None = None
    thresholds: Sequence[float] = ()


def export_group(
    dataset: Dataset,
    group: LanguageGroup,
    model_directory: Path,
    directory: Path,
    *,
    task: Task,
    maximum_length: int,
    tolerance: float,
    most_texts: int,
    precision: Literal["auto", "fp32", "int8"] = "fp32",
    progress: Progress,
) -> None:
    """Export a group's model and compare its logits with torch's on the dev texts of the served languages.

    It also runs in every shape that the service may give it: what is exported can be served. A smaller form takes its
    place where it is asked for, or where it loses next to nothing on dev (``precisions.py``).

    Raises:
        ModelError: The architecture cannot be exported, the model cannot run, or the outputs differ.
    """
    tokenizer, pad_id = load_tokenizer(model_directory, maximum_length=maximum_length)
    tokenizer.no_truncation()
    tokenizer_file = TABLE_FILE if is_table(model_directory) else TOKENIZER_FILE
    tokenizer.save(str(directory / tokenizer_file))
    trained = open_trained(
        model_directory, dataset.labels, task=task, maximum_length=maximum_length, device=torch.device("cpu")
    )
    inputs = export(trained.model, directory / MODEL_FILE, task=task)

    texts = dev_texts(dataset, group, most_texts)
    draft = Group(
        id=group.id,
        members=list(group.members),
        tokenizer=tokenizer_file,
        precisions=_precisions(Parity(texts=0, max_difference=0, label_agreement=0), 0),
        inputs=inputs,
        pad_id=pad_id,
        ensemble=len(trained.model.members) if isinstance(trained.model, Ensemble) else 1,
    )
    contract = Terms(dataset.task, dataset.labels, maximum_length, thresholds=trained.thresholds)
    choices = partial(task.choices, thresholds=trained.thresholds)
    served = load_group_model(directory.joinpath, draft, contract, SessionSettings(threads=1))
    judged: dict[str, Any] = {"name": group.id, "tolerance": tolerance, "choices": choices}
    check_shapes(served, trained, texts, maximum_length=maximum_length, **judged)
    parity = compare(served.logits(texts), trained.logits(texts), **judged)
    latency = single_text_latency(served, texts)
    progress.note(
        f"  {parity.texts} texts: largest difference {parity.max_difference:.1e}, "
        f"label agreement {parity.label_agreement:.1%}, {latency:.1f} ms per text"
    )
    entry = draft.model_copy(update={"precisions": _precisions(parity, round(latency, 3))})
    if precision != "fp32" and tokenizer_file != TABLE_FILE:  # the weights of n-grams are small already
        dev = {code: dataset.split(code, "dev") for code in group.served}

        def judge(smaller: GroupModel) -> str:
            return lost(served, smaller, dev, task, dataset.labels) if precision == "auto" else ""

        entry = in_8_bits(directory.joinpath, entry, contract, judge, texts, trained.logits(texts), choices, progress)
    write_json(directory / RESULT, entry.model_dump(mode="json"))


def in_8_bits(
    path: Callable[[str], Path],
    entry: Group,
    contract: Terms,
    judge: Callable[[GroupModel], str],
    texts: Sequence[Text],
    trained: Sequence[Logits],
    choices: Choices,
    progress: Progress,
) -> Group:
    """Quantise an exported model; return its entry with the form that is kept, and remove the file of the other.

    Args:
        path: Where a file of the export is.
        entry: Of the whole form.
        contract: Of the bundle that is to be.
        judge: From the smaller form to what it loses too much, in words; empty: it is kept.
        texts: That it is compared with the trained model on.
        trained: That model's logits of them.
        choices: What is chosen between.
        progress: Says what was kept.
    """
    file = entry.precisions["fp32"].file
    small = file.replace(".onnx", f".{INT8}.onnx")
    quantise(path(file), path(small))
    form = entry.precisions["fp32"].model_copy(update={"file": small})
    kept = entry.model_copy(update={"precisions": {INT8: form}})
    smaller = load_group_model(path, kept, contract, SessionSettings(threads=1))
    sizes = [path(each).stat().st_size / 1e6 for each in (small, file)]
    said = "  8 bits take {:.1f} MB instead of {:.1f}: ".format(*sizes)
    if reason := judge(smaller):
        progress.note(f"{said}not taken, {reason}")
        path(small).unlink()
        return entry.model_copy(update={"refused": {INT8: reason}})
    parity, _ = parity_of(smaller.logits(texts), trained, choices)
    latency = round(single_text_latency(smaller, texts), 3)
    progress.note(f"{said}label agreement {parity.label_agreement:.1%}, {latency:.1f} ms per text")
    path(file).unlink()
    form = Precision(file=small, parity=parity, latency_milliseconds=latency)
    return entry.model_copy(update={"precisions": {INT8: form}})


def dev_texts(dataset: Dataset, group: LanguageGroup, most: int) -> list[Text]:
    """Return dev texts of the served languages (training texts where there are none), in turn, ``most`` at most."""
    pools = [dataset.split(code, "dev") or dataset.split(code, "train") for code in group.served]
    share = max(1, most // len(pools))
    chosen: list[Text] = []
    for pool in pools:
        places = np.linspace(0, len(pool) - 1, min(share, len(pool))).astype(int)
        chosen += [pool[i].input for i in places]
    return chosen


def read_export(directory: Path, group_id: str) -> Group:
    """Return the manifest entry of an exported group, under the id and paths that it has in the bundle."""
    entry = Group.model_validate(json.loads((directory / RESULT).read_text(encoding="utf-8")))
    return entry.model_copy(
        update={
            "id": group_id,
            "tokenizer": entry.tokenizer if entry.reads == "trunk" else f"groups/{group_id}/{entry.tokenizer}",
            "precisions": {
                name: precision.model_copy(update={"file": f"groups/{group_id}/{precision.file}"})
                for name, precision in entry.precisions.items()
            },
        }
    )


def _precisions(parity: Parity, latency: float) -> dict[str, Precision]:
    return {"fp32": Precision(file=MODEL_FILE, parity=parity, latency_milliseconds=latency)}
