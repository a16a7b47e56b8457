"""Read what a bundle is to be scored on: one split of any data set, or of your own files, which need no other split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import SPLITS, Dataset, Example, Split
from gradsim_offline.datasets.columns import Columns
from gradsim_offline.datasets.own_folders import language_folders
from gradsim_offline.datasets.source import FILES, load_dataset, named
from gradsim_offline.datasets.sources import files
from gradsim_offline.datasets.tables import read_table
from gradsim_offline.datasets.token_files import read_labelled
from gradsim_shared.errors import DataError


def read_split(
    data: str,
    data_dir: Path | None,
    languages: Sequence[str] | None,
    split: Split,
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read a data set, of which one split is scored.

    Args:
        data: A data set's name, or a directory of your own files: short for ``files`` with that ``data_dir``.
        data_dir: Where its files are; ``None``: the data set's own rule.
        languages: Only these; ``None``: all.
        split: The one that is scored.
        options: Settings of ``files``: those that the bundle was built with; ``None``: the defaults.

    Raises:
        DataError: It cannot be found, is not as it should be, or holds no example of the split.
        SettingsError: There is no data set of that name.
    """
    data, data_dir = named(data, data_dir)
    if plugins.check("datasets", data) == FILES:
        dataset = _read_files(data_dir, languages, split, plugins.options("datasets", FILES, options or {}))
    else:
        dataset = load_dataset(data, data_dir, languages)
    if not any(dataset.counts(split).values()):
        there = [f"{count} of {name}" for name in SPLITS if (count := sum(dataset.counts(name).values()))]
        raise DataError(f"{dataset.name} holds no {split} texts" + (f"; it holds {', '.join(there)}" if there else ""))
    return dataset


def _read_files(data_dir: Path | None, languages: Sequence[str] | None, split: Split, columns: Columns) -> Dataset:
    """Read one split of your own files: nothing is trained, so they need no train split.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    expected = f"<lang>/{split}.tsv, .csv, .jsonl or .conll"
    if data_dir is None:
        raise DataError(f"the data set files needs --data-dir: a directory of {expected}")
    if not data_dir.is_dir():
        raise DataError(f"--data-dir {data_dir} is not a directory")
    folders, notes = language_folders(data_dir, languages)
    paths = {code: folder.files[split] for code, folder in folders.items() if split in folder.files}
    if not paths:
        raise DataError(f"{data_dir} has no {split} split: expected {expected} below it")
    task = files.task_of(paths.values())
    read = read_labelled if task == files.TAGGING else _read_texts
    found, labels = read(paths, columns)
    notes = (*notes, *files.quoting_note(data_dir, paths.values()))
    return Dataset(FILES, task, labels, {code: {split: found.get(code, ())} for code in folders}, notes=notes)


def _read_texts(paths: Mapping[str, Path], columns: Columns) -> tuple[dict[str, list[Example]], tuple[str, ...]]:
    """Return each language's texts, and the labels of the split."""
    found = {code: read_table(path, None, columns) for code, path in paths.items()}
    return found, tuple(sorted({example.label for mine in found.values() for example in mine}))
