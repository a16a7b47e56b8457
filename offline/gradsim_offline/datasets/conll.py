"""Read CoNLL-like files: a word and its tag on each line, a blank line after each sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.datasets.columns import USUAL, Columns, word_and_tag
from gradsim_offline.datasets.tagged import Sentence
from gradsim_offline.datasets.text import is_blank, read_lines
from gradsim_shared.errors import DataError

DOCUMENT_START = "-DOCSTART-"


def read_conll(path: Path, columns: Columns = USUAL) -> list[Sentence]:
    r"""Read a file of words and tags.

    In a line that holds a tab the tab separates, and the word may hold spaces; in any other line spaces separate; both
    may stand in one file. Other white space may be part of a word. Lines whose
    first field is ``-DOCSTART-`` are skipped; they end a sentence, as blank lines do.

    Args:
        path: The file.
        columns: Which column of several holds the word, and which the tag; without, there are two.

    Raises:
        DataError: It is not UTF-8, or a line is not a word and a tag; the message names the line.
    """
    found: list[Sentence] = []
    rows: list[tuple[int, str, str]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip(" \t") and not line.startswith(DOCUMENT_START):
            rows.append((number, *_word_and_tag(path, number, line, columns)))
        elif rows:
            found.append(_sentence(path, rows))
            rows = []
    if rows:
        found.append(_sentence(path, rows))
    return found


def _word_and_tag(path: Path, number: int, line: str, columns: Columns) -> tuple[str, str]:
    if "\t" in line:
        fields = [field.strip(" ") for field in line.split("\t")]
    else:
        fields = [field for field in line.split(" ") if field]
    word, tag = word_and_tag(f"{path}:{number}", fields, columns)
    if is_blank(tag):
        raise DataError(f"{path}:{number}: the tag is empty")
    return word, tag


def _sentence(path: Path, rows: Sequence[tuple[int, str, str]]) -> Sentence:
    lines, words, tags = zip(*rows, strict=True)
    return Sentence(str(path), lines, words, tags)
