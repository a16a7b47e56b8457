"""Your own data: a directory of `<lang>/{train,dev,test}`, labelled texts (.tsv ...) or tagged words (.conll ...)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gradsim_offline.core.dataset import AnyExample, Dataset, Example, Split
from gradsim_offline.datasets import token_files
from gradsim_offline.datasets.columns import USUAL, Columns
from gradsim_offline.datasets.folders import aliases_of, unread_note, visible
from gradsim_offline.datasets.own_folders import language_folders, look_into
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tables import has_quoted_fields, read_table
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.excerpts import listing

TASK = "text_classification"  # of labelled texts; tagged words are for TAGGING
TAGGING = "token_classification"
LICENCE = "yours"
CITATION = ""


def load(
    data_dir: Path | None = None, languages: Sequence[str] | None = None, columns: Columns | None = None
) -> Dataset:
    """Read every language directory below ``data_dir``.

    What the files hold decides the task: labelled texts, or words with tags. The labels are those of the train splits,
    in alphabetical order (entities: O, then B-X and I-X of each type); dev and test may use no other. A language needs
    a train split; without a dev split its last epoch is kept, without a test split it is not scored.

    Args:
        data_dir: The directory; it must be given.
        languages: Codes of the languages to read, other directories are not looked at; ``None``: all that are there.
        columns: Which of a file's columns hold what; ``None``: the usual ones.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
        SettingsError: Columns are named that files for the task have not.
    """
    if data_dir is None:
        raise DataError("the data set files needs --data-dir: a directory of <lang>/{train,dev,test}.tsv")
    if not data_dir.is_dir():
        raise DataError(f"--data-dir {data_dir} is not a directory")
    folders, notes = language_folders(data_dir, languages)
    files = {code: folder.with_train().files for code, folder in folders.items()}
    aliases = aliases_of({code: folder.path for code, folder in folders.items()})
    columns = columns or USUAL
    task = task_of(path for splits in files.values() for path in splits.values())
    _check_columns(columns, task)
    if task == TAGGING:
        return token_files.load(data_dir, files, aliases, columns, notes)
    return _load_texts(data_dir, files, aliases, columns, notes)


def _check_columns(columns: Columns, task: str) -> None:
    """Refuse columns that files for the task have not.

    Raises:
        SettingsError: One is named.
    """
    others = ("text_column", "label_column") if task == TAGGING else ("word_column", "tag_column")
    for setting in others:
        if getattr(columns, setting) is not None:
            raise SettingsError(f"data_options.{setting}: the files are for {task}, which has no such column")


def read_language(
    directory: Path, labels: Sequence[str], task: str, columns: Columns = USUAL
) -> dict[Split, Sequence[AnyExample]]:
    """Return the examples of one language's directory, whose labels and task are given.

    Args:
        directory: The language's.
        labels: The allowed ones.
        task: What its files must be for.
        columns: Which of their columns hold what.

    Raises:
        DataError: They are for another task, or which file and line is not as it should be, and what is allowed.
    """
    files = look_into(directory).with_train().files
    if task_of(files.values()) != task:
        raise DataError(f"{directory} holds data for {task_of(files.values())}; expected {task}")
    if task == TAGGING:
        return {**token_files.read_labelled(files, columns, labels)[0]}
    return {split: read_table(path, labels, columns) for split, path in files.items()}


def language_notes(directory: Path) -> tuple[str, ...]:
    """Return what the user should know about one language's directory: what is not read, and how quotes are."""
    folder, root = look_into(directory), directory.parent
    return (*unread_note("files", root, folder.unread), *quoting_note(root, folder.files.values()))


def task_of(paths: Iterable[Path]) -> str:
    """Return the task that some files are for.

    Raises:
        DataError: Some hold texts with labels and some hold words with tags.
    """
    by_kind: dict[bool | None, Path] = {}  # None: an empty file
    for path in paths:
        by_kind.setdefault(token_files.holds_words(path), path)
    if by_kind.keys() >= {True, False}:
        raise DataError(
            f"{by_kind[False]} holds labelled texts and {by_kind[True]} tagged words; a data set is for one task: "
            "keep the files of the other one in another directory"
        )
    return TAGGING if True in by_kind else TASK


def task_in(data_dir: Path) -> str:
    """Return the task of a directory's files; where they cannot be read, that of texts: reading will say why."""
    try:
        folders = [look_into(path) for path in visible(data_dir) if path.is_dir()]
        return task_of(path for folder in folders for path in folder.files.values())
    except (DataError, OSError):
        return TASK


def quoting_note(root: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """Name the tab-separated files whose fields are quoted, in one sentence; empty if there are none."""
    names = [str(path.relative_to(root)) for path in paths if has_quoted_fields(path)]
    what = "quotation marks around fields, as pandas writes them, were taken off, and doubled ones read as one"
    return (f"files: {what}: {listing(names)}",) if names else ()


def _load_texts(
    data_dir: Path,
    files: Mapping[str, Mapping[Split, Path]],
    aliases: Mapping[str, tuple[str, ...]],
    columns: Columns,
    notes: Sequence[str],
) -> Dataset:
    training = {code: read_table(splits["train"], None, columns) for code, splits in files.items()}
    labels = tuple(sorted({example.label for examples in training.values() for example in examples}))
    if len(labels) < 2:
        raise DataError(f"{data_dir}: the train splits hold {len(labels)} label; a classifier needs two")
    examples: dict[str, dict[Split, Sequence[Example]]] = {}
    for code, splits in files.items():
        examples[code] = {
            split: training[code] if split == "train" else read_table(path, labels, columns)
            for split, path in splits.items()
        }
        if not training[code]:
            raise DataError(f"{splits['train']}: no examples; a language needs a train split that is not empty")
    notes = (*notes, *quoting_note(data_dir, (path for splits in files.values() for path in splits.values())))
    return Dataset("files", TASK, labels, examples, aliases, notes)


PLUGIN = DatasetSource(load, TASK, task_in=task_in, options=Columns)
