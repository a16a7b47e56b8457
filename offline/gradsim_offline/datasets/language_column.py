"""One table for all languages: its rows, by the language and the split that stand in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Split
from gradsim_offline.datasets.columns import Columns, texts
from gradsim_offline.datasets.objects import NumberedRow
from gradsim_offline.datasets.own_folders import NAMES, SPLIT_OF
from gradsim_offline.datasets.tables import read_rows
from gradsim_shared.columns import LANGUAGE_COLUMNS, QUESTION_COLUMNS, column
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing, quoted
from gradsim_shared.nearest import unknown

SPLIT_COLUMN = "split"

Rows = dict[str, dict[Split | None, list[NumberedRow]]]
"""By language and split; ``None``: the table does not say which."""


def read_by_language(
    tables: Mapping[Split | None, Path], languages: Sequence[str] | None, columns: Columns
) -> tuple[Rows, dict[str, tuple[str, ...]]]:
    """Return the rows of each language and split, and how each language is written.

    Args:
        tables: The table of each split; of ``None``, its column ``split`` says which, if there is one.
        languages: Codes of the languages to read; ``None``: all that are there.
        columns: Which of the columns holds the language.

    Raises:
        DataError: A row is of no language or of no split, or a language that is wanted is not there.
    """
    wanted = None if languages is None else [codes.resolve(code) for code in languages]
    rows: Rows = {}
    written: dict[str, dict[str, None]] = {}
    read: dict[str, str | None] = {}
    for (where, row), split, name in _rows(tables, columns):
        if name not in read:
            read[name] = _code(where, name) if wanted is None else codes.find(name)
        code = read[name]
        if code is not None and (wanted is None or code in wanted):
            rows.setdefault(code, {}).setdefault(split, []).append((where, row))
            written.setdefault(code, {})[name] = None
    for code in wanted or ():
        if code not in rows:
            there = filter(None, read.values())
            raise DataError(f"{', '.join(map(str, tables.values()))}: {unknown('language', code, there)}")
    return rows, {code: tuple(names) for code, names in written.items()}


def _rows(tables: Mapping[Split | None, Path], columns: Columns) -> Iterator[tuple[NumberedRow, Split | None, str]]:
    """Yield each row with its split and the name of its language."""
    for split, path in tables.items():
        header: Set[str] = set()
        for where, row in read_rows(path, columns, check=_holds_text):
            if row.keys() != header:  # of objects each may have other fields
                header = row.keys()
                of_language = column(where, list(row), columns.language_column, LANGUAGE_COLUMNS, "language")
                of_split = next((each for each in header if each.strip().casefold() == SPLIT_COLUMN), None)
            name = row[of_language]
            if not isinstance(name, str) or not name.strip():
                raise DataError(f"{where}: the language is {'empty' if not name or isinstance(name, str) else name}")
            here = _split(where, row[of_split]) if split is None and of_split is not None else split
            yield (where, row), here, name.strip()


def _holds_text(where: str, header: Sequence[str], columns: Columns) -> None:
    """Raise ``DataError`` where neither questions nor texts stand in a table."""
    if not set(QUESTION_COLUMNS) <= set(header):
        texts(where, header, columns)


def _code(where: str, name: str) -> str:
    try:
        return codes.resolve(name)
    except DataError as error:
        raise DataError(f"{where}: {error} Or read only languages that you name: --languages CODES") from error


def _split(where: str, name: object) -> Split:
    split = SPLIT_OF.get(name.strip().casefold()) if isinstance(name, str) else None
    if split is None:
        known = listing(each for names in NAMES.values() for each in names)
        raise DataError(f"{where}: {quoted(name)} in the column {SPLIT_COLUMN} is no split; splits are called {known}")
    return split
