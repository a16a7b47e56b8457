"""Read CoNLL-like files (a word and its tag on each line) and CoNLL-U, the form of Universal Dependencies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradsim_offline.datasets.columns import USUAL, Columns, word_and_tag
from gradsim_offline.datasets.tagged import Sentence
from gradsim_offline.datasets.text import is_blank, read_lines
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import quoted
from gradsim_shared.segmentation import locate

DOCUMENT_START = "-DOCSTART-"
COLUMNS = 10  # of CoNLL-U: id, form, lemma, UPOS, XPOS, features, head, relation, enhanced relations, other
_ID = re.compile(r"(\d{1,9})(?:([-.])(\d{1,9}))?")
_TEXT = re.compile(r"#\s*text\s*=\s?(.*)")
_VERSION_1 = {"CONJ": "CCONJ"}  # renamed in version 2; the other tags kept their names


def read_conll(path: Path, columns: Columns = USUAL) -> list[Sentence]:
    r"""Read a file of words and tags.

    In a line that holds a tab the tab separates, and the word may hold spaces; in any other line spaces separate; both
    may stand in one file. Other white space may be part of a word. Lines whose first field is ``-DOCSTART-`` are
    skipped; they end a sentence, as blank lines do.

    Args:
        path: The file.
        columns: Which column of several holds the word, and which the tag; without, there are two.

    Raises:
        DataError: It is not UTF-8, or a line is not a word and a tag; the message names the line.
    """
    sentences: list[Sentence] = []
    rows: list[tuple[int, str, str]] = []
    for number, line in enumerate([*read_lines(path), ""], start=1):
        if line.strip(" \t") and not line.startswith(DOCUMENT_START):
            rows.append((number, *_word_and_tag(path, number, line, columns)))
        elif rows:
            lines, words, tags = zip(*rows, strict=True)
            sentences.append(Sentence(str(path), lines, words, tags))
            rows = []
    return sentences


def _word_and_tag(path: Path, number: int, line: str, columns: Columns) -> tuple[str, str]:
    if "\t" in line:
        fields = [part.strip(" ") for part in line.split("\t")]
    else:
        fields = [part for part in line.split(" ") if part]
    word, tag = word_and_tag(f"{path}:{number}", fields, columns)
    if is_blank(tag):
        raise DataError(f"{path}:{number}: the tag is empty")
    return word, tag


@dataclass
class _Open:
    """The sentence that is being read."""

    text: str | None = None
    lines: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    glued: set[int] = field(default_factory=set)
    """Words, counted from 1, that no space follows."""


def read_conllu(path: Path) -> list[Sentence]:
    """Read the words of a CoNLL-U file with their UPOS tags.

    Ranges such as ``3-4`` (words written as one) and empty nodes such as ``8.1`` are skipped; a form may hold spaces.
    The text is the comment ``# text =`` where the words stand in it with nothing but white space between them; else,
    as where a range is written in another way than its words, it is the words with a space after each that has no
    ``SpaceAfter=No``. The tag CONJ of version 1 is read as CCONJ.

    Raises:
        DataError: It is not UTF-8, or a line is not CoNLL-U, or a word has no UPOS tag; the message names the line.
    """
    sentences: list[Sentence] = []
    now = _Open()
    for number, line in enumerate([*read_lines(path), ""], start=1):
        if line.startswith("#"):
            if comment := _TEXT.fullmatch(line):
                now.text = comment[1]
        elif line.strip():
            _add(now, path, number, line)
        else:
            sentences += _closed(now, path)
            now = _Open()
    return sentences


def _add(now: _Open, path: Path, number: int, line: str) -> None:
    """Add the word of a line; a range tells only whether a space follows its last word."""
    fields = line.split("\t")
    if len(fields) != COLUMNS:
        raise DataError(f"{path}:{number}: {len(fields)} tab-separated fields; CoNLL-U has {COLUMNS}")
    place = _ID.fullmatch(fields[0])
    if place is None:
        raise DataError(f"{path}:{number}: {quoted(fields[0])} is no word number; expected one such as 3, 3-4 or 8.1")
    if place[2] == "-" and "SpaceAfter=No" in fields[9].split("|"):
        now.glued.add(int(place[3]))
    if place[2]:
        return
    if int(place[1]) != len(now.words) + 1:
        expected = len(now.words) + 1
        raise DataError(
            f"{path}:{number}: word {place[1]} where {expected} was expected; a blank line ends each sentence"
        )
    if fields[3] == "_" or is_blank(fields[3]):
        raise DataError(f"{path}:{number}: the word {quoted(fields[1])} has no UPOS tag (column 4)")
    now.lines.append(number)
    now.words.append(fields[1])
    now.tags.append(_VERSION_1.get(fields[3], fields[3]))
    if "SpaceAfter=No" in fields[9].split("|"):
        now.glued.add(len(now.words))


def _closed(now: _Open, path: Path) -> list[Sentence]:
    if not now.words:
        return []
    text = now.text
    if text is None or not _covers(now.words, text):
        text = _joined(now.words, now.glued)
    return [Sentence(str(path), now.lines, tuple(now.words), tuple(now.tags), text)]


def _covers(words: Sequence[str], text: str) -> bool:
    """Return whether the text is these words, with white space between some of them."""
    spans = locate(words, text)
    return spans is not None and not text[spans[-1][1] :].strip()


def _joined(words: Sequence[str], glued: set[int]) -> str:
    spaced = [word if place in glued else f"{word} " for place, word in enumerate(words, start=1)]
    return "".join(spaced).strip(" ")
