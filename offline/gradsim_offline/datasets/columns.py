"""Which column of the user's own files holds what, and what may stand in one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field, field_validator

from gradsim_offline.core.settings import Section
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import cut, listing, quoted
from gradsim_shared.nearest import nearest

TEXT_COLUMNS = ("text", "tweet", "sentence")
LABEL_COLUMN = "label"
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: JSON's escapes can write one; no tokenizer can read it."""


class Columns(Section):
    """The columns as the user names them; ``None``: the usual ones."""

    text_column: str | None = Field(None, description="of labelled texts: the text's; none: text, tweet or sentence")
    label_column: str | None = Field(None, description="of labelled texts: the label's; none: label")
    word_column: int | None = Field(
        None, description="of CoNLL-like files: the word's number, from 1, or from the end: -1; none: there are two"
    )
    tag_column: int | None = Field(None, description="of CoNLL-like files: the tag's number, as 4 in CoNLL-2003")

    @field_validator("word_column", "tag_column")
    @classmethod
    def _counted_from_one(cls, number: int | None) -> int | None:
        if number == 0:
            raise ValueError("columns are counted from 1, or from the end with -1")
        return number


USUAL = Columns()


def text_and_label(where: str, header: Sequence[str], columns: Columns) -> tuple[str, str]:
    """Return the names of the two columns, as the header writes them; capitals and outer spaces make no difference.

    Args:
        where: File and line, for messages.
        header: The names of all columns.
        columns: What the user says.

    Raises:
        DataError: One is missing, or several may be it; the message names those that are there and the setting.
    """
    text, label = columns.text_column, columns.label_column
    return (
        _column(where, header, text, TEXT_COLUMNS, "no column for the text", "text_column"),
        _column(where, header, label, (LABEL_COLUMN,), f"no column {quoted(label or LABEL_COLUMN)}", "label_column"),
    )


def _column(
    where: str, header: Sequence[str], chosen: str | None, usual: Sequence[str], missing: str, setting: str
) -> str:
    if chosen in header and chosen is not None:
        return chosen
    names = usual if chosen is None else (chosen,)
    candidates = [each for each in header if _plain(each) in map(_plain, names)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(
            f"{where}: each of {listing(map(quoted, candidates))} may be the column; keep one, or say which it is: "
            f"--set data_options.{setting}=NAME"
        )
    raise DataError(
        f"{where}: {missing}: found {listing(map(quoted, header))}; name it {' or '.join(names)}, or say which it is: "
        f"--set data_options.{setting}=NAME"
    )


def _plain(name: str) -> str:
    return name.strip().casefold()


def word_and_tag(where: str, fields: Sequence[str], columns: Columns) -> tuple[str, str]:
    """Return the word and the tag of a line of a CoNLL-like file.

    Raises:
        DataError: There are not two fields and the user has not said which to take, or there are too few.
    """
    if columns.word_column is None and columns.tag_column is None:
        if len(fields) == 2:
            return fields[0], fields[1]
        settings = "--set data_options.word_column=1 --set data_options.tag_column=4"
        ways = f"; of other columns say which to read, as in {settings}" if len(fields) > 2 else ""
        raise DataError(
            f"{where}: {len(fields)} field{'s' if len(fields) > 1 else ''}; expected a word and its tag, with a tab or "
            f"spaces between them, and a blank line after each sentence{ways}"
        )
    numbers = (columns.word_column or 1, columns.tag_column or -1)
    for name, number in zip(("word_column", "tag_column"), numbers, strict=True):
        if len(fields) < abs(number):
            raise DataError(f"{where}: {len(fields)} fields; {name} is {number}")
    word, tag = (fields[number - 1 if number > 0 else number] for number in numbers)
    return word, tag


def check_allowed(where: str, what: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a label, or a tag, that is not allowed.

    Raises:
        DataError: The message names the nearest and the allowed ones.
    """
    if value not in allowed:
        guesses = nearest(value, allowed, limit=1)
        meant = f"did you mean {cut(guesses[0])}? " if guesses else ""
        raise DataError(f"{where}: unknown {what} {quoted(value)}; {meant}allowed: {listing(allowed)}")
