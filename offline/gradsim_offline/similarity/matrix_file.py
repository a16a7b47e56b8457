"""Read a similarity matrix from CSV, TSV or JSON by language names; errors name file and line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.datasets.objects import parse_json
from gradsim_offline.datasets.text import read_text
from gradsim_shared.errors import DataError

Line = tuple[str, str, Sequence[tuple[str, object]]]  # its place, the row's language, columns' languages and values


def read_matrix(
    path: Path, language: Callable[[str], str | None], languages: Sequence[str] | None = None
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read the number for every two languages, by row and column; rows and columns may stand in any order.

    Args:
        path: The file; docs/measures.md shows its forms.
        language: Gives the language that a name in the file stands for; ``None``: it is not looked at.
        languages: Those that must be there, in the order of the result; ``None``: all that the file names.

    Returns:
        The languages, and the matrix ``[N, N]``.

    Raises:
        DataError: The file cannot be read, a language is missing or stands twice, or a value is no finite number.
    """
    readers = {".json": _json_rows, ".csv": _separated_rows, ".tsv": _separated_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: a matrix is read from .csv, .tsv or .json")
    rows: dict[str, str] = {}  # language: where
    numbers: dict[tuple[str, str], float] = {}
    for where, name, values in reader(path):
        row = language(name.strip())
        if row is None:
            continue
        if row in rows:
            raise DataError(f"{where}: a second row for {row}; the first is {rows[row]}")
        rows[row] = where
        for other, value in values:
            column = language(other.strip())
            if column is None:
                continue
            if (row, column) in numbers:
                raise DataError(f"{where}: a second column for {column}; keep one of them")
            numbers[row, column] = _number(value, f"{where}, row {name}, column {other}")
    codes = tuple(languages or dict.fromkeys([*rows, *(column for _, column in numbers)]))
    _check_complete(path, codes, rows, numbers)
    return codes, np.array([[numbers[row, column] for column in codes] for row in codes])


def _check_complete(
    path: Path, languages: Sequence[str], rows: Mapping[str, str], numbers: Mapping[tuple[str, str], float]
) -> None:
    if not languages:
        raise DataError(f"{path}: no languages; it needs a row and a column for each")
    need = f"it needs a row and a column for each of {', '.join(languages)}"
    for code in languages:
        if code not in rows:
            raise DataError(f"{path}: no row for {code}; {need}")
        for column in languages:
            if (code, column) not in numbers:
                raise DataError(f"{rows[code]}: row {code} has no column for {column}; {need}")


def _number(value: object, where: str) -> float:
    if isinstance(value, str) and not value.strip():
        raise DataError(f"{where}: there is no value; every two languages need a number, the diagonal too")
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None:
        raise DataError(f"{where}: {value!r} is not a number")
    if not math.isfinite(number):
        raise DataError(f"{where}: {value!r} is not a finite number")
    return number


def _separated_rows(path: Path) -> Iterator[Line]:
    """Read a table whose header line and first column are languages."""
    delimiter, called = ("\t", "tab") if path.suffix.lower() == ".tsv" else (",", "comma")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True, delimiter=delimiter)
    header: list[str] = []
    try:
        for fields in reader:
            where = f"{path}:{reader.line_num}"
            if not any(field.strip() for field in fields):
                continue
            if header and len(fields) != len(header):
                raise DataError(f"{where}: {len(fields)} {called}-separated fields; the header has {len(header)}")
            if header:
                yield where, fields[0], list(zip(header[1:], fields[1:], strict=True))
            elif len(fields) < 2:
                raise DataError(f"{where}: the header must name the columns' languages, {called}-separated")
            else:
                header = fields
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error


def _json_rows(path: Path) -> Iterator[Line]:
    """Read ``{"languages": [...], "similarity": [[...], ...]}`` or ``{row: {column: value}}``."""
    content = parse_json(read_text(path), str(path))
    if isinstance(content, dict) and "similarity" in content:
        yield from _list_rows(path, content)
    elif isinstance(content, dict) and content and all(isinstance(row, dict) for row in content.values()):
        for name, row in content.items():
            yield f"{path}", name, list(row.items())
    else:
        raise DataError(
            f'{path}: expected {{"languages": [...], "similarity": [[...], ...]}} or {{"amh": {{"amh": 1, ...}}, ...}}'
        )


def _list_rows(path: Path, content: Mapping[str, object]) -> Iterator[Line]:
    names, matrix = content.get("languages"), content["similarity"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path}: \"languages\" must be the list of the rows' and columns' codes")
    if not isinstance(matrix, list) or len(matrix) != len(names):
        size = f"{len(matrix)} rows" if isinstance(matrix, list) else "no list"
        raise DataError(f'{path}: "similarity" is {size}; "languages" has {len(names)}')
    for i, (name, row) in enumerate(zip(names, matrix, strict=True)):
        where = f"{path}: similarity[{i}]"
        if not isinstance(row, list) or len(row) != len(names):
            size = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise DataError(f'{where}: {size}; "languages" has {len(names)}')
        yield where, name, list(zip(names, row, strict=True))
