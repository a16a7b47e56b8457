"""mini's character n-grams against plain Python: characters without gaps, buckets, the weighted bag."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.models.mini import MiniConfig, NGrams
from gradsim_offline.training.batching import Row, pad
from gradsim_offline.training.encoders.mini import PAD, inverse_document_frequencies

PRIME, MULTIPLIER = 2**31 - 1, 1_000_003
SPELLINGS = [
    "",
    "",
    "a",
    "▁ki",
    "ƙ",
    "👍🏽",
    "ina",
    "b",
    "▁",
    "wata",
    "ክፍል",
    "x" * 6,
]  # 0 and 1 (padding) spell nothing
CONFIG = MiniConfig(vocab_size=len(SPELLINGS), ngram_buckets=97, ngram_size=5, longest_piece=6, ngram_orders=(2, 3, 5))
ids_of_texts = st.lists(st.lists(st.integers(0, len(SPELLINGS) - 1), max_size=8), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def ngrams():
    torch.manual_seed(0)
    module = NGrams(CONFIG).eval()
    for index, spelled in enumerate(SPELLINGS):
        module.spelling[index, : len(spelled)] = torch.tensor([ord(character) for character in spelled])
    module.weights.weight.data.uniform_(0.5, 2)
    module.embeddings.weight.data[0] = 0
    return module


def in_a_batch(texts):
    width = max(1, *map(len, texts))
    return torch.tensor([[*ids, *([PAD] * (width - len(ids)))] for ids in texts])


def reference_bucket(characters, end, order):
    """Hash the n-gram that ends at a place, its last character first."""
    code = 0
    for back in range(order):
        code = (code * MULTIPLIER + characters[end - back] + 17) % PRIME
    return (code * 40_503 + order) % PRIME % (CONFIG.ngram_buckets - 1) + 1


def reference_buckets(text):
    """Return, per character, the bucket of the n-gram of each order that ends there, 0 where the text is too short."""
    characters = [ord(character) for character in text]
    return [
        [reference_bucket(characters, end, order) if end >= order - 1 else 0 for order in CONFIG.ngram_orders]
        for end in range(len(characters))
    ]


@given(texts=ids_of_texts)
@settings(max_examples=100, deadline=None)
def test_characters_have_no_gaps(ngrams, texts):
    joined = ["".join(SPELLINGS[i] for i in ids) for ids in texts]
    found = ngrams.characters(in_a_batch(texts))
    assert found.shape == (len(texts), max(map(len, joined)))
    for row, text in zip(found.tolist(), joined, strict=True):
        assert row == [*map(ord, text), *([0] * (len(row) - len(text)))]


@given(texts=ids_of_texts)
@settings(max_examples=100, deadline=None)
def test_buckets_equal_plain_python(ngrams, texts):
    found = ngrams.buckets(in_a_batch(texts))
    for row, ids in zip(found.tolist(), texts, strict=True):
        expected = reference_buckets("".join(SPELLINGS[i] for i in ids))
        assert row[: len(expected)] == expected
        assert not any(map(any, row[len(expected) :]))


@given(texts=ids_of_texts)
@settings(max_examples=60, deadline=None)
def test_the_bag_is_the_weighted_sum_by_the_root_of_the_number(ngrams, texts):
    with torch.no_grad():
        found = ngrams(in_a_batch(texts)).double().numpy()
    table, weight = (
        tensor.detach().double().numpy() for tensor in (ngrams.embeddings.weight, ngrams.weights.weight[:, 0])
    )
    for row, ids in zip(found, texts, strict=True):
        buckets = [b for place in reference_buckets("".join(SPELLINGS[i] for i in ids)) for b in place if b]
        expected = sum((weight[b] * table[b] for b in buckets), np.zeros(5)) / math.sqrt(max(1, len(buckets)))
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing(ngrams):
    alone = ngrams(torch.tensor([[3, 6, 9]]))
    beside = ngrams(torch.tensor([[3, 6, 9, PAD, PAD], [2, 3, 4, 5, 6]]))
    torch.testing.assert_close(alone[0], beside[0])


def test_the_cut_of_a_text_into_pieces_does_not_matter(ngrams):
    split = {"▁ki": 3, "▁": 8, "b": 7}
    assert torch.equal(ngrams.characters(torch.tensor([[8, 2, 7]])), torch.tensor([[ord("▁"), ord("a"), ord("b")]]))
    assert split["▁"] == SPELLINGS.index("▁")


def test_dropped_ngrams_are_left_out_in_training_only(ngrams):
    ids = torch.tensor([[3, 6, 9, 10, 11]])
    assert torch.equal(ngrams(ids), ngrams(ids))
    ngrams.train()
    torch.manual_seed(0)
    assert not torch.equal(ngrams(ids), ngrams(ids))
    ngrams.eval()


def test_inverse_document_frequencies(ngrams):
    class Encoder:
        class mini:  # noqa: N801 - the attribute that is read
            pass

    Encoder.mini.ngrams = ngrams
    texts = [[3, 6], [3, 3, 3], [4], [], [9, 10, 3]] * 70  # more than one batch
    rows = [Row(tuple(ids)) for ids in texts if ids]
    found = inverse_document_frequencies(Encoder, rows)
    counts = np.zeros(CONFIG.ngram_buckets)
    for row in rows:
        for bucket in {b for place in reference_buckets("".join(SPELLINGS[i] for i in row.ids)) for b in place if b}:
            counts[bucket] += 1
    expected = (np.log((1 + len(rows)) / (1 + counts)) + 1) / (1 + np.log(1 + len(rows)) / 2)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-5)


def test_batches_of_one_length_and_of_many_agree(ngrams):
    together = ngrams(pad([(3, 6, 9), (4,)], PAD)["input_ids"])
    torch.testing.assert_close(together[1], ngrams(torch.tensor([[4]]))[0])
