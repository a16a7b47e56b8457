"""Read the text of a file, also of a compressed one: its encoding and its line ends."""

from __future__ import annotations

import codecs
import gzip
import unicodedata
import zlib
from pathlib import Path

from gradsim_shared.errors import DataError

COMPRESSED = ".gz"
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not path.name.lower().endswith(COMPRESSED):
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not valid gzip: {error}") from error
