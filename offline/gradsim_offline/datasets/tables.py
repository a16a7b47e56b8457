"""Read labelled texts from TSV, CSV and JSON-lines files; what is wrong is named by file and line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Example
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import nearest

TEXT_COLUMNS = ("text", "tweet", "sentence")
LABEL_COLUMN = "label"
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_text(path: Path) -> str:
    """Return a file's text; a byte-order mark is dropped.

    Raises:
        DataError: It is not UTF-8; the message names the line.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1  # error.object: without the byte-order mark
        byte = error.object[error.start]
        raise DataError(f"{path}:{line}: the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from error


def read_table(path: Path, labels: Sequence[str] | None) -> list[Example]:
    r"""Read one file of labelled texts, by its ending: ``.tsv``, ``.csv`` or ``.jsonl``.

    Tab-separated files are split on tabs and ``\n`` only, without quoting, so that no text is changed. Empty lines are
    skipped.

    Args:
        path: The file; a header line names the columns: text (or tweet, sentence) and label.
        labels: The allowed labels; ``None`` allows all.

    Raises:
        DataError: File, line number, what is wrong, and what is allowed.
    """
    readers = {".tsv": _tab_separated, ".jsonl": _json_lines}
    rows = readers.get(path.suffix.lower(), _comma_separated)(path)
    return [_example(path, line, row, labels) for line, row in rows]


Row = tuple[int, Mapping[str, object]]


def _tab_separated(path: Path) -> Iterator[Row]:
    lines = read_text(path).split("\n")
    header = lines[0].rstrip("\r").split("\t")
    _check_columns(path, header)
    for number, line in enumerate(lines[1:], start=2):
        if not line.rstrip("\r"):
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) != len(header):
            raise DataError(f"{path}:{number}: {len(fields)} tab-separated fields; the header has {len(header)}")
        yield number, dict(zip(header, fields, strict=True))


def _comma_separated(path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    header: list[str] = []
    try:
        for fields in reader:
            if not header:
                header = fields
                _check_columns(path, header)
            elif fields and len(fields) != len(header):
                raise DataError(
                    f"{path}:{reader.line_num}: {len(fields)} comma-separated fields; the header has {len(header)}"
                )
            elif fields:
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not valid JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: each line is a JSON object such as {{'text': ..., 'label': ...}}")
        _check_columns(path, list(row), number)
        yield number, row


def _check_columns(path: Path, columns: Sequence[str], line: int = 1) -> None:
    if not set(TEXT_COLUMNS) & set(columns):
        raise DataError(
            f"{path}:{line}: no column for the text: found {', '.join(map(repr, columns))}; "
            f"name it {' or '.join(TEXT_COLUMNS)}"
        )
    if LABEL_COLUMN not in columns:
        raise DataError(f"{path}:{line}: no column {LABEL_COLUMN!r}: found {', '.join(map(repr, columns))}")


def _example(path: Path, line: int, row: Mapping[str, object], labels: Sequence[str] | None) -> Example:
    text = row[next(column for column in TEXT_COLUMNS if column in row)]
    label = row[LABEL_COLUMN]
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{path}:{line}: the text is {'empty' if isinstance(text, str) else 'not a string'}")
    if not isinstance(label, str) or not label:
        raise DataError(f"{path}:{line}: the label is {'empty' if label in ('', None) else 'not a string'}")
    for field, value in (("text", text), ("label", label)):
        if _SURROGATE.search(value):  # JSON's escapes can write one; no tokenizer can read it
            raise DataError(f"{path}:{line}: the {field} holds a lone surrogate, half a character; write it whole")
    if labels is not None and label not in labels:
        guesses = nearest(label, labels, limit=1)
        meant = f"did you mean {guesses[0]}? " if guesses else ""
        raise DataError(f"{path}:{line}: unknown label {label!r}; {meant}allowed: {', '.join(labels)}")
    return Example(text, label)
