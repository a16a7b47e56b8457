"""Texts of more tokens than a model reads at once: cut, or read in windows whose logits are averaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gradsim_shared.decode import text_classification as task
from gradsim_shared.ngrams import NGramTable, character_ngrams

START, STOP, MAXIMUM = 0, 1, 8


def numbers(template: str) -> Tokenizer:
    """A tokenizer whose tokens are numbers from 2; ``template`` says what stands at the ends."""
    made = Tokenizer(models.WordLevel({"[S]": START, "[E]": STOP} | {str(i): i for i in range(2, 500)}, unk_token="2"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("[S]", START), ("[E]", STOP)])
    return made


def text_of(count: int) -> str:
    return " ".join(str(2 + i) for i in range(count))


def read(texts, way, template="[S] $A [E]"):
    return task.Reader(numbers(template), MAXIMUM, long_texts=way).read(texts)


@given(
    counts=st.lists(st.integers(0, 130), max_size=6), template=st.sampled_from(["[S] $A [E]", "[S] $A", "$A [E]", "$A"])
)
def test_windows_hold_every_token_up_to_the_limit_in_full_pieces(counts, template):
    texts = [text_of(count) for count in counts]
    reading, cutting = read(texts, "windows", template), read(texts, "cut", template)
    ends = template.count("[")
    room = MAXIMUM - ends
    for row, (one, count) in enumerate(zip(task.apart(reading), counts, strict=True)):
        assert one.layout == [len(one.ids)] and len(one.ids) == min(task.MOST_WINDOWS, max(1, -(-count // room)))
        assert one.ids[0] == cutting.ids[row], "the first window is what training reads"
        inside = [set(piece) - {START, STOP} for piece in one.ids]
        assert set().union(*inside) == set(range(2, 2 + min(count, task.MOST_WINDOWS * room)))
        assert all(len(piece) == MAXIMUM for piece in one.ids) or len(one.ids) == 1
        shape = [(piece.count(START), piece.count(STOP)) for piece in one.ids]
        assert set(shape) == {(template.count("[S]"), template.count("[E]"))}
        assert one.cut == ([0] if count > task.MOST_WINDOWS * room else [])
    assert cutting.cut == [row for row, count in enumerate(counts) if count > room]


@given(counts=st.lists(st.integers(0, 40), max_size=6), seed=st.integers(0, 99))
def test_logits_are_the_mean_over_a_texts_windows(counts, seed):
    reading = read([text_of(count) for count in counts], "windows")
    outputs = list(np.random.default_rng(seed).normal(size=(len(reading.ids), 3)).astype(np.float32))
    logits, first = task.gather(reading, outputs), 0
    for found, one in zip(logits, task.apart(reading), strict=True):
        pieces = outputs[first : first + len(one.ids)]
        assert found.shape == (1, 3) and found[0] == pytest.approx(sum(pieces) / len(pieces), abs=1e-6)
        assert task.gather(one, pieces)[0] == pytest.approx(found)
        first += len(one.ids)


def test_texts_are_cut_unless_windows_are_asked_for():
    reading = task.Reader(numbers("[S] $A [E]"), MAXIMUM).read([text_of(6), text_of(7)])
    assert [len(piece) for piece in reading.ids] == [8, 8] and reading.cut == [1]


def test_n_grams_are_read_of_whole_texts():
    hashes = np.unique(character_ngrams([text_of(40)], 2, 3).ngrams)
    table = NGramTable(2, 3, 0, hashes, np.zeros(0, np.uint32))
    for way in ("cut", "windows"):
        reading = task.Reader(table, MAXIMUM, long_texts=way).read([text_of(40), "2"])
        assert reading.layout == [1, 1] and reading.cut == [] and len(reading.ids[0]) == len(hashes) > MAXIMUM
