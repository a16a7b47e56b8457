"""Find texts and their translations: files whose lines go together, as Tatoeba's, or numbered rows, as SIB-200's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import SPLITS
from gradsim_offline.datasets.columns import USUAL, text_column
from gradsim_offline.datasets.folders import source_folder, visible
from gradsim_offline.datasets.own_folders import look_into
from gradsim_offline.datasets.tables import checked_text, read_rows
from gradsim_offline.datasets.text import read_lines
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

KNOWN = ("tatoeba", "sib200")
XTREME = (
    *("afr", "ara", "ben", "bul", "cmn", "deu", "ell", "est", "eus", "fin", "fra", "heb", "hin", "hun", "ind", "ita"),
    *("jav", "jpn", "kat", "kaz", "kor", "mal", "mar", "nld", "pes", "por", "rus", "spa", "swh", "tam", "tel", "tgl"),
    *("tha", "tur", "urd", "vie"),
)
"""The languages that the XTREME benchmark takes of Tatoeba."""
_NUMBERS = ("index_id", "id")


@dataclass(frozen=True)
class Pair:
    """Texts of two languages, the nth of the one with the nth of the other.

    Attributes:
        languages: As they are written there.
        texts: Of the first, and of the second.
    """

    languages: tuple[str, str]
    texts: tuple[Sequence[str], Sequence[str]]


def read_pairs(
    data: str, data_dir: Path | None, languages: Sequence[str] | None, pivot: str | None, most: int | None
) -> list[Pair]:
    """Read the pairs of a data set.

    Args:
        data: ``tatoeba``, ``sib200``, or a directory of one of their forms.
        data_dir: Where the former lie; ``None``: below ``$GRADSIM_DATA``.
        languages: Codes, ``xtreme`` stands for its own; ``None``: all.
        pivot: The language that one side is of; ``None``: any.
        most: Texts of a pair, at most: the first.

    Raises:
        DataError: There are none, or a file is not as it should be; the message names file and line.
    """
    folder = source_folder(data, data_dir) if data in KNOWN else Path(data)
    if folder is None or not folder.is_dir():
        where = "is no directory" if folder else "lies below --data-dir, or $GRADSIM_DATA"
        raise DataError(
            f"--data {data}: {where}; known are {', '.join(KNOWN)}, or name a directory (docs/evaluating.md)"
        )
    wanted = None if languages is None else [c for name in languages for c in (XTREME if name == "xtreme" else (name,))]
    found = {frozenset(pair.languages): pair for pair in (*_of_lines(folder), *_of_rows(folder))}
    there = sorted({code for pair in found.values() for code in pair.languages})
    if not found:
        raise DataError(
            f"{folder}: no parallel texts: expected NAME.hau-eng.hau and .eng, or <lang>/test.tsv with index_id"
        )
    for code in [*(wanted or ()), *([pivot] if pivot else ())]:
        if code not in there:
            raise DataError(f"{folder}: {unknown('language', code, there)}")
    pairs = [
        Pair(pair.languages, (pair.texts[0][:most], pair.texts[1][:most]))
        for pair in sorted(found.values(), key=lambda pair: pair.languages)
        if (pivot is None or pivot in pair.languages)
        and all(wanted is None or code in wanted or code == pivot for code in pair.languages)
    ]
    return [_against(pair, pivot) for pair in pairs if len(pair.texts[0])]


def _against(pair: Pair, pivot: str | None) -> Pair:
    """Return a pair with the pivot behind."""
    return Pair(pair.languages[::-1], pair.texts[::-1]) if pair.languages[0] == pivot else pair


def _of_lines(folder: Path) -> Iterator[Pair]:
    """Yield the pairs of files such as ``tatoeba.hau-eng.hau`` and ``tatoeba.hau-eng.eng``."""
    for path in visible(folder):
        stem, _, side = path.name.rpartition(".")
        one, dash, other = stem.rpartition(".")[2].partition("-")
        if not path.is_file() or not dash or side != one:
            continue
        behind = path.with_name(f"{stem}.{other}")
        if not behind.is_file():
            raise DataError(f"{path}: {behind.name}, which holds the translations, is missing")
        texts = [[line.rstrip("\r\n") for line in read_lines(each)] for each in (path, behind)]
        texts = [lines[:-1] if lines and not lines[-1] else lines for lines in texts]
        if len(texts[0]) != len(texts[1]):
            raise DataError(
                f"{path}: {len(texts[0])} lines, and {len(texts[1])} in {behind.name}; line n goes with line n"
            )
        yield Pair((one, other), (texts[0], texts[1]))


def _of_rows(folder: Path) -> Iterator[Pair]:
    """Yield the pairs of languages whose folders hold tables with a column that numbers the texts."""
    numbered: dict[str, dict[str, str]] = {}
    for path in visible(folder):
        files = look_into(path).files if path.is_dir() else {}
        if files:
            numbered[codes.find(path.name) or path.name] = {
                number: text for split in SPLITS if split in files for number, text in _numbered(files[split])
            }
    for one, other in combinations(numbered, 2):
        both = [number for number in numbered[one] if number in numbered[other]]
        yield Pair((one, other), tuple([numbered[code][number] for number in both] for code in (one, other)))  # type: ignore[arg-type]


def _numbered(path: Path) -> Iterator[tuple[str, str]]:
    for where, row in read_rows(path, USUAL, check=text_column):
        number = next((name for name in _NUMBERS if name in row), None)
        if number is None:
            raise DataError(f"{where}: no column {' or '.join(_NUMBERS)}, which says what goes together")
        yield str(row[number]), checked_text(where, row[text_column(where, list(row), USUAL)])
