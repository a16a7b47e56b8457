"""TF-IDF vectors of texts' n-grams: of their characters and of their words, each of unit length, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gradsim_offline.core.training_settings import NGrams
from gradsim_shared.ngrams import Counted, Hashes, NGramTable, character_ngrams, word_ngrams

_FEW = 300
"""Of fewer texts every n-gram counts."""


@dataclass(frozen=True)
class TfIdf:
    """TF-IDF vectors of character and word n-grams, each of unit length, side by side.

    Attributes:
        table: The n-grams.
        inverse_frequency: Smoothed IDF of each row, ``[rows]``; row 0 is the padding's, 0.
    """

    table: NGramTable
    inverse_frequency: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[str], settings: NGrams) -> TfIdf:
        """Take the n-grams of the training texts that stand in enough of them."""
        shortest, longest = settings.characters
        least = settings.minimum_texts or (1 if len(texts) < _FEW else 2)
        blocks = [character_ngrams(texts, shortest, longest), word_ngrams(texts, settings.words)]
        (characters, often), (words, word_often) = (_frequent(counted, least) for counted in blocks)
        frequency = np.concatenate([often, word_often])
        idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        table = NGramTable(shortest, longest, settings.words, characters, words)
        return cls(table, np.concatenate([[0], idf]).astype(np.float16).astype(np.float32))

    def vectors(self, texts: Sequence[str]) -> sparse.csr_array:
        """Return the vectors of normalised texts, ``[texts, rows]``: 32 bits each, which halves the time of a fit."""
        rows, columns, values = [], [], []
        for block in self.table.lookup(texts):
            value = (1 + np.log(block.counts)) * self.inverse_frequency[block.ngrams]
            length = np.sqrt(np.bincount(block.text, value**2, minlength=len(texts)))
            rows.append(block.text.astype(np.int32))
            columns.append(block.ngrams.astype(np.int32))
            values.append((value / length[block.text]).astype(np.float32))
        where = (np.concatenate(rows), np.concatenate(columns))
        return sparse.coo_array((np.concatenate(values), where), shape=(len(texts), self.table.rows)).tocsr()


def _frequent(counted: Counted, least: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Return the n-grams that stand in enough texts, ascending, and in how many each does."""
    hashes, often = np.unique(counted.ngrams, return_counts=True)
    kept = often >= least
    return hashes[kept], often[kept]
