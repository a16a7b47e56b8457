"""Read texts with several labels each, or none: separated by ``|`` in one column, or in one 0/1 column per label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gradsim_offline.core.dataset import Dataset, MultiLabelExample, Split
from gradsim_offline.datasets.columns import Columns, check_allowed, text_column
from gradsim_offline.datasets.language_column import SPLIT_COLUMN
from gradsim_offline.datasets.objects import Part, place_of
from gradsim_offline.datasets.tables import checked_text, read_rows, whole_characters
from gradsim_shared.columns import LABEL_COLUMNS, LANGUAGE_COLUMNS, column
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing, quoted

TASK = "multi_label_classification"
SEPARATOR = "|"
PLURAL = "labels"
"""A column of this name holds several, also where no text has two."""

_FLAGS: Mapping[object, bool] = {
    "0": False,
    "1": True,
    "0.0": False,
    "1.0": True,
    0: False,
    1: True,
}  # True == 1 == 1.0

Key = TypeVar("Key")


@dataclass(frozen=True)
class Form:
    """How a file tells the labels of its texts.

    Attributes:
        column: The one that holds them all; empty: there is one for each label.
        flags: Names of these columns, which are the labels.
    """

    column: str = ""
    flags: tuple[str, ...] = ()


def sign_of(part: Part, columns: Columns) -> str:
    """Return what says that the texts of a file have several labels, in words; empty: nothing does."""
    header: Set[str] = set()
    form = Form()
    try:
        for where, row in _rows(part, columns):
            if row.keys() != header:
                header, form = row.keys(), _form(where, row, columns)
                if form.flags:
                    return f"the columns {listing(form.flags)} hold 0 or 1, one for each label"
                if form.column.strip().casefold() == PLURAL:
                    return f"a column is called {form.column}"
                if isinstance(row[form.column], list):
                    return f"the column {form.column} holds lists"
            if SEPARATOR in str(row[form.column]):
                return f"labels are separated by {SEPARATOR} ({where})"
    except DataError:
        pass  # whoever reads it says what is wrong
    return ""


def load(name: str, parts: Mapping[str, Mapping[Split, Part]], columns: Columns) -> Dataset:
    """Read the files of each language and split; the labels are those of the train splits.

    Args:
        name: Of the data set, for messages.
        parts: By language and split; every language has a train split.
        columns: Which column holds what.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    train, labels = read_labelled({code: splits["train"] for code, splits in parts.items()}, columns)
    if len(labels) < 2:
        raise DataError(f"{name}: the train splits hold {len(labels)} label; a classifier needs two")
    examples: dict[str, dict[Split, Sequence[MultiLabelExample]]] = {}
    for code, splits in parts.items():
        if not train[code]:
            where = place_of(splits["train"])
            raise DataError(f"{where}: no examples; a language needs a train split that is not empty")
        others: dict[Split, Part] = {split: part for split, part in splits.items() if split != "train"}
        examples[code] = {"train": train[code], **read_labelled(others, columns, labels)[0]}
    return Dataset(name, TASK, labels, examples)


