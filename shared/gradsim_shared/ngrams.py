"""Character and word n-grams of a text as token ids: what a model of kind ``ngrams`` reads, when trained and served.

Character n-grams lie within words, with a space at either end; word n-grams are of runs of letters, marks and digits.
Case is folded. An n-gram is known by 32 bits of a hash; a model has a row for each that its training texts hold. An id
is ``row * COUNTS + count``: how often the text holds the n-gram goes into the graph, which weighs it by TF-IDF.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import BundleError

COUNTS = 64
"""A count is below it: more often counts as ``COUNTS - 1``."""
PADDING = 0
"""The id of no n-gram; row 0 holds nothing."""
TABLE_FILE = "ngrams.npz"

Hashes = NDArray[np.uint32]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SPACE = ord(" ")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """The n-grams of some texts, each once per text.

    Attributes:
        text: Number of the text, ``[n]``, ascending.
        ngrams: Hash of the n-gram, or its row in a table, ``[n]``, ascending within a text.
        counts: How often the text holds it, ``[n]``.
    """

    text: NDArray[np.int64]
    ngrams: Hashes
    counts: NDArray[np.int64]


class _Separators(dict[int, str]):
    """For ``str.translate``: what is no letter, mark or digit becomes a space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PSZC" else character
        return self[code]


_SEPARATORS = _Separators()


def character_ngrams(texts: Sequence[str], shortest: int, longest: int) -> Counted:
    """Count the n-grams of characters within words; ``" "`` stands before and after each word.

    Args:
        texts: Normalised.
        shortest: Characters of an n-gram, at least.
        longest: At most.
    """
    spaced = [f" {'  '.join(text.lower().split())} " for text in texts]
    codes, text = _code_points(spaced)
    blank = codes == _SPACE
    begins = blank & np.concatenate([[True], (blank[:-1] | (codes[:-1] == 0))]) if len(codes) else blank
    word = np.where(codes == 0, 0, np.cumsum(begins))
    value = np.zeros(len(codes), np.uint64)  # of the n-gram that begins here
    parts: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []
    with np.errstate(over="ignore"):
        for length in range(1, longest + 1):
            last = max(0, len(codes) - length + 1)
            value[:last] = value[:last] * _FACTOR + codes[length - 1 :] + np.uint64(length)
            if length >= shortest:
                within = np.flatnonzero((word[:last] == word[length - 1 :]) & (word[:last] > 0))
                parts.append((text[within], value[within]))
    return _counted(parts)


def word_ngrams(texts: Sequence[str], longest: int) -> Counted:
    """Count the n-grams of up to ``longest`` words; 0: none."""
    plain = [" ".join(text.lower().translate(_SEPARATORS).split()) for text in texts]
    codes, text = _code_points(plain)
    inside = np.flatnonzero((codes != _SPACE) & (codes != 0))
    if not longest or not len(inside):
        return _counted([])
    first = np.flatnonzero(np.concatenate([[True], np.diff(inside) > 1]))  # of each word, in ``inside``
    place = np.arange(len(inside)) - np.repeat(first, np.diff(np.append(first, len(inside))))
    of_text = text[inside[first]]
    with np.errstate(over="ignore"):
        letters = _mixed(codes[inside] + (place.astype(np.uint64) + np.uint64(1)) * _FACTOR)
        words = np.add.reduceat(letters, first)
        parts, value = [], np.zeros(len(words), np.uint64)
        for length in range(1, longest + 1):
            last = max(0, len(words) - length + 1)
            value[:last] = _mixed(value[:last] * _FACTOR + words[length - 1 :] + np.uint64(length))
            within = np.flatnonzero(of_text[:last] == of_text[length - 1 :])
            parts.append((of_text[within], value[within]))
    return _counted(parts)


