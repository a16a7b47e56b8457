"""A similarity matrix of your own, from a CSV or JSON file; any number for every two languages, in both directions."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from gradsim_offline import languages as codes
from gradsim_offline.config import Section
from gradsim_offline.dataset import Dataset
from gradsim_offline.datasets._tables import read_text
from gradsim_offline.similarity._context import Context
from gradsim_offline.similarity._measured import Measured
from gradsim_shared.errors import DataError

Row = tuple[
    str, str, Sequence[tuple[str, object]]
]  # where it stands, the row's language, columns' languages and values


class Options(Section):
    """Settings of the measure ``given``."""

    path: str = Field("", description="the file: .csv, .tsv or .json; docs/measures.md shows their forms")
    distances: bool = Field(False, description="the file holds distances d: S is 1 - d")

    @field_validator("path")
    @classmethod
    def _is_there(cls, path: str) -> str:
        if not path:
            raise ValueError("name the file with the matrix: --set similarity.path=FILE")
        if not Path(path).is_file():
            raise ValueError("there is no such file")
        return path


def fingerprint(options: Options) -> str:
    """Return the SHA-256 of the file, so that a changed file is read again."""
    return hashlib.sha256(Path(options.path).read_bytes()).hexdigest()


def measure(context: Context) -> Measured:
    """Read S; nothing is trained. ``S[i, j]``, row i, column j: what training on j does for i; it may be asymmetric.

    Raises:
        DataError: File, row and column, and what is wrong there.
    """
    started = time.monotonic()
    options, dataset = context.options, context.dataset
    found = read_matrix(Path(options.path), dataset)
    matrix = np.array([[found[row, column] for column in dataset.languages] for row in dataset.languages])
    return Measured(
        "given",
        dataset.languages,
        1 - matrix if options.distances else matrix,
        split_half=None,
        epochs=(),
        layers={},
        settings={
            "path": Path(options.path).name,  # the folder is nobody's business: settings go into the bundle
            "distances": options.distances,
            "sha256": fingerprint(options),
        },
        seconds=time.monotonic() - started,
    )


def read_matrix(path: Path, dataset: Dataset) -> dict[tuple[str, str], float]:
    """Return the number for every two of a data set's languages, by row and column; other languages are not looked at.

    Raises:
        DataError: The file cannot be read, a language is missing or stands twice, or a value is no finite number.
    """
    readers = {".json": _json_rows, ".csv": _separated_rows, ".tsv": _separated_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: a matrix is read from .csv, .tsv or .json")
    rows: dict[str, str] = {}  # language: where
    numbers: dict[tuple[str, str], float] = {}
    for where, name, cells in reader(path):
        row = _language(name, dataset)
        if row is None:
            continue
        if row in rows:
            raise DataError(f"{where}: a second row for {row}; the first is {rows[row]}")
        rows[row] = where
        for other, value in cells:
            column = _language(other, dataset)
            if column is None:
                continue
            if (row, column) in numbers:
                raise DataError(f"{where}: a second column for {column}; keep one of them")
            numbers[row, column] = _number(value, f"{where}, row {name}, column {other}")
    _check_complete(path, dataset, rows, numbers)
    return numbers


def _check_complete(
    path: Path, dataset: Dataset, rows: Mapping[str, str], numbers: Mapping[tuple[str, str], float]
) -> None:
    need = f"it needs a row and a column for each of {', '.join(dataset.languages)}"
    for code in dataset.languages:
        if code not in rows:
            raise DataError(f"{path}: no row for {code}; {need}")
        for column in dataset.languages:
            if (code, column) not in numbers:
                raise DataError(f"{rows[code]}: row {code} has no column for {column}; {need}")


def _language(name: str, dataset: Dataset) -> str | None:
    """Return the data set's language that a name stands for, by the data set's own aliases before ISO 639."""
    name = name.strip()
    if name in dataset.languages:
        return name
    for code, aliases in dataset.aliases.items():
        if name in aliases:
            return code if code in dataset.languages else None
    try:
        found = codes.resolve(name)
    except DataError:
        return None
    return found if found in dataset.languages else None


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


def _separated_rows(path: Path) -> Iterator[Row]:
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


def _json_rows(path: Path) -> Iterator[Row]:
    """Read ``{"languages": [...], "similarity": [[...], ...]}`` or ``{row: {column: value}}``."""
    content = _parse(path)
    if isinstance(content, dict) and "similarity" in content:
        yield from _list_rows(path, content)
    elif isinstance(content, dict) and content and all(isinstance(row, dict) for row in content.values()):
        for name, row in content.items():
            yield f"{path}", name, list(row.items())
    else:
        raise DataError(
            f'{path}: expected {{"languages": [...], "similarity": [[...], ...]}} or {{"amh": {{"amh": 1, ...}}, ...}}'
        )


def _list_rows(path: Path, content: Mapping[str, object]) -> Iterator[Row]:
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


def _parse(path: Path) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        for i, (key, _) in enumerate(pairs):
            if key in (earlier for earlier, _ in pairs[:i]):
                raise DataError(f"{path}: {key!r} stands twice; keep one of them")
        return dict(pairs)

    try:
        return json.loads(read_text(path), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