def read_labelled(
    parts: Mapping[Key, Part], columns: Columns, labels: Sequence[str] | None = None
) -> tuple[dict[Key, list[MultiLabelExample]], tuple[str, ...]]:
    """Return the examples of some files, and their labels.

    Args:
        parts: The files.
        columns: Which of their columns holds what.
        labels: The allowed labels; ``None``: those of the files: as columns stand in them, then by the alphabet.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    read = {key: _read(part, columns, labels) for key, part in parts.items()}
    if labels is None:
        named = dict.fromkeys(flag for _, flags in read.values() for flag in flags)
        found = {label for examples, _ in read.values() for example in examples for label in example.labels}
        labels = (*named, *sorted(found - named.keys()))
    order = {label: place for place, label in enumerate(labels)}
    return {
        key: [MultiLabelExample(each.text, tuple(sorted(each.labels, key=order.__getitem__))) for each in examples]
        for key, (examples, _) in read.items()
    }, tuple(labels)


def _read(
    part: Part, columns: Columns, labels: Sequence[str] | None
) -> tuple[list[MultiLabelExample], tuple[str, ...]]:
    """Return a file's examples, and the labels that have columns of their own."""
    header: Set[str] = set()
    form, text = Form(), ""
    examples = []
    for where, row in _rows(part, columns):
        if row.keys() != header:  # of objects each may have other fields
            header, text = row.keys(), text_column(where, list(row), columns)
            found = _form(where, row, columns)
            if form.flags and found.flags != form.flags:
                raise DataError(f"{where}: columns of labels {listing(found.flags)}; above it {listing(form.flags)}")
            form = found
        own = _flagged(where, row, form.flags) if form.flags else _listed(where, row[form.column])
        for label in own:
            whole_characters(where, "the label", label)
            if labels is not None:
                check_allowed(where, "label", label, labels)
        examples.append(MultiLabelExample(checked_text(where, row[text]), own))
    return examples, form.flags


def _rows(part: Part, columns: Columns) -> Iterable[tuple[str, Mapping[str, object]]]:
    return read_rows(part, columns, check=text_column) if isinstance(part, Path) else part


def _form(where: str, row: Mapping[str, object], columns: Columns) -> Form:
    """Return how a row tells its labels: in the named columns, in one of a usual name, else in columns of 0 and 1.

    Raises:
        DataError: A named column is missing, or nothing holds labels.
    """
    header = list(row)
    if columns.label_columns:
        if missing := [name for name in columns.label_columns if name not in row]:
            raise DataError(f"{where}: no column {listing(map(quoted, missing))}; found {listing(map(quoted, header))}")
        return Form(flags=tuple(columns.label_columns))
    usual = (PLURAL, *LABEL_COLUMNS)
    if columns.label_column is not None or any(name.strip().casefold() in usual for name in header):
        return Form(column(where, header, columns.label_column, usual, "label"))
    others = {text_column(where, header, columns), columns.language_column}
    taken = (*LANGUAGE_COLUMNS, SPLIT_COLUMN)
    left = [name for name in header if name not in others and name.strip().casefold() not in taken]
    flags = tuple(name for name in left if _is_flag(row[name]))
    if len(flags) < 2:
        raise DataError(
            f"{where}: no column {PLURAL} or {' or '.join(LABEL_COLUMNS)}, nor two that hold 0 or 1; found "
            f"{listing(map(quoted, header))}; say which it is: --label-column NAME, or --set "
            'data_options.label_columns=["A", "B"]'
        )
    return Form(flags=flags)


def _is_flag(value: object) -> bool:
    plain = value.strip() if isinstance(value, str) else value
    return isinstance(plain, str | int | float) and plain in _FLAGS


def _flagged(where: str, row: Mapping[str, object], flags: Sequence[str]) -> tuple[str, ...]:
    for name in flags:
        if not _is_flag(row[name]):
            raise DataError(
                f"{where}: {quoted(str(row[name]))} in the column {name}; a label's column holds 0 or 1; if it is no "
                'label, name those that are: --set data_options.label_columns=["A", "B"]'
            )
    return tuple(name for name in flags if _FLAGS[value.strip() if isinstance(value := row[name], str) else value])


def _listed(where: str, value: object) -> tuple[str, ...]:
    """Return the labels of a field: a list, or strings with ``|`` between them; nothing, where it is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ()
    parts = (
        value if isinstance(value, list) else str(value).split(SEPARATOR) if isinstance(value, str | int) else [None]
    )
    if not all(isinstance(part, str | int) and not isinstance(part, bool) for part in parts):
        raise DataError(f"{where}: the labels are neither a string nor a list of strings")
    labels = [str(part).strip() for part in parts]
    if not all(labels):
        raise DataError(f"{where}: an empty label in {quoted(str(value))}; labels have one {SEPARATOR} between them")
    return tuple(dict.fromkeys(labels))
