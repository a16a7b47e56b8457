"""Tables: read the rows of CSV and TSV as lines to answer, and write answers as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from gradsim_runtime.text_checks import check_text, checked
from gradsim_serving.cli._json_lines import LINE_BYTES, Line
from gradsim_shared.columns import LANGUAGE_COLUMNS, QUESTION_COLUMNS, TEXT_COLUMNS, column, pair_columns
from gradsim_shared.errors import DataError, RequestError
from gradsim_shared.segments import Pair, Question, Sent

FORMS = ("csv", "tsv")
ANSWER_COLUMNS = (
    "prediction",
    "prediction_score",
    "prediction_language",
    "prediction_group",
    "prediction_truncated",
    "error",
)


_NO_UTF_8 = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of bytes that are not UTF-8."""


class _PlainTabs(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def read_rows(
    stream: BinaryIO,
    form: str,
    text_column: str | None,
    language_column: str | None,
    *,
    second_column: str | None = None,
    kind: type[Sent] = str,
) -> Iterator[Line]:
    """Yield the rows of a table; a header names the columns, and in TSV quotation marks are text.

    Args:
        stream: UTF-8, with or without a byte-order mark.
        form: ``csv`` or ``tsv``.
        text_column: The column of the text; ``None``: of a usual name.
        language_column: The column of the language; ``None``: of a usual name, if there is one.
        second_column: Of pairs: the column of the second text; ``None``: of a usual name.
        kind: What each row is: ``str``, ``Pair`` or ``Question``.

    Raises:
        DataError: It is not CSV, or a column cannot be told; the message names the line.
    """
    csv.field_size_limit(LINE_BYTES)
    text_stream = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
    reader = csv.reader(text_stream, "excel" if form == "csv" else _PlainTabs, strict=True)
    try:
        header = next(reader, [])
        if not header:
            return
        texts: tuple[str, ...]
        if kind is Question:
            texts = QUESTION_COLUMNS
            for name in texts:
                column("the header", header, name, (), name)
        elif kind is Pair:
            texts = pair_columns("the header", header, text_column, second_column)
        else:
            texts = (column("the header", header, text_column, TEXT_COLUMNS, "text"),)
        usual = any(each.strip().casefold() in LANGUAGE_COLUMNS for each in header)
        language = column("the header", header, language_column, LANGUAGE_COLUMNS, "language") if usual else None
        if language is None and language_column is not None:
            language = column("the header", header, language_column, (), "language")
        for fields in filter(None, reader):
            yield _line(reader.line_num, header, fields, texts, language, kind)
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} of the input is not valid {form.upper()}: {error}") from error
    finally:
        with suppress(ValueError):  # the stream was closed by who opened it
            text_stream.detach()


def _line(
    number: int,
    header: Sequence[str],
    fields: Sequence[str],
    texts: Sequence[str],
    language: str | None,
    kind: type[Sent],
) -> Line:
    row = dict(zip(header, fields, strict=False))
    size = sum(map(len, fields))
    try:
        if len(fields) != len(header):
            raise RequestError(f"{len(fields)} fields; the header has {len(header)}", code="invalid_request")
        if _NO_UTF_8.search("".join(fields)):
            raise RequestError("the row is not UTF-8", code="invalid_encoding")
        named = None if language is None else row[language].strip() or None
        sent = check_text(row[texts[0]]) if len(texts) == 1 else kind(*(checked(row[name], name) for name in texts))
        return Line(number, row, sent, named, None, size)
    except RequestError as error:
        return Line(number, row, error=error, size=size)


def rows_encoder() -> Callable[[Sequence[dict[str, Any]]], bytes]:
    """Return what encodes batches of answered lines as CSV, the first with a header: their fields, then the answer.

    What is no string, such as entities, is written as JSON. Raises ``DataError`` where a later line has more fields.
    """
    header: list[str] = []

    def encode(records: Sequence[dict[str, Any]]) -> bytes:
        rows = [_row(record) for record in records]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not header:
            given = dict.fromkeys(name for row in rows for name in row if name not in ANSWER_COLUMNS)
            header.extend([*given, *ANSWER_COLUMNS])
            writer.writerow(header)
        for row in rows:
            if others := row.keys() - set(header):
                raise DataError(f"the field {min(others)!r} is not in the first lines; write JSON lines instead")
            writer.writerow([_cell(row.get(name)) for name in header])
        return text.getvalue().encode("utf-8", "backslashreplace")

    return encode


def _row(record: dict[str, Any]) -> dict[str, Any]:
    row = {name: value for name, value in record.items() if name not in ("prediction", "error")}
    if "error" in record:
        return row | {"error": record["error"]["message"]}
    prediction = dict(record["prediction"])
    route, truncated = prediction.pop("route"), prediction.pop("truncated")
    score, _ = prediction.pop("score", None), prediction.pop("scores", None)
    content = next(iter(prediction.values())) if len(prediction) == 1 else prediction
    if "answers" in prediction:
        content = prediction["answer"]
    if isinstance(labels := prediction.get("labels"), list | tuple):  # as own data has them
        content = "|".join(labels)
    answer = (content, score, route["language"], route["group"], truncated)
    return row | dict(zip(ANSWER_COLUMNS, answer, strict=False))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
