"""Read the text of a file: compression, encoding, line ends, and quotation marks that a program wrote around fields."""

from __future__ import annotations

import codecs
import gzip
import re
import unicodedata
import zlib
from collections.abc import Iterable
from pathlib import Path

from gradsim_shared.errors import DataError

COMPRESSED = ".gz"
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_INSIDE = r'[^"]*+(?:""[^"]*+)*+'
_FIELD = re.compile(f'"{_INSIDE}"')
_IN_TABLE = re.compile(rf'(?:\A|(?<=[\t\n\r]))"{_INSIDE}"(?=[\t\n\r]|\Z)')


def ending(path: Path) -> str:
    """Return the ending that tells a file's form, in small letters: of ``train.TSV.gz`` it is ``.tsv``."""
    name = path.name.lower().removesuffix(COMPRESSED)
    return Path(name).suffix


def read_text(path: Path) -> str:
    """Return a file's text; it is UTF-8, or UTF-16 with a byte-order mark, and a mark is dropped.

    Raises:
        DataError: It is neither, and the message names the line; or it ends in ``.gz`` and is not gzip.
    """
    content = _content(path)
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in content[:4]:
        raise DataError(f"{path}:1: a NUL byte: UTF-16 without a byte-order mark, or no text; save the file as UTF-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise DataError(f"{path}: not valid UTF-16, as its byte-order mark says; save the file as UTF-8") from error
        line = error.object.count(b"\n", 0, error.start) + 1  # error.object: without the byte-order mark
        byte = error.object[error.start]
        raise DataError(f"{path}:{line}: the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from error


def read_lines(path: Path) -> list[str]:
    r"""Return a file's lines, which end in ``\n`` or ``\r\n``, or all in ``\r``; other line breaks are text.

    Raises:
        DataError: As for ``read_text``.
    """
    text = read_text(path)
    return [line.rstrip("\r") for line in text.split("\n" if "\n" in text else "\r")]


def is_blank(value: str) -> bool:
    """Return whether there is nothing to see: white space, and characters that only format."""
    return all(unicodedata.category(character) in _INVISIBLE for character in value)


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


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not path.name.lower().endswith(COMPRESSED):
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not valid gzip: {error}") from error
