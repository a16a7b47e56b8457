"""JSON lines in, JSON lines out: read texts from a stream and answer them in batches, each in its place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from gradsim_runtime.text_checks import check_text, checked
from gradsim_serving.unique_keys import unique_keys
from gradsim_shared.columns import PAIR_COLUMNS
from gradsim_shared.errors import RequestError
from gradsim_shared.segments import Sent

LINE_BYTES = 2**22
"""Longer lines are not read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the input.

    Attributes:
        number: From 1.
        fields: Its JSON fields; of a plain line only ``text``; empty when it could not be read.
        text: What is to be answered: of a pair both texts.
        language: As the line names it; ``None``: it does not.
        error: Why it cannot be answered; ``None``: it can.
        size: Bytes that were read.
    """

    number: int
    fields: dict[str, Any]
    text: Sent = ""
    language: str | None = None
    error: RequestError | None = None
    size: int = 0


def read_lines(
    stream: BinaryIO,
    *,
    plain: bool = False,
    texts: Sequence[str] | None = ("text",),
    language: str = "language",
    kind: type[Sent] = str,
) -> Iterator[Line]:
    """Yield the lines of a stream: JSON objects, or texts as they are; blank lines between objects are passed over.

    Args:
        stream: UTF-8.
        plain: They are texts as they are.
        texts: The field of an object that is its text, or the two of a pair or a question; ``None``: two of
            ``PAIR_COLUMNS``.
        language: The field that names its language.
        kind: What is answered: ``str``, ``Pair`` or ``Question``.
    """
    for number, raw in enumerate(_raw_lines(stream), 1):
        fields: dict[str, Any] = {}
        try:
            if len(raw) > LINE_BYTES:
                raise RequestError(f"the line is longer than {LINE_BYTES} bytes", code="line_too_long")
            decoded = _decoded(raw)
            if not plain and not decoded.strip():
                continue
            fields = {"text": decoded} if plain else _object(decoded)
            yield Line(number, fields, _sent(fields, texts, kind), _language(fields, language), None, len(raw))
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
        content = json.loads(line, object_pairs_hook=unique_keys, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        hint = "for lines of plain text there is --plain"
        raise RequestError(f"the line is not JSON ({error}); {hint}", code="malformed_json") from error
    if not isinstance(content, dict):
        raise RequestError('the line must be an object such as {"text": "..."}', code="invalid_request")
    return content


def _finite(number: str) -> float:
    """Return a number; one that Python takes for infinite could not be written again."""
    value = float(number)
    return value if math.isfinite(value) else _refused(number)


def _refused(number: str) -> NoReturn:
    message = f"the line holds {number[:40]}, which cannot be written as JSON again; write null, or less than 1.8e308"
    raise RequestError(message, code="invalid_number")


def _sent(fields: dict[str, Any], names: Sequence[str] | None, kind: type[Sent]) -> Sent:
    if names is None:
        names = next((pair for pair in PAIR_COLUMNS if not set(pair).isdisjoint(fields)), PAIR_COLUMNS[0])
    for name in names:
        if name not in fields:
            raise RequestError(f'the field "{name}" is missing', code="invalid_request")
    if len(names) == 1:
        return check_text(fields[names[0]])
    return kind(*(checked(fields[name], name) for name in names))


def _language(fields: dict[str, Any], name: str) -> str | None:
    language = fields.get(name)
    if language is not None and not (isinstance(language, str) and language):
        message = f'language is {json.dumps(language)[:40]}; it must be a code such as "hau", or null'
        raise RequestError(message, code="invalid_language")
    return language


BATCH_BYTES = 2**23
"""A batch is full at so many bytes, however few lines these are: memory stays bounded."""


Answering = Callable[[Sequence[Sent], Sequence[str | None]], list[dict[str, Any] | RequestError]]
"""Answers texts, with their languages where these are known: a prediction for each, or why there is none."""


def answered_lines(
    lines: Iterable[Line], answer: Answering, *, language: str | None, batch: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield what is to be written for each batch of lines, in their order.

    Args:
        lines: The input.
        answer: Answers a batch.
        language: Of lines that name none; ``None``: it is identified.
        batch: Lines that are answered at once.
    """
    for together in _batches(lines, batch):
        valid = [line for line in together if line.error is None]
        results = iter(answer([line.text for line in valid], [line.language or language for line in valid]))
        yield [_record(line, line.error or next(results)) for line in together]


def _batches(lines: Iterable[Line], batch: int) -> Iterator[list[Line]]:
    together: list[Line] = []
    size = 0
    for line in lines:
        together.append(line)
        size += line.size
        if len(together) == batch or size >= BATCH_BYTES:
            yield together
            together, size = [], 0
    if together:
        yield together


def _record(line: Line, result: dict[str, Any] | RequestError) -> dict[str, Any]:
    """Return the fields of a line with its prediction, or with its error; the input's fields of these names go."""
    kept = {name: value for name, value in line.fields.items() if name not in ("prediction", "error")}
    if isinstance(result, RequestError):
        return kept | {"error": {"code": result.code, "message": str(result), "line": line.number}}
    return kept | {"prediction": result}


def encoded(records: Iterable[dict[str, Any]]) -> bytes:
    """Return answered lines as JSON lines."""
    return b"".join(_encoded(record) for record in records)


def _encoded(record: dict[str, Any]) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # a field holds a lone surrogate: only its escape can be written
        return json.dumps(record).encode() + b"\n"
