"""Your own texts: a directory of ``<lang>/{train,dev,test}.{tsv,csv,jsonl}``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline import languages as codes
from gradsim_offline.dataset import SPLITS, Dataset, Example, Split
from gradsim_offline.datasets._tables import read_table
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

TASK = "text_classification"
LICENCE = "yours"
CITATION = ""
ENDINGS = (".tsv", ".csv", ".jsonl")


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read every language directory below ``data_dir``.

    The labels are those of the train splits, in alphabetical order; dev and test may use no other. A language needs
    a train split; without a dev split its last epoch is kept, without a test split it is not scored.

    Args:
        data_dir: The directory; it must be given.
        languages: Codes of the languages to read, other directories are not looked at; ``None``: all that are there.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    if data_dir is None:
        raise DataError("the data set files needs --data-dir: a directory of <lang>/{train,dev,test}.tsv")
    if not data_dir.is_dir():
        raise DataError(f"--data-dir {data_dir} is not a directory")
    directories = [path for path in sorted(data_dir.iterdir()) if path.is_dir()]
    if languages is None:
        found = _by_language([path for path in directories if _holds_data(path)])
        wanted = list(found)
    else:
        wanted = [codes.resolve(code) for code in languages]
        found = _by_language([path for path in directories if _code(path) in wanted])
    if not found and languages is None:
        raise DataError(f"{data_dir} holds no data: expected <lang>/train.tsv, .csv or .jsonl below it")
    for code in wanted:
        if code not in found:
            raise DataError(f"{data_dir}: " + unknown("language", code, filter(None, map(_code, directories))))
    files = {code: _files(found[code]) for code in wanted}
    training = {code: read_table(files[code]["train"], None) for code in wanted}
    labels = tuple(sorted({example.label for examples in training.values() for example in examples}))
    if len(labels) < 2:
        raise DataError(f"{data_dir}: the train splits hold {len(labels)} label; a classifier needs two")
    examples: dict[str, dict[Split, Sequence[Example]]] = {}
    for code in wanted:
        examples[code] = {
            split: training[code] if split == "train" else read_table(path, labels)
            for split, path in files[code].items()
        }
        if not training[code]:
            raise DataError(f"{files[code]['train']}: no examples; a language needs a train split that is not empty")
    aliases = {code: (path.name,) for code, path in found.items() if code in wanted and path.name != code}
    return Dataset("files", TASK, labels, examples, aliases)


def _by_language(directories: Sequence[Path]) -> dict[str, Path]:
    """Return the directory of each language.

    Raises:
        DataError: A directory's name is no language code, or two name the same language.
    """
    found: dict[str, Path] = {}
    for path in directories:
        try:
            code = codes.resolve(path.name)
        except DataError as error:
            way = "Rename the folder, or read only those that you name: --languages CODES"
            raise DataError(f"{path}: {error} {way}") from error
        if code in found:
            raise DataError(f"{found[code]} and {path} are the same language, {code}; keep one of them")
        found[code] = path
    return found


def _code(directory: Path) -> str | None:
    """Return the language that a directory's name stands for, if any."""
    try:
        return codes.resolve(directory.name)
    except DataError:
        return None


def _holds_data(directory: Path) -> bool:
    return any(_named(directory, split) for split in SPLITS)


def _named(directory: Path, split: Split) -> list[Path]:
    """Return the files of a split; capitals in their names, as in ``train.TSV``, make no difference."""
    names = [f"{split}{ending}" for ending in ENDINGS]
    there = (path for path in sorted(directory.iterdir()) if path.name.lower() in names and path.is_file())
    return sorted(there, key=lambda path: names.index(path.name.lower()))


def _files(directory: Path) -> dict[Split, Path]:
    """Return the file of each split.

    Raises:
        DataError: There is no train split, or one split stands in two files.
    """
    found: dict[Split, Path] = {}
    for split in SPLITS:
        there = _named(directory, split)
        if len(there) > 1:
            raise DataError(f"{directory}: {there[0].name} and {there[1].name}: keep one of them")
        if there:
            found[split] = there[0]
    if "train" not in found:
        raise DataError(f"{directory}: no train split; expected train.tsv, train.csv or train.jsonl")
    return found
