"""Read texts from a stream, one a line, with bounded memory; what cannot be read becomes an error in its place."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from gradsim_serving.repeated_keys import object_of
from gradsim_shared.errors import RequestError

LINE_BYTES = 2**22
"""Longer lines are not read."""

_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the input.

    Attributes:
        number: From 1.
        fields: Its JSON fields; of a plain line only ``text``; empty when it could not be read.
        text: What is to be answered.
        language: As the line names it; ``None``: it does not.
        error: Why it cannot be answered; ``None``: it can.
        size: Bytes that were read.
    """

    number: int
    fields: dict[str, Any]
    text: str = ""
    language: str | None = None
    error: RequestError | None = None
    size: int = 0


def read_lines(stream: BinaryIO, *, plain: bool = False) -> Iterator[Line]:
    """Yield the lines of a stream: JSON objects, or texts as they are; blank lines between objects are passed over."""
    for number, raw in enumerate(_raw_lines(stream), 1):
        fields: dict[str, Any] = {}
        try:
            if len(raw) > LINE_BYTES:
                raise RequestError(f"the line is longer than {LINE_BYTES} bytes", code="line_too_long")
            decoded = _decoded(raw)
            if not plain and not decoded.strip():
                continue
            fields = {"text": decoded} if plain else _object(decoded)
            yield Line(number, fields, _text(fields), _language(fields), None, len(raw))
        except RequestError as error:
            yield Line(number, fields, error=error, size=len(raw))


def _raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines without their ends; of one that is too long only the beginning, one byte more than is allowed."""
    while raw := stream.readline(LINE_BYTES + 2):
        whole = raw.endswith(b"\n")
        yield raw.removesuffix(b"\n").removesuffix(b"\r")[: LINE_BYTES + 1] if whole else raw[: LINE_BYTES + 1]
        while not whole and raw:
            raw = stream.readline(LINE_BYTES)
            whole = raw.endswith(b"\n")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"the line is not UTF-8: byte {error.start} is wrong", code="invalid_encoding") from error


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=object_of, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        hint = "for lines of plain text there is --plain"
        raise RequestError(f"the line is not JSON ({error}); {hint}", code="malformed_json") from error
    if not isinstance(found, dict):
        raise RequestError('the line must be an object such as {"text": "..."}', code="invalid_request")
    return found


def _finite(number: str) -> float:
    """Return a number; one that Python takes for infinite could not be written again."""
    value = float(number)
    return value if math.isfinite(value) else _refused(number)


def _refused(number: str) -> NoReturn:
    message = f"the line holds {number[:40]}, which cannot be written as JSON again; write null, or less than 1.8e308"
    raise RequestError(message, code="invalid_number")


def _text(fields: dict[str, Any]) -> str:
    if "text" not in fields:
        raise RequestError('the field "text" is missing', code="invalid_request")
    text = fields["text"]
    if not isinstance(text, str):
        raise RequestError(f"text must be a string, not {json.dumps(text)[:40]}", code="invalid_text")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError("the text holds a lone surrogate, which is no character of Unicode", code="invalid_text")
    if all(unicodedata.category(character) in _INVISIBLE for character in text):
        raise RequestError("the text is empty: it has no visible character", code="empty_text")
    return text


def _language(fields: dict[str, Any]) -> str | None:
    language = fields.get("language")
    if language is not None and not (isinstance(language, str) and language):
        message = f'language is {json.dumps(language)[:40]}; it must be a code such as "hau", or null'
        raise RequestError(message, code="invalid_language")
    return language
