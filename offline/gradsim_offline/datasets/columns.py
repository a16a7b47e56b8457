"""Which column of the user's own files holds what, and what may stand in one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gradsim_offline.core.section import Section
from gradsim_shared.columns import LABEL_COLUMNS, LANGUAGE_COLUMNS, PAIR_COLUMNS, TEXT_COLUMNS, column, text_columns
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import cut, listing, quoted
from gradsim_shared.nearest import nearest

SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: JSON's escapes can write one; no tokenizer can read it."""


def _any(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


class Columns(Section):
    """The columns as the user names them, ``None``: the usual ones; and what is held out."""

    text_column: str | None = Field(None, description=f"of labelled texts: the text's; none: {_any(TEXT_COLUMNS)}")
    second_column: str | None = Field(
        None, description=f"of pairs: the second text's; none: {_any([second for _, second in PAIR_COLUMNS])}"
    )
    label_column: str | None = Field(None, description=f"of labelled texts: the label's; none: {_any(LABEL_COLUMNS)}")
    label_columns: list[str] | None = Field(
        None, description="of texts with several labels: the columns of 0 and 1, one for each label; none: all such"
    )
    language_column: str | None = Field(
        None, description=f"of one table for all languages: the language's; none: {_any(LANGUAGE_COLUMNS)}"
    )
    word_column: int | None = Field(
        None, description="of CoNLL-like files: the word's number, from 1, or from the end: -1; none: there are two"
    )
    tag_column: int | None = Field(None, description="of CoNLL-like files: the tag's number, as 4 in CoNLL-2003")

    task: Literal["text_classification", "multi_label_classification"] | None = Field(
        None, description="of labelled texts: whether each has one label, or several; none: as the files show"
    )
    held_out: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.1, description="share of a language's train texts that are its dev split where it has none; 0: none"
    )

    @field_validator("word_column", "tag_column")
    @classmethod
    def _counted_from_one(cls, number: int | None) -> int | None:
        if number == 0:
            raise ValueError("columns are counted from 1, or from the end with -1")
        return number


USUAL = Columns()


def text_column(where: str, header: Sequence[str], columns: Columns) -> str:
    """Return the name of the text's column, as the header writes it.

    Raises:
        DataError: It is missing, or several may be it; the message names those that are there and the option.
    """
    return column(where, header, columns.text_column, TEXT_COLUMNS, "text")


def texts(where: str, header: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """Return the names of the columns of the text, or of both of a pair, as the header writes them.

    Raises:
        DataError: One is missing, or several may be it; the message names those that are there and the option.
    """
    return text_columns(where, header, columns.text_column, columns.second_column)


def texts_and_label(where: str, header: Sequence[str], columns: Columns) -> tuple[tuple[str, ...], str]:
    """Return the names of the columns of the text, or of both of a pair, and of the label, as the header writes them.

    Raises:
        DataError: One is missing, or several may be it; the message names those that are there and the option.
    """
    return (
        texts(where, header, columns),
        column(where, header, columns.label_column, LABEL_COLUMNS, "label"),
    )


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
