"""Read questions with their contexts and answers: JSON of SQuAD's form, JSON lines, JSON, Parquet, CSV and TSV."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from gradsim_offline.core.dataset import Dataset, QuestionExample, Split
from gradsim_offline.datasets.columns import Columns
from gradsim_offline.datasets.objects import Part, parse_json, place_of
from gradsim_offline.datasets.squad import squad_rows
from gradsim_offline.datasets.tables import checked_text, read_rows
from gradsim_offline.datasets.text import read_text
from gradsim_shared.columns import ANSWER_COLUMNS, QUESTION_COLUMNS
from gradsim_shared.decode.question_answering import LABELS
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import cut, quoted
from gradsim_shared.segments import Question

TASK = "question_answering"
_SEEN = 30  # characters of a context that a message shows

Key = TypeVar("Key")


def holds_questions(part: Part, columns: Columns) -> bool:
    """Return whether a file, or rows of one, holds questions, by the columns of its first row."""
    try:
        rows = read_rows(part, columns, check=lambda *_: None) if isinstance(part, Path) else iter(part)
        return set(QUESTION_COLUMNS) <= next(iter(rows), ("", {}))[1].keys()
    except DataError:
        return False  # whoever reads it says what is wrong


def load(name: str, parts: Mapping[str, Mapping[Split, Part]], columns: Columns) -> Dataset:
    """Read the files of each language and split; answers are compared by the rules of their language.

    Args:
        name: Of the data set.
        parts: By language and split; every language has a train split.
        columns: Of no use: the columns have fixed names.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    examples = {code: read_labelled(splits, columns, language=code)[0] for code, splits in parts.items()}
    for code, splits in parts.items():
        if not examples[code].get("train"):
            raise DataError(f"{place_of(splits['train'])}: no questions; a language needs a train split with some")
    return Dataset(name, TASK, LABELS, examples)


def read_labelled(
    parts: Mapping[Key, Part], columns: Columns, _labels: Sequence[str] | None = None, language: str | None = None
) -> tuple[dict[Key, list[QuestionExample]], tuple[str, ...]]:
    """Return the examples of some files, and what a model says of tokens.

    Args:
        parts: The files; their keys are languages where ``language`` is ``None``.
        columns: Of no use: the columns have fixed names.
        language: Whose rules answers are compared by.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    found = {}
    for key, part in parts.items():
        rows = read_rows(part, columns, check=_check) if isinstance(part, Path) else part
        rules = str(key) if language is None else language
        found[key] = [example_of(where, row, rules) for where, row in rows]
    return found, LABELS


def read_squad(path: Path) -> Iterator[tuple[str, QuestionExample]]:
    """Yield the article and the example of each question of a file of SQuAD's form; answers are compared by its rules.

    Raises:
        DataError: It is of another form, or an answer is not where it should be.
    """
    for where, row in squad_rows(str(path), parse_json(read_text(path), str(path))):
        yield str(row["title"]), example_of(where, row, None)


def example_of(where: str, row: Mapping[str, object], language: str | None) -> QuestionExample:
    """Return the example of a row.

    Raises:
        DataError: A text is empty, there is no answer, or it is not where it should be; the message says where it is.
    """
    _check(where, list(row), None)
    question, context = (checked_text(where, row[name], f"the {name}") for name in QUESTION_COLUMNS)
    texts, starts = _answers(where, row)
    found = [_located(where, context, text, start) for text, start in zip(texts, starts, strict=True)]
    places = dict.fromkeys(found)
    return QuestionExample(
        Question(question, context),
        tuple(context[start:end] for start, end in places),
        tuple(start for start, _ in places),
        language,
    )


def _check(where: str, header: Sequence[str], _columns: object) -> None:
    """Raise ``DataError`` if a column is missing."""
    nested = "answers" in header  # as data sets of the Hub have them
    missing = [name for name in (*QUESTION_COLUMNS, *(() if nested else ANSWER_COLUMNS)) if name not in header]
    if missing:
        needed = ", ".join((*QUESTION_COLUMNS, *ANSWER_COLUMNS))
        raise DataError(f"{where}: no column {missing[0]}; questions have {needed}; found {', '.join(header)}")


def _answers(where: str, row: Mapping[str, object]) -> tuple[list[str], list[int]]:
    """Return the answers of a row and where they start: one, or lists."""
    nested = row.get("answers")
    if isinstance(nested, Mapping):
        texts, starts = nested.get("text"), nested.get("answer_start")
    else:
        texts, starts = (row.get(name) for name in ANSWER_COLUMNS)
    texts, starts = ([each] if isinstance(each, str | int) else each for each in (texts, starts))
    if not isinstance(texts, Sequence) or not isinstance(starts, Sequence) or len(texts) != len(starts):
        raise DataError(f"{where}: answer_text and answer_start are a text and a number, or lists of one length")
    if not texts:
        raise DataError(f"{where}: there is no answer; leave out questions that the context does not answer")
    return [checked_text(where, text, "the answer") for text in texts], [_number(where, start) for start in starts]


def _number(where: str, start: object) -> int:
    if isinstance(start, str) and start.strip().isdecimal():
        start = int(start)
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        raise DataError(f"{where}: answer_start is {quoted(str(start))}; it is a number of characters, from 0")
    return start


def _located(where: str, context: str, answer: str, start: int) -> tuple[int, int]:
    """Return where an answer starts and ends; white space makes no difference."""
    if context.startswith(answer, start) and answer == answer.strip():  # nearly always
        return start, start + len(answer)
    there = re.compile(r"\s*(" + r"\s+".join(map(re.escape, answer.split())) + ")").match(context, start)
    if there is not None:
        return there.start(1), there.end(1)
    seen = quoted(cut(context[start : start + len(answer)], _SEEN)) if start < len(context) else "nothing"
    other = context.find(answer)
    hint = f"; it stands at {other}: characters are counted from 0, as Unicode code points" if other >= 0 else ""
    raise DataError(f"{where}: the answer {quoted(cut(answer, _SEEN))} is not at character {start}: {seen} is{hint}")
