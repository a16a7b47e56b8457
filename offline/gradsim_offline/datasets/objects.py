"""Read files of objects with named fields: JSON lines, JSON and Arrow; a field that stands twice is an error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from json import JSONDecoder
from pathlib import Path

from gradsim_offline.datasets.arrow import open_arrow
from gradsim_offline.datasets.squad import is_squad, squad_rows
from gradsim_offline.datasets.text import ending, read_lines, read_text
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing, quoted

OBJECT_ENDINGS = (".jsonl", ".json", ".parquet")
NumberedRow = tuple[str, Mapping[str, object]]
"""Where it stands, as messages name it, and its fields."""

Part = Path | Sequence[NumberedRow]
"""Where the examples of one language's split are: a file, or rows of a table for all languages."""

_GAP = re.compile(r"[ \t\r\n]*")


def place_of(part: Part) -> str:
    """Return where examples are, as messages name it."""
    return str(part) if isinstance(part, Path) else part[0][0]


class _NamedTwiceError(ValueError):
    """Fields stand twice in a JSON object: their names."""


def read_objects(path: Path) -> Iterator[NumberedRow]:
    """Read a file of ``OBJECT_ENDINGS``, or a folder that `Dataset.save_to_disk` wrote.

    ``.json`` is a list of objects, questions in SQuAD's form, an object of columns (lists of one length, or as pandas
    writes it, objects with the same keys), or JSON lines under another name.

    Raises:
        DataError: It is not of this form, or a field stands twice; the message names the line, or the row where rows
            are no lines.
    """
    readers = {".jsonl": _json_lines, ".json": _json, ".parquet": _arrow}
    return (_arrow if path.is_dir() else readers[ending(path)])(path)


def check_named_once(where: str, names: Sequence[str], what: str) -> None:
    """Refuse names that stand twice; fields without a name may be several.

    Raises:
        DataError: The message lists the names that stand twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(f"{where}: two {what} are named {listing(map(quoted, twice))}; keep one of them")


def parse_json(text: str, where: str) -> object:
    """Return what a JSON text says.

    Raises:
        DataError: It is not JSON, or a key stands twice in an object.
    """
    value, end = _decode(text, _after_gap(text, 0), where)
    if _after_gap(text, end) < len(text):
        raise DataError(f"{where}: not valid JSON: there is more after its end")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object's fields."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _NamedTwiceError([key for key, count in Counter(key for key, _ in pairs).items() if count > 1])
    return fields


_DECODER = JSONDecoder(object_pairs_hook=_once)


def _decode(text: str, start: int, where: str) -> tuple[object, int]:
    """Return the JSON value that begins at ``start``, and where it ends."""
    try:
        return _DECODER.raw_decode(text, start)
    except _NamedTwiceError as error:
        twice = listing(map(quoted, error.args[0]))
        raise DataError(f"{where}: the key {twice} stands twice; keep one of them") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON: {error}") from error


def _json_lines(path: Path) -> Iterator[NumberedRow]:
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            where = f"{path}:{number}"
            yield where, _object(where, parse_json(line, where), "line")


def _json(path: Path) -> Iterator[NumberedRow]:
    text = read_text(path)
    start = _after_gap(text, 0)
    if text[start : start + 1] == "[":
        yield from _array(path, text, start)
    elif start < len(text):
        first, end = _decode(text, start, str(path))
        if _after_gap(text, end) < len(text):
            yield from _json_lines(path)
        elif is_squad(first):
            yield from squad_rows(str(path), first)
        else:
            yield from _columns(path, first)


def _array(path: Path, text: str, start: int) -> Iterator[NumberedRow]:
    """Read the objects of a list, with the line in which each begins."""
    line, counted = 1, 0
    place = _after_gap(text, start + 1)
    done = text[place : place + 1] == "]"
    while not done:
        line, counted = line + text.count("\n", counted, place), place
        where = f"{path}:{line}"
        value, end = _decode(text, place, where)
        yield where, _object(where, value, "entry")
        place = _after_gap(text, end)
        done = text[place : place + 1] == "]"
        if not done and text[place : place + 1] != ",":
            raise DataError(f"{where}: not valid JSON: expected , or ] after this object")
        place = place if done else _after_gap(text, place + 1)
    if _after_gap(text, place + 1) < len(text):
        raise DataError(f"{path}: not valid JSON: there is more after the list")


def _columns(path: Path, table: object) -> Iterator[NumberedRow]:
    values = list(table.values()) if isinstance(table, dict) else []
    if isinstance(table, dict) and all(isinstance(column, dict) and [*column] == [*values[0]] for column in values):
        values = [list(column.values()) for column in values]  # as pandas writes a table: {"text": {"0": "...", ...}}
    if not isinstance(table, dict) or not all(isinstance(column, list) for column in values):
        raise DataError(f"{path}: expected a list of objects, or an object of columns: lists of one length")
    if len({len(column) for column in values}) > 1:
        sizes = (f"{len(column)} in {quoted(name)}" for name, column in zip(table, values, strict=True))
        raise DataError(f"{path}: columns of one length are expected; found {listing(sizes)}")
    for number, row in enumerate(zip(*values, strict=True), start=1):
        yield f"{path}, row {number}", dict(zip(table, row, strict=True))


def _arrow(path: Path) -> Iterator[NumberedRow]:
    names, rows = open_arrow(path)
    check_named_once(str(path), names, "columns")
    yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, start=1))


def _object(where: str, value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        such = "{'text': ..., 'label': ...} or {'words': [...], 'tags': [...]}"
        raise DataError(f"{where}: each {what} is a JSON object such as {such}")
    return value


def _after_gap(text: str, start: int) -> int:
    gap = _GAP.match(text, start)
    return gap.end() if gap else start
