"""AfriSenti: sentiment of tweets in 12 languages of Africa (SemEval-2023 Task 12), 63 685 for training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import SPLITS, Dataset, Example, Split
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tables import read_table
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

TASK = "text_classification"
LABELS = ("negative", "neutral", "positive")
LICENCE = "CC BY 4.0"
CITATION = "Muhammad et al., AfriSenti, EMNLP 2023 (arXiv 2302.08956)"
HUB_NAME = "mteb/AfriSentiClassification"  # as parquet: the authors' own entry is a script, which no longer runs
HUB_REVISION = "463850b9da81847227ff03f3f80a3310b93cba3c"
HUB_LABELS = ("positive", "neutral", "negative")  # by class number
HUB_SPLITS: dict[Split, tuple[str, ...]] = {"train": ("train",), "dev": ("validation", "dev"), "test": ("test",)}
ENVIRONMENT = "GRADSIM_DATA"

LANGUAGES = ("amh", "arq", "ary", "hau", "ibo", "kin", "pcm", "por", "swa", "tso", "twi", "yor")
ALIASES = {  # the paper's and the Hub's own codes; dz and kr are other languages in ISO 639-1
    "amh": ("am",),
    "arq": ("dz",),
    "ary": ("ma",),
    "hau": ("ha",),
    "ibo": ("ig",),
    "kin": ("kr", "rw"),
    "por": ("pt",),
    "swa": ("sw",),
    "tso": ("ts",),
    "twi": ("tw",),
    "yor": ("yo",),
}


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read AfriSenti from ``data_dir``, else ``$GRADSIM_DATA/afrisenti``, else the Hugging Face Hub.

    Args:
        data_dir: A directory of ``<lang>/{train,dev,test}.tsv`` in the form of its authors' repository.
        languages: ISO 639-3 codes or AfriSenti's own; ``None``: all twelve.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    wanted = sorted({_resolve(code) for code in languages}) if languages is not None else list(LANGUAGES)
    directory = data_dir or _from_environment()
    if directory is not None:
        examples = {code: _read_directory(directory, code) for code in wanted}
    else:
        examples = {code: read_hub(code) for code in wanted}
    return Dataset("afrisenti", TASK, LABELS, examples, {code: ALIASES[code] for code in wanted if code in ALIASES})


def _resolve(code: str) -> str:
    own = {alias: language for language, aliases in ALIASES.items() for alias in aliases}
    try:
        found = own.get(code.lower()) or codes.resolve(code)
    except DataError:
        found = code
    if found not in LANGUAGES:
        raise DataError("afrisenti: " + unknown("language", code, LANGUAGES))
    return found


def _from_environment() -> Path | None:
    root = os.environ.get(ENVIRONMENT)
    if not root:
        return None
    directory = Path(root) / "afrisenti"
    if not directory.is_dir():
        raise DataError(
            f"afrisenti: {ENVIRONMENT} is set to {root}, but {directory} is not a directory; set it to the folder that "
            "holds afrisenti/, or unset it to read from the Hugging Face Hub"
        )
    return directory


def _read_directory(directory: Path, code: str) -> dict[Split, Sequence[Example]]:
    if not directory.is_dir():
        raise DataError(f"afrisenti: {directory} is not a directory")
    found: dict[Split, Sequence[Example]] = {}
    for split in SPLITS:
        path = directory / code / f"{split}.tsv"
        if not path.is_file():
            raise DataError(f"afrisenti: {path} is missing; expected <lang>/train.tsv, dev.tsv and test.tsv")
        found[split] = read_table(path, LABELS, literal=True)
    return found


def read_hub(code: str, name: str = HUB_NAME, revision: str | None = HUB_REVISION) -> dict[Split, Sequence[Example]]:
    """Read one language with ``datasets``, from the Hub or from a local directory of the same form.

    Raises:
        DataError: It cannot be loaded; the message names the ways on.
    """
    import datasets
    import huggingface_hub

    huggingface_hub.utils.logging.set_verbosity_error()  # its retries are no news; what comes of them is

    try:
        tables: Any = datasets.load_dataset(name, code, revision=revision)
    except Exception as error:  # datasets raises errors of many libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"afrisenti: {name} ({code}) cannot be loaded from the Hugging Face Hub: {reason}. Ways on: --data-dir "
            f"DIRECTORY with <lang>/{{train,dev,test}}.tsv, or set {ENVIRONMENT} to the folder that holds afrisenti/"
        ) from error
    return {split: [_example(row) for row in _split(tables, names)] for split, names in HUB_SPLITS.items()}


def _split(tables: Any, names: Sequence[str]) -> Any:  # noqa: ANN401 - datasets has no types
    """Return a split by the first of its names that is there."""
    for name in names:
        if name in tables:
            return tables[name]
    raise DataError(f"afrisenti: the Hub's data set has no split {names[0]}; found {', '.join(tables)}")


def _example(row: dict[str, Any]) -> Example:
    """Turn a row of the Hub's tables, whose labels may be class numbers, into an example."""
    label = row["label"]
    if label not in LABELS and label not in range(len(HUB_LABELS)):
        raise DataError(f"afrisenti: {HUB_NAME} has the label {label!r}; expected {', '.join(HUB_LABELS)}, or 0 to 2")
    return Example(
        row["tweet"] if "tweet" in row else row["text"], label if isinstance(label, str) else HUB_LABELS[label]
    )


PLUGIN = DatasetSource(load, TASK)
