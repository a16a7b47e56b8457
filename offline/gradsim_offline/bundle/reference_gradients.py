"""Keep in a bundle what assigning a new language needs: the joint model, and every language's gradient at it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.model_gradients import LAYER, half_gradients
from gradsim_offline.similarity.products import cosines
from gradsim_offline.training.batching import Row
from gradsim_offline.training.task import Task
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import Assignment

FOLDER = "assignment"
GRADIENTS_FILE = "gradients.safetensors"
ENTRY_FILE = "assignment.json"
MOST_TEXTS = 2000  # of a language: the mean of more is hardly another one
FEWEST_DEV_TEXTS = 30
_MODEL_FILES = (
    "config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
_SAMPLE_WORDS = 11  # keeps the random stream that draws a sample apart from the others


@dataclass(frozen=True)
class ReferenceGradients:
    """What goes into a bundle's ``assignment/``.

    Attributes:
        model: The joint model's directory, as a training left it.
        directory: Holds gradients.safetensors and assignment.json.
        digest: Of that directory.
    """

    model: Path
    directory: Path
    digest: str = ""

    def copy_to(self, bundle: Path) -> tuple[Assignment, list[str]]:
        """Copy everything below ``bundle/assignment``; return the manifest's entry and the files, by path."""
        entry = Assignment.model_validate_json((self.directory / ENTRY_FILE).read_text(encoding="utf-8"))
        folder = bundle / FOLDER
        folder.mkdir(parents=True)
        files = [*model_files(self.model), self.directory / GRADIENTS_FILE]
        for file in files:
            if file.suffix == ".safetensors" and file.name != GRADIENTS_FILE:
                _in_16_bits(file, folder / file.name)
            else:
                shutil.copyfile(file, folder / file.name)
        return entry, [f"{FOLDER}/{file.name}" for file in files]


def _in_16_bits(source: Path, target: Path) -> None:
    """Copy weights, in 16 bits where they are floating point: assigning compares gradients, serving reads none."""
    with safe_open(source, "pt") as content:
        metadata = content.metadata()
    weights = {name: w.half() if w.is_floating_point() else w for name, w in load_file(source).items()}
    save_file(weights, target, metadata)


def joint_model(measure: Path, multilingual: Path) -> Path:
    """Return the directory of the model to measure at: the one the measurement trained, else the multilingual one."""
    return measure if (measure / "training.json").is_file() else multilingual


def model_files(directory: Path) -> list[Path]:
    """Return the files of a saved model and its tokenizer, and nothing else of its directory."""
    return sorted({file for pattern in _MODEL_FILES for file in directory.glob(pattern)})


def measure_gradients(
    dataset: Dataset,
    model_directory: Path,
    directory: Path,
    *,
    task: Task,
    maximum_length: int,
    seed: int,
    device: torch.device,
    most_texts: int = MOST_TEXTS,
) -> None:
    """Measure every language's mean gradient at a fixed model, over texts that it was not trained on.

    A model's gradient on the texts that it was trained on fades as it learns them; what is left of it has another
    direction than on new ones, and those of the new language are new to it. So dev texts are taken, and training texts
    only of all languages together, where one of them has fewer than 30 dev texts.

    Args:
        dataset: The examples of the model's languages.
        model_directory: The joint model, in Hugging Face form with its tokenizer.
        directory: Gets gradients.safetensors (``head.out`` ``[2, languages, parameters]``, ``counts``
            ``[2, languages]``) and assignment.json (the manifest's entry).
        task: The task's torch half.
        maximum_length: Tokens; longer texts are cut.
        seed: The build's seed.
        device: Where to compute.
        most_texts: Texts of a language, at most.
    """
    tokenizer, pad_id = load_tokenizer(model_directory, maximum_length=maximum_length)
    reader = task.decoder.Reader(tokenizer, maximum_length)
    model = task.load_model(model_directory, dataset.labels)
    for weight in model.state_dict().values():
        if weight.is_floating_point():
            weight.copy_(weight.half())  # as the bundle keeps them
    split: Split = "dev" if min(dataset.counts("dev").values()) >= FEWEST_DEV_TEXTS else "train"
    rows: list[Row] = []
    for number, language in enumerate(dataset.languages):
        examples = dataset.split(language, split)
        random = np.random.default_rng([seed, number, _SAMPLE_WORDS])
        chosen = sorted(random.permutation(len(examples))[:most_texts])
        sample = [examples[i] for i in chosen]
        found = task.encode(reader, sample, dataset.labels, language=number, seed=seed)
        rows += [replace(row, language=number) for row in found]
    halves, counts = half_gradients(model, rows, len(dataset.languages), pad_id, task=task, device=device)
    save_file({LAYER: halves, "counts": counts}, directory / GRADIENTS_FILE)
    split_half = cosines(halves[0], halves[1]).diagonal()
    entry = Assignment(
        layer=LAYER,
        split=split,
        languages=list(dataset.languages),
        split_half=[float(value) for value in split_half],
    )
    write_json(directory / ENTRY_FILE, entry.model_dump(mode="json"))


def read_gradients(path: Path, entry: Assignment) -> Tensor:
    """Return the mean gradient of every language, ``[languages, parameters]``.

    Raises:
        BundleError: The file is not what the manifest says.
    """
    content = load_file(path)
    halves, counts = content.get(entry.layer), content.get("counts")
    if halves is None or counts is None or halves.shape[:2] != counts.shape or len(entry.languages) != counts.shape[1]:
        raise BundleError(f"{path} does not hold gradients of {entry.layer} for {len(entry.languages)} languages")
    shares = counts.double() / counts.sum(0).clamp(min=1)
    return (halves.double() * shares[..., None]).sum(0)
