"""Your own data: labelled texts or pairs (.tsv ...), questions (.json ...), or tagged words (.conll ...)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gradsim_offline.core.dataset import AnyExample, Dataset, Example, Split
from gradsim_offline.datasets import label_sets, questions, tables, token_files
from gradsim_offline.datasets.columns import USUAL, Columns
from gradsim_offline.datasets.hold_out import hold_out
from gradsim_offline.datasets.objects import Part, place_of
from gradsim_offline.datasets.own_data import find, paths_in
from gradsim_offline.datasets.source import FILES, DatasetSource, data_name
from gradsim_offline.datasets.tables import read_table
from gradsim_shared.errors import DataError, SettingsError

TASK = "text_classification"  # of labelled texts; of several labels each for MULTI_LABEL, of pairs for PAIRS
PAIRS, TAGGING, MULTI_LABEL = "pair_classification", "token_classification", label_sets.TASK
QUESTIONS = questions.TASK
LICENCE = "yours"
CITATION = ""
_HELD = {
    TASK: "labelled texts",
    PAIRS: "labelled pairs of texts",
    TAGGING: "tagged words",
    QUESTIONS: "questions",
}
TEST_SHARE = 0.2  # of a table without splits


def load(
    data_dir: Path | None = None, languages: Sequence[str] | None = None, columns: Columns | None = None
) -> Dataset:
    """Read every language below ``data_dir``, or in it.

    What the files hold decides the task: labelled texts or pairs, words with tags, or questions. The labels are those
    of the train splits, in alphabetical order (entities: O, then B-X and I-X of each type); dev and test may use
    no other. A language needs a train split; a share of it is held out as dev where there is none, and as test where a
    table has no splits.

    Args:
        data_dir: A directory of language folders, a table, or a directory of tables; it must be given.
        languages: Codes of the languages to read, others are not looked at; ``None``: all that are there.
        columns: Which of a file's columns hold what; ``None``: the usual ones.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
        SettingsError: Columns are named that files for the task have not.
    """
    columns = columns or USUAL
    own = find(data_dir, languages, columns)
    task, note = task_of([part for splits in own.parts.values() for part in splits.values()], columns)
    _check_columns(columns, task)
    own_readers = {MULTI_LABEL: label_sets.load, TAGGING: token_files.load, QUESTIONS: questions.load}
    read = own_readers.get(task, _load_texts)
    name = data_name(FILES, data_dir)
    dataset = read(name, own.parts, columns)
    dataset = replace(dataset, name=name, task=task, aliases=own.aliases, notes=(*own.notes, *note, *dataset.notes))
    if own.unsplit:
        dataset = hold_out(dataset, "test", TEST_SHARE)
    return hold_out(dataset, "dev", columns.held_out)


def load_split(
    data_dir: Path | None, languages: Sequence[str] | None, split: Split, columns: Columns | None = None
) -> Dataset:
    """Read one split, which may be the only one: nothing is trained. Its labels are those that stand there.

    What a build holds out of train is held out here, too.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed; or there is no such split.
    """
    columns = columns or USUAL
    own = find(data_dir, languages, columns, trains=False)
    without = [code for code, splits in own.parts.items() if split not in splits]
    whole = all("train" in splits for splits in own.parts.values())
    if without and whole and (own.unsplit or (split == "dev" and columns.held_out)):
        return load(data_dir, languages, columns)
    parts = {code: splits[split] for code, splits in own.parts.items() if split in splits}
    if not parts:
        raise DataError(
            f"{data_dir} has no {split} split: expected <lang>/{split}.tsv, .csv, .jsonl or .conll below it"
        )
    task, note = task_of([part for there in own.parts.values() for part in there.values()], columns)
    examples, labels = _READ[task](parts, columns, None)
    by_code = {code: {split: examples.get(code, ())} for code in own.parts}
    return Dataset(data_name(FILES, data_dir), task, labels, by_code, own.aliases, (*own.notes, *note))


def _check_columns(columns: Columns, task: str) -> None:
    """Refuse columns that files for the task have not.

    Raises:
        SettingsError: One is named.
    """
    of_texts = ("text_column", "second_column", "label_column", "label_columns", "task")
    of_words = ("word_column", "tag_column")
    others = {
        TAGGING: of_texts,
        MULTI_LABEL: (*of_words, "second_column"),
        QUESTIONS: (*of_texts, *of_words),
    }.get(task, (*of_words, "label_columns"))
    for setting in others:
        if getattr(columns, setting) is not None:
            raise SettingsError(f"data_options.{setting}: the files are for {task}, which has no such column")


def load_language(data_dir: Path, code: str, labels: Sequence[str], task: str, columns: Columns = USUAL) -> Dataset:
    """Read one language, whose labels and task are given; nothing is held out.

    Args:
        data_dir: As for ``load``.
        code: The language's.
        labels: The allowed ones.
        task: What its files must be for.
        columns: Which of their columns hold what.

    Raises:
        DataError: They are for another task, or which file and line is not as it should be, and what is allowed.
    """
    own = find(data_dir, [code], columns)
    parts = own.parts[code]
    of_texts = task in (TASK, MULTI_LABEL)
    asked = columns.model_copy(update={"task": task if of_texts else None})  # few texts may show too little
    if (found := task_of([*parts.values()], asked)[0]) != task:
        raise DataError(f"{data_dir} holds data for {found}; expected {task}")
    rules = {"language": code} if task == QUESTIONS else {}
    examples: dict[Split, Sequence[AnyExample]] = {**_READ[task](parts, columns, labels, **rules)[0]}
    return Dataset(data_name(FILES, data_dir), task, tuple(labels), {code: examples}, own.aliases, own.notes)


def task_of(parts: Sequence[Part], columns: Columns) -> tuple[str, tuple[str, ...]]:
    """Return the task that some files are for, and a note where that is to be said.

    Raises:
        DataError: They are for several.
    """
    by_task: dict[str, Part] = {}
    for part in parts:
        words = token_files.holds_words(part)
        if words is not None:  # None: an empty file
            by_task.setdefault(TAGGING if words else _of_texts(part, columns), part)
    if len(by_task) > 1:
        (place, held), *others = ((place_of(by_task[task]), what) for task, what in _HELD.items() if task in by_task)
        found = " and ".join([f"{place} holds {held}", *(f"{place} {held}" for place, held in others)])
        raise DataError(f"{found}; a data set is for one task: keep the files of the other one in another directory")
    task = next(iter(by_task), TASK)
    if task != TASK:
        return task, ()
    if columns.task is not None or columns.label_columns:
        return columns.task or MULTI_LABEL, ()
    sign = next(filter(None, (label_sets.sign_of(part, columns) for part in parts)), "")
    said = f"files: {sign}, so a text may have several labels: {MULTI_LABEL}; --task {TASK} takes each field for one"
    return (MULTI_LABEL, (said,)) if sign else (TASK, ())


def _of_texts(part: Part, columns: Columns) -> str:
    if questions.holds_questions(part, columns):
        return QUESTIONS
    return PAIRS if tables.holds_pairs(part, columns) else TASK


def task_in(data_dir: Path, options: Mapping[str, object] | None = None) -> str:
    """Return the task of a directory's files; where they cannot be read, that of texts: reading will say why.

    How many labels a text has is not looked for: no recipe depends on it.
    """
    try:
        return task_of(paths_in(data_dir), Columns.model_validate({**(options or {}), "task": TASK}))[0]
    except ValidationError:
        return TASK
    except (DataError, OSError):
        return TASK


def _load_texts(name: str, parts: Mapping[str, Mapping[Split, Part]], columns: Columns) -> Dataset:
    training = {code: read_table(splits["train"], None, columns) for code, splits in parts.items()}
    labels = tuple(sorted({example.label for examples in training.values() for example in examples}))
    if len(labels) < 2:
        raise DataError(f"{name}: the train splits hold {len(labels)} label; a classifier needs two")
    examples: dict[str, dict[Split, Sequence[Example]]] = {}
    for code, splits in parts.items():
        examples[code] = {
            split: training[code] if split == "train" else read_table(part, labels, columns)
            for split, part in splits.items()
        }
        if not training[code]:
            raise DataError(
                f"{place_of(splits['train'])}: no examples; a language needs a train split that is not empty"
            )
    return Dataset(name, TASK, labels, examples)


_READ: Mapping[str, Callable[..., tuple[Mapping[Any, Sequence[AnyExample]], tuple[str, ...]]]] = {
    TASK: tables.read_labelled,
    PAIRS: tables.read_labelled,
    MULTI_LABEL: label_sets.read_labelled,
    QUESTIONS: questions.read_labelled,
    TAGGING: token_files.read_labelled,
}
"""By task, what reads files that stand alone."""

PLUGIN = DatasetSource(load, TASK, task_in=task_in, options=Columns)