def _code_points(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the code points of all texts, a 0 behind each, and the number of the text that each belongs to."""
    joined = "".join(f"{text}\0" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    ends = codes == 0
    return codes, np.cumsum(ends) - ends


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits of each value, as the finaliser of splitmix64 does."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _counted(parts: Sequence[tuple[NDArray[np.int64], NDArray[np.uint64]]]) -> Counted:
    if not parts:
        return Counted(np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.int64))
    text = np.concatenate([number for number, _ in parts])
    with np.errstate(over="ignore"):
        hashes = _mixed(np.concatenate([value for _, value in parts])) >> np.uint64(32)
    keys, counts = np.unique((text.astype(np.uint64) << np.uint64(32)) | hashes, return_counts=True)
    return Counted((keys >> np.uint64(32)).astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), counts)


@dataclass(frozen=True, slots=True)
class Encoding:
    """One text's ids, as a tokenizer gives them; nothing is ever cut."""

    ids: list[int]
    overflowing: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NGramTable:
    """The n-grams that a model has a row for; it reads texts in the place of a tokenizer.

    Attributes:
        shortest: Characters of an n-gram, at least.
        longest: At most.
        words: Words of an n-gram, at most.
        character_hashes: Of those with a row, ascending: row 1 and so on.
        word_hashes: The same for words; their rows follow.
    """

    shortest: int
    longest: int
    words: int
    character_hashes: Hashes
    word_hashes: Hashes

    padding = None
    truncation = None

    @property
    def rows(self) -> int:
        """How many rows there are, row 0 counted."""
        return 1 + len(self.character_hashes) + len(self.word_hashes)

    @property
    def first_word(self) -> int:
        """The first row of a word n-gram."""
        return 1 + len(self.character_hashes)

    def no_padding(self) -> None:
        """Pad nothing, as ever."""

    def no_truncation(self) -> None:
        """Cut nothing, as ever."""

    def enable_truncation(self, max_length: int) -> None:
        """Cut nothing all the same: a longer text has more n-grams, and the model reads them all."""

    def lookup(self, texts: Sequence[str]) -> tuple[Counted, Counted]:
        """Return the n-grams of each text that have a row, of characters and of words: rows in the place of hashes."""
        return (
            _known(character_ngrams(texts, self.shortest, self.longest), self.character_hashes, 1),
            _known(word_ngrams(texts, self.words), self.word_hashes, self.first_word),
        )

    def encode_batch(self, input: Sequence[Any], is_pretokenized: bool = False) -> list[Encoding]:  # noqa: A002, ARG002 - a tokenizer's
        """Return the ids of each text's n-grams that have a row."""
        ids: list[list[int]] = [[] for _ in input]
        for block in self.lookup(input):
            numbers = block.ngrams.astype(np.int64) * COUNTS + block.counts
            bounds = np.searchsorted(block.text, np.arange(len(input) + 1))
            for row, (begin, end) in enumerate(pairwise(bounds)):
                ids[row] += numbers[begin:end].tolist()
        return [Encoding(each) for each in ids]

    def save(self, path: str | Path) -> None:
        """Write it."""
        numbers = np.array([_VERSION, self.shortest, self.longest, self.words])
        with Path(path).open("wb") as stream:
            np.savez(stream, numbers=numbers, characters=self.character_hashes, words=self.word_hashes)


def is_table(path: str | Path) -> bool:
    """Return whether a model's directory holds a table of n-grams in the place of a tokenizer."""
    return (Path(path) / TABLE_FILE).is_file()


def read_table(path: Path) -> NGramTable:
    """Read what ``NGramTable.save`` wrote.

    Raises:
        BundleError: The file is no such table, or of a version that is not known here.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            version, shortest, longest, words = (int(number) for number in content["numbers"])
            hashes = content["characters"], content["words"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise BundleError(f"{path} is no table of n-grams: {error}") from error
    if version != _VERSION:
        raise BundleError(f"{path} is a table of n-grams of version {version}; this version reads {_VERSION}")
    if not all(array.dtype == np.uint32 and array.ndim == 1 and (array[1:] > array[:-1]).all() for array in hashes):
        raise BundleError(f"{path} is no table of n-grams: its hashes are not ascending 32-bit numbers")
    return NGramTable(shortest, longest, words, *hashes)


def _known(counted: Counted, hashes: Hashes, first: int) -> Counted:
    """Return those n-grams that have a row, with the row and a count below ``COUNTS``."""
    place = np.searchsorted(hashes[:-1], counted.ngrams)
    known = hashes[place] == counted.ngrams if len(hashes) else np.zeros(len(place), bool)
    rows = (place[known] + first).astype(np.uint32)
    return Counted(counted.text[known], rows, np.minimum(counted.counts[known], COUNTS - 1))
