"""Tell quotation marks that a program wrote around fields, as pandas does in TSV, from those that are text."""

from __future__ import annotations

import re
from collections.abc import Iterable

_INSIDE = r'[^"]*+(?:""[^"]*+)*+'
_FIELD = re.compile(f'"{_INSIDE}"')
_IN_TABLE = re.compile(rf'(?:\A|(?<=[\t\n\r]))"{_INSIDE}"(?=[\t\n\r]|\Z)')


def are_quoted(fields: Iterable[str]) -> bool:
    """Return whether fields with quotation marks are quoted as in CSV: all of them, and one doubles those inside."""
    marked = [field for field in fields if '"' in field]
    return all(map(_FIELD.fullmatch, marked)) and any('""' in field[1:-1] for field in marked)


def is_quoted(table: str) -> bool:
    """Return whether the fields of tab-separated text are quoted as pandas and spreadsheets do.

    They are if every quotation mark belongs to a field that is quoted as a whole, and the marks show that they are no
    text: one field doubles those inside, or the header has them, or without them the rows have unequal numbers of
    fields. A tab or a line break inside a field counts only where the last holds.
    """
    fields = _IN_TABLE.findall(table) if '"' in table else []
    if not fields or '"' in _IN_TABLE.sub("", table):
        return False
    equal = len({line.count("\t") for line in table.split("\n") if line.strip("\r")}) == 1
    if equal and any("\t" in field or "\n" in field for field in fields):
        return False
    return not equal or table.startswith('"') or are_quoted(fields)


def unquoted(field: str) -> str:
    """Return a field without the quotation marks around it and with those inside single."""
    return field[1:-1].replace('""', '"') if '"' in field else field
