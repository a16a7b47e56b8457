"""Read labelled texts, or pairs, from TSV, CSV, JSON lines, JSON and Parquet; what is wrong is named by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.columns import SURROGATE, USUAL, Columns, check_allowed, texts, texts_and_label
from gradsim_offline.datasets.objects import OBJECT_ENDINGS, NumberedRow, Part, check_named_once, read_objects
from gradsim_offline.datasets.text import ending, is_blank, is_quoted, read_lines, read_text
from gradsim_shared.errors import DataError
from gradsim_shared.segments import Pair

ENDINGS = (".tsv", ".csv", *OBJECT_ENDINGS)

Key = TypeVar("Key")
Check = Callable[[str, Sequence[str], Columns], object]
"""Raises ``DataError`` where a header (file and line, names) has not the columns that it must have."""


def read_table(
    part: Part, labels: Sequence[str] | None, columns: Columns = USUAL, *, literal: bool = False
) -> list[Example]:
    r"""Read one file of labelled texts, by its ending, one of ``ENDINGS``; ``.gz`` may follow it. Or rows of one.

    Tab-separated files are split on tabs and line ends only, and quotation marks are text, unless the file is quoted
    throughout (``is_quoted``). Empty lines are skipped.

    Args:
        part: The file, whose header line names the columns, or its rows.
        labels: The allowed labels; ``None`` allows all.
        columns: Other names of the two columns.
        literal: In tab-separated files, quotation marks are text whatever they look like.

    Raises:
        DataError: File, line number, what is wrong, and what is allowed.
    """
    rows = read_rows(part, columns, literal=literal) if isinstance(part, Path) else part
    header: Set[str] = set()
    examples = []
    for where, row in rows:
        if row.keys() != header:  # of objects each may have other fields
            header, names = row.keys(), texts_and_label(where, list(row), columns)
        examples.append(_example(where, row, labels, *names))
    return examples


def read_labelled(
    parts: Mapping[Key, Part], columns: Columns, labels: Sequence[str] | None = None
) -> tuple[dict[Key, list[Example]], tuple[str, ...]]:
    """Return the examples of some files that stand alone, and their labels.

    Args:
        parts: The files.
        columns: Other names of their columns.
        labels: The allowed labels; ``None``: those of the files themselves.

    Raises:
        DataError: As for ``read_table``.
    """
    examples = {key: read_table(part, labels, columns) for key, part in parts.items()}
    found = {example.label for table in examples.values() for example in table}
    return examples, tuple(sorted(found) if labels is None else labels)


def holds_pairs(part: Part, columns: Columns) -> bool:
    """Return whether a file, or rows of one, holds pairs of texts, by the columns of its first row."""
    try:
        _, first = next(iter(read_rows(part, columns) if isinstance(part, Path) else part), ("", {}))
        return len(texts("", list(first), columns)) == 2
    except DataError:
        return False  # whoever reads it says what is wrong


def has_quoted_fields(path: Path) -> bool:
    """Return whether ``read_table`` takes a file's quotation marks off, which a file without quoting would miss."""
    return ending(path) == ".tsv" and path.is_file() and is_quoted(read_text(path))


def read_rows(
    path: Path, columns: Columns = USUAL, *, literal: bool = False, check: Check = texts_and_label
) -> Iterator[NumberedRow]:
    """Read the rows of a file of ``ENDINGS``, or of a data set that `Dataset.save_to_disk` wrote; as ``read_table``."""
    if path.is_dir():
        yield from read_objects(path)
    elif ending(path) == ".csv":
        yield from _separated(path, columns, check, ",", "comma")
    elif ending(path) != ".tsv":
        yield from read_objects(path)
    elif not literal and has_quoted_fields(path):
        yield from _separated(path, columns, check, "\t", "tab")
    else:
        yield from _tab_separated(path, columns, check)


def _tab_separated(path: Path, columns: Columns, check: Check) -> Iterator[NumberedRow]:
    header, *lines = (line.split("\t") for line in read_lines(path))
    _check_header(f"{path}:1", header, columns, check)
    for number, fields in enumerate(lines, start=2):
        if fields == [""]:
            continue
        if len(fields) != len(header):
            raise DataError(f"{path}:{number}: {len(fields)} tab-separated fields; the header has {len(header)}")
        yield f"{path}:{number}", dict(zip(header, fields, strict=True))


def _separated(path: Path, columns: Columns, check: Check, separator: str, called: str) -> Iterator[NumberedRow]:
    """Read a table whose fields may be quoted."""
    with _fields_of_any_length():
        reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator, strict=True)
        try:
            rows = [(reader.line_num, fields) for fields in reader if fields]
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error
    if not rows:
        return
    (first, header), *others = rows
    _check_header(f"{path}:{first}", header, columns, check)
    for number, fields in others:
        if len(fields) != len(header):
            raise DataError(f"{path}:{number}: {len(fields)} {called}-separated fields; the header has {len(header)}")
        yield f"{path}:{number}", dict(zip(header, fields, strict=True))


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Lift the limit of 131 072 characters, which belongs to the whole process, for a while."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check_header(where: str, header: Sequence[str], columns: Columns, check: Check) -> None:
    check_named_once(where, header, "columns")
    check(where, header, columns)


def _example(
    where: str, row: Mapping[str, object], labels: Sequence[str] | None, text_columns: Sequence[str], label_column: str
) -> Example:
    parts, label = [row[name] for name in text_columns], row[label_column]
    if (*parts, label) == (*text_columns, label_column):
        raise DataError(f"{where}: the header again; remove this line")
    called = ["the text"] if len(parts) == 1 else text_columns
    read = [checked_text(where, part, name) for name, part in zip(called, parts, strict=True)]
    if label is None or (isinstance(label, str) and is_blank(label)):
        raise DataError(f"{where}: the label is empty")
    if isinstance(label, int) and not isinstance(label, bool):  # 1 in JSON or Parquet is what CSV calls 1
        label = str(label)
    if not isinstance(label, str):
        raise DataError(f"{where}: the label is not a string")
    label = label.strip()
    whole_characters(where, "the label", label)
    if labels is not None:
        check_allowed(where, "label", label, labels)
    return Example(Pair(*read) if len(read) == 2 else read[0], label)


def checked_text(where: str, text: object, what: str = "the text") -> str:
    """Return a field that is a text.

    Raises:
        DataError: It is empty, no string, or holds half a character.
    """
    if not isinstance(text, str) or is_blank(text):
        raise DataError(f"{where}: {what} is {'empty' if isinstance(text, str) else 'not a string'}")
    whole_characters(where, what, text)
    return text


def whole_characters(where: str, what: str, value: str) -> None:
    """Raise ``DataError`` where a field holds half a character."""
    if SURROGATE.search(value):
        raise DataError(f"{where}: {what} holds a lone surrogate, half a character; write it whole")
