"""N-grams are counted as scikit-learn and brute force count them, each text by itself; tables come back as saved."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from gradsim_shared.errors import BundleError
from gradsim_shared.ngrams import COUNTS, NGramTable, character_ngrams, read_table, word_ngrams

TEXTS = ("Ina kwana? Ina gajiya!", "a bb  ccc", "", "kwana kwana kwana", "አዲስ አበባ, 2026", "na" * 90)
text_lists = st.lists(st.text(st.sampled_from("ab é́.1ሰ\u200d "), max_size=30), max_size=5)


def counts_of(counted, texts):
    """Return how often each text holds its n-grams, without their names."""
    return [sorted(counted.counts[counted.text == row].tolist()) for row in range(len(texts))]


def words(text):
    """Return the runs of letters, marks and digits."""
    return "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in text.lower()).split()


@given(text_lists)
def test_characters_are_counted_as_scikit_learn_counts_them(texts):
    analyze = CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()
    expected = [sorted(Counter(analyze(text)).values()) for text in texts]
    assert counts_of(character_ngrams(texts, 2, 5), texts) == expected


@given(text_lists)
def test_words_and_pairs_of_words_are_counted(texts):
    every = [words(text) for text in texts]
    expected = [sorted(Counter([*one, *pairwise(one)]).values()) for one in every]
    assert counts_of(word_ngrams(texts, 2), texts) == expected


def test_the_same_ngram_has_one_hash_and_another_has_another():
    analyze = CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()
    distinct = {ngram for text in TEXTS for ngram in analyze(text)}
    assert len(np.unique(character_ngrams(TEXTS, 2, 5).ngrams)) == len(distinct)


def test_without_words_there_are_none():
    assert not len(word_ngrams(TEXTS, 0).ngrams)


def table_of(texts):
    characters, pairs = character_ngrams(texts, 2, 5), word_ngrams(texts, 2)
    return NGramTable(2, 5, 2, np.unique(characters.ngrams), np.unique(pairs.ngrams))


@given(text_lists)
def test_a_text_is_read_alike_alone_and_among_others(texts):
    table = table_of(TEXTS)
    together = [encoding.ids for encoding in table.encode_batch(texts)]
    assert together == [table.encode_batch([text])[0].ids for text in texts]


def test_an_id_is_a_row_and_a_count():
    ids = np.array(table_of(TEXTS).encode_batch(["na" * 90])[0].ids)
    rows, counts = ids // COUNTS, ids % COUNTS
    assert len(set(rows)) == len(rows)
    assert rows.min() >= 1
    assert rows.max() < table_of(TEXTS).rows
    assert counts.max() == COUNTS - 1  # na stands there more often
    assert counts.min() == 1


def test_what_has_no_row_is_left_out():
    assert table_of(TEXTS).encode_batch(["ξψω"])[0].ids == []
    assert NGramTable(2, 5, 0, np.zeros(0, np.uint32), np.zeros(0, np.uint32)).encode_batch(["a b"])[0].ids == []


def test_a_table_comes_back_as_it_was_saved(tmp_path):
    table = table_of(TEXTS)
    table.save(tmp_path / "ngrams.npz")
    again = read_table(tmp_path / "ngrams.npz")
    assert [one.ids for one in again.encode_batch(TEXTS)] == [one.ids for one in table.encode_batch(TEXTS)]


@pytest.mark.parametrize("change", ["no table", "version", "order"])
def test_a_file_that_is_no_table_is_refused(tmp_path, change):
    path = tmp_path / "ngrams.npz"
    if change == "no table":
        path.write_text("no table")
    else:
        numbers = np.array([2 if change == "version" else 1, 2, 5, 2])
        characters = np.array([3, 1] if change == "order" else [1, 3], np.uint32)
        np.savez(path, numbers=numbers, characters=characters, words=np.array([1], np.uint32))
    with pytest.raises(BundleError, match=r"table of n-grams"):
        read_table(path)
