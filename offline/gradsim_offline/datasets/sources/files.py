"""Your own data: a directory of `<lang>/{train,dev,test}`, texts (.tsv .csv .jsonl) or tagged words (.conll .jsonl)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import SPLITS, AnyExample, Dataset, Example, Split
from gradsim_offline.datasets import tagged as _tagged
from gradsim_offline.datasets import token_files as _token_files
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tables import read_table
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

TASK = "text_classification"  # of labelled texts; tagged words are for TAGGING
TAGGING = "token_classification"
LICENCE = "yours"
CITATION = ""
TEXT_ENDINGS = (".tsv", ".csv", ".jsonl")
ENDINGS = (*TEXT_ENDINGS, *_token_files.ENDINGS)


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read every language directory below ``data_dir``.

    What the files hold decides the task: labelled texts, or words with tags. The labels are those of the train splits,
    in alphabetical order (entities: O, then B-X and I-X of each type); dev and test may use no other. A language needs
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
    found = _language_directories(data_dir, languages)
    files = {code: _files(path) for code, path in found.items()}
    aliases = {code: (path.name,) for code, path in found.items() if path.name != code}
    if task_of(path for splits in files.values() for path in splits.values()) == TAGGING:
        return _token_files.load(data_dir, files, aliases)
    return _load_texts(data_dir, files, aliases)


def read_language(directory: Path, labels: Sequence[str], task: str) -> dict[Split, Sequence[AnyExample]]:
    """Return the examples of one language's directory, whose labels and task are given.

    Raises:
        DataError: They are for another task, or which file and line is not as it should be, and what is allowed.
    """
    files = _files(directory)
    if task_of(files.values()) != task:
        raise DataError(f"{directory} holds data for {task_of(files.values())}; expected {task}")
    if task == TAGGING:
        return {
            split: _tagged.examples(_token_files.as_bio(_token_files.read(path), labels)[0], labels)[0]
            for split, path in files.items()
        }
    return {split: read_table(path, labels) for split, path in files.items()}


def task_of(paths: Iterable[Path]) -> str:
    """Return the task that some files are for.

    Raises:
        DataError: Some hold texts with labels and some hold words with tags.
    """
    by_kind: dict[bool | None, Path] = {}  # None: an empty file
    for path in paths:
        by_kind.setdefault(_token_files.holds_words(path), path)
    if by_kind.keys() >= {True, False}:
        raise DataError(
            f"{by_kind[False]} holds labelled texts and {by_kind[True]} tagged words; a data set is for one task: "
            "keep the files of the other one in another directory"
        )
    return TAGGING if True in by_kind else TASK


def task_in(data_dir: Path) -> str:
    """Return the task of a directory's files; where they cannot be read, that of texts: reading will say why."""
    try:
        files = [path for directory in data_dir.iterdir() if directory.is_dir() for path in _files(directory).values()]
        return task_of(files)
    except (DataError, OSError):
        return TASK


def _load_texts(
    data_dir: Path, files: Mapping[str, Mapping[Split, Path]], aliases: Mapping[str, tuple[str, ...]]
) -> Dataset:
    training = {code: read_table(splits["train"], None) for code, splits in files.items()}
    labels = tuple(sorted({example.label for examples in training.values() for example in examples}))
    if len(labels) < 2:
        raise DataError(f"{data_dir}: the train splits hold {len(labels)} label; a classifier needs two")
    examples: dict[str, dict[Split, Sequence[Example]]] = {}
    for code, splits in files.items():
        examples[code] = {
            split: training[code] if split == "train" else read_table(path, labels) for split, path in splits.items()
        }
        if not training[code]:
            raise DataError(f"{splits['train']}: no examples; a language needs a train split that is not empty")
    return Dataset("files", TASK, labels, examples, aliases)


def _language_directories(data_dir: Path, languages: Sequence[str] | None) -> dict[str, Path]:
    """Return the directory of each language that is to be read.

    Raises:
        DataError: There is none, one that is wanted is not there, or a name is no language code.
    """
    directories = [path for path in sorted(data_dir.iterdir()) if path.is_dir()]
    if languages is None:
        found = _by_language([path for path in directories if _holds_data(path)])
        if not found:
            raise DataError(f"{data_dir} holds no data: expected <lang>/train.tsv, .csv, .jsonl or .conll below it")
        return found
    wanted = [codes.resolve(code) for code in languages]
    found = _by_language([path for path in directories if _code(path) in wanted])
    for code in wanted:
        if code not in found:
            raise DataError(f"{data_dir}: " + unknown("language", code, filter(None, map(_code, directories))))
    return {code: found[code] for code in wanted}


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
    names = [f"{split}{ending}" for ending in dict.fromkeys(ENDINGS)]
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
        raise DataError(f"{directory}: no train split; expected train.tsv, train.csv or train.jsonl, or train.conll")
    return found


PLUGIN = DatasetSource(load, TASK, task_in=task_in)
