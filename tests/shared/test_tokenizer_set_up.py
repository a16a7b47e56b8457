"""A tokenizer is changed only where it must be: one that another thread reads with cannot be changed."""

from __future__ import annotations

import threading

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from gradsim_shared.decode import text_classification, token_classification
from gradsim_shared.decoding import set_up


def words() -> Tokenizer:
    """A tokenizer of words."""
    made = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


@pytest.mark.parametrize("maximum", [None, 3])
def test_set_up_truncates_as_asked_and_pads_nothing(maximum):
    tokenizer = words()
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(5)
    set_up(tokenizer, maximum)
    assert tokenizer.padding is None
    assert len(tokenizer.encode("a a a a a a a").ids) == (maximum or 7)


@pytest.mark.parametrize("decoder", [text_classification, token_classification])
def test_a_second_reader_of_a_busy_tokenizer_changes_nothing(decoder):
    """While a bundle is exchanged, the old one still reads with the tokenizer that both hold."""
    tokenizer = words()
    decoder.Reader(tokenizer, 8, "none")
    over = threading.Event()

    def read():
        while not over.is_set():
            tokenizer.encode_batch(["a b c " * 200] * 64)

    reading = [threading.Thread(target=read) for _ in range(2)]
    for thread in reading:
        thread.start()
    try:
        for _ in range(200):
            decoder.Reader(tokenizer, 8, "none")
    finally:
        over.set()
        for thread in reading:
            thread.join()
