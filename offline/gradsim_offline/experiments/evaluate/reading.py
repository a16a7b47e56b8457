"""Read what a bundle is to be scored on: one split of any data set, or of your own files, which need no other split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import SPLITS, Dataset, Example, Split, TaggedSentence
from gradsim_offline.datasets import tagged as _tagged
from gradsim_offline.datasets import token_files as _token_files
from gradsim_offline.datasets.source import load_source
from gradsim_offline.datasets.sources import files
from gradsim_offline.datasets.tables import read_table
from gradsim_shared.errors import DataError, SettingsError

FILES = "files"


def read_split(data: str, data_dir: Path | None, languages: Sequence[str] | None, split: Split) -> Dataset:
    """Read a data set, of which one split is scored.

    Args:
        data: A data set's name, or a directory of your own files: short for ``files`` with that ``data_dir``.
        data_dir: Where its files are; ``None``: the data set's own rule.
        languages: Only these; ``None``: all.
        split: The one that is scored.

    Raises:
        DataError: It cannot be found, is not as it should be, or holds no example of the split.
        SettingsError: There is no data set of that name.
    """
    if data not in plugins.names("datasets") and Path(data).is_dir():
        if data_dir is not None:
            raise SettingsError(f"--data {data} is a directory; leave out --data-dir, or name a data set with --data")
        data, data_dir = FILES, Path(data)
    if plugins.check("datasets", data) == FILES:
        dataset = _read_files(data_dir, languages, split)
    else:
        dataset = load_source(data).load(data_dir, languages)
    if not any(dataset.counts(split).values()):
        there = [f"{count} of {name}" for name in SPLITS if (count := sum(dataset.counts(name).values()))]
        raise DataError(f"{dataset.name} holds no {split} texts" + (f"; it holds {', '.join(there)}" if there else ""))
    return dataset


def _read_files(data_dir: Path | None, languages: Sequence[str] | None, split: Split) -> Dataset:
    """Read one split of your own files: nothing is trained, so they need no train split.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    expected = f"<lang>/{split}.tsv, .csv, .jsonl or .conll"
    if data_dir is None:
        raise DataError(f"the data set files needs --data-dir: a directory of {expected}")
    if not data_dir.is_dir():
        raise DataError(f"--data-dir {data_dir} is not a directory")
    folders = files._language_directories(data_dir, languages)
    paths = {code: path for code, folder in folders.items() if (path := _one_file(folder, split)) is not None}
    if not paths:
        raise DataError(f"{data_dir} has no {split} split: expected {expected} below it")
    task = files.task_of(paths.values())
    labels, found = _read_words(paths) if task == files.TAGGING else _read_texts(paths)
    return Dataset(FILES, task, labels, {code: {split: found.get(code, ())} for code in folders})


def _one_file(folder: Path, split: Split) -> Path | None:
    """Return a language's file; ``None`` if it has none of that split.

    Raises:
        DataError: There are two.
    """
    there = files._named(folder, split)
    if len(there) > 1:
        raise DataError(f"{folder}: {there[0].name} and {there[1].name}: keep one of them")
    return there[0] if there else None


def _read_words(paths: Mapping[str, Path]) -> tuple[tuple[str, ...], dict[str, list[TaggedSentence]]]:
    """Return the tags of the split, which are its labels, and each language's sentences, read as ``files`` does."""
    sentences = {code: _token_files.read(path) for code, path in paths.items()}
    labels = _token_files.labels_of(chain.from_iterable(sentences.values()))
    found = {
        code: _tagged.examples(_token_files.as_bio(mine, labels)[0], labels)[0] for code, mine in sentences.items()
    }
    return labels, found


def _read_texts(paths: Mapping[str, Path]) -> tuple[tuple[str, ...], dict[str, list[Example]]]:
    """Return the labels of the split, and each language's texts."""
    found = {code: read_table(path, None) for code, path in paths.items()}
    return tuple(sorted({example.label for mine in found.values() for example in mine})), found
