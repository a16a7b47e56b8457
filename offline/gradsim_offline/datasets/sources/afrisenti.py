"""AfriSenti: sentiment of tweets in 12 languages of Africa (SemEval-2023 Task 12), 63 685 for training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset, Example, Split
from gradsim_offline.datasets.folders import source_folder, split_files
from gradsim_offline.datasets.hub import load_tables
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
    directory = source_folder("afrisenti", data_dir)
    examples = {code: read_hub(code) if directory is None else _read_folder(directory / code) for code in wanted}
    return Dataset("afrisenti", TASK, LABELS, examples, {code: ALIASES[code] for code in wanted if code in ALIASES})


def _resolve(code: str) -> str:
    code_of = {alias: language for language, aliases in ALIASES.items() for alias in aliases}
    language = code_of.get(code.lower()) or codes.find(code)
    if language not in LANGUAGES:
        raise DataError("afrisenti: " + unknown("language", code, LANGUAGES))
    return str(language)


def _read_folder(folder: Path) -> dict[Split, Sequence[Example]]:
    files = split_files("afrisenti", folder, (".tsv",))
    return {split: read_table(path, LABELS, literal=True) for split, path in files.items()}


def read_hub(code: str, name: str = HUB_NAME, revision: str | None = HUB_REVISION) -> dict[Split, Sequence[Example]]:
    """Read one language with ``datasets``, from the Hub or from a local directory of the same form.

    Raises:
        DataError: It cannot be loaded; the message names the alternatives.
    """
    tables = load_tables("afrisenti", name, revision, code, name=code)
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
