"""Questions: how contexts are read in windows, what is judged where, and which spans are the likeliest."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gradsim_shared.decode import question_answering as qa
from gradsim_shared.decoding import decoder_of, holds_of
from gradsim_shared.segments import Question, as_json, field_of, normalised

WORDS = {"[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "where": 3, "is": 4, "it": 5, "a": 6, "b": 7, "c": 8}


@pytest.fixture
def tokenizer():
    found = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return found


def outputs_of(reading, starts, ends):
    """Return outputs in which only these tokens say something."""
    return [
        np.array([[starts.get(token, 0.0), ends.get(token, 0.0)] for token in ids], np.float32) for ids in reading.ids
    ]


def test_a_short_context_is_one_piece_and_places_are_those_of_the_text_as_sent(tokenizer):
    text = Question("where is it", " a\u200b \n bé  c")
    reading = qa.Reader(tokenizer, 20).read([text])
    assert reading.ids == [[0, 3, 4, 5, 1, 6, 2, 8, 1]] and not reading.cut
    (logits,) = qa.gather(reading, outputs_of(reading, {2: 5.0}, {8: 4.0}))
    assert logits.shape == (len(text.context), 2)
    (decoded,) = qa.decode([logits], [text], reading, qa.LABELS)
    found = decoded.prediction
    assert (found.answer, decoded.answer) == ("bé  c", "bé  c") and text.context[found.start : found.end] == "bé  c"


def test_every_token_of_a_long_context_is_judged_once_in_the_middle_of_a_window(tokenizer):
    context = " ".join("abc"[i % 3] for i in range(50))
    reading = qa.Reader(tokenizer, 16).read([Question("where is it", context), Question("where", "a")])
    (long, short) = reading.layout
    assert all(len(ids) <= 16 for ids in reading.ids) and len(short.pieces) == 1
    judged = np.concatenate([piece.characters[piece.judged, 0] for piece in long.pieces])
    assert judged.tolist() == list(range(0, 99, 2)), "each of 50 tokens, in order"
    room = 16 - 6
    for piece, after in zip(long.pieces, long.pieces[1:], strict=False):
        shared = set(piece.characters[:, 0].tolist()) & set(after.characters[:, 0].tolist())
        assert len(shared) >= room // 2
    first, second = qa.apart(reading)
    assert [piece.number for piece in first.layout[0].pieces] == list(range(len(first.ids)))
    assert second.ids == reading.ids[-1:]


def test_an_answer_in_a_later_window_is_found_there(tokenizer):
    context = " ".join(["a"] * 40 + ["b", "c"] + ["a"] * 8)
    reading = qa.Reader(tokenizer, 16).read([Question("where is it", context)])
    (logits,) = qa.gather(reading, outputs_of(reading, {7: 9.0}, {8: 9.0}))
    (decoded,) = qa.decode([logits], [Question("where is it", context)], reading, qa.LABELS)
    assert (decoded.answer, decoded.prediction.start) == ("b c", 80)


def test_windows_are_compared_against_their_first_token(tokenizer):
    context = " ".join(["b"] + ["a"] * 30 + ["c"])
    text = Question("where is it", context)
    reading = qa.Reader(tokenizer, 16).read([text])
    outputs = outputs_of(reading, {7: 5.0, 8: 9.0}, {7: 5.0, 8: 9.0})
    outputs[-1][0] = 8.0  # the last window says that it holds no answer
    (decoded,) = qa.decode(qa.gather(reading, outputs), [text], reading, qa.LABELS)
    assert decoded.answer == "b"


def test_what_is_too_long_is_bounded_and_said(tokenizer):
    reader = qa.Reader(tokenizer, 16)
    reading = reader.read([Question("where", "a " * 50_000), Question("where " * 40, "a b"), Question("where", "a")])
    assert len(reading.layout[0].pieces) == qa.MOST_WINDOWS and reading.cut == [0, 1]
    assert reading.ids[-2] == [0, *[3] * 6, 1, 6, 7, 1], "a question takes half, at most"


def test_the_probability_of_a_span_is_that_of_both_ends_over_all_that_are_possible():
    chances = np.zeros((5, 2))
    chances[[0, 3], 0], chances[[1, 4], 1] = (0.6, 0.4), (0.7, 0.3)
    possible = {"ab": 0.6 * 0.7, "ab cd": 0.6 * 0.3, "cd": 0.4 * 0.3}  # "cd" cannot end before it starts
    found = {span.text: span.score for span in qa.best_spans(chances, "ab cd")}
    assert found == pytest.approx({text: one / sum(possible.values()) for text, one in possible.items()})
    assert list(found) == sorted(found, key=found.__getitem__, reverse=True)


def test_the_best_spans_are_those_of_a_search_through_all():
    random = np.random.default_rng(3)
    context = "".join(random.choice(list("abcdefghij "), 260))
    logits = random.normal(size=(260, 2)).astype(np.float32)
    chances = qa.probabilities(logits, qa.LABELS)
    every = [(chances[i, 0] * chances[j, 1], i, j + 1) for i in range(260) for j in range(i, min(i + qa.LONGEST, 260))]
    whole = sum(product for product, *_ in every)
    expected = {}
    for product, start, end in sorted(every, reverse=True):
        expected.setdefault(context[start:end], (start, end, product / whole))
    best = qa.best_spans(chances, context)
    assert [(span.start, span.end, pytest.approx(span.score)) for span in best] == [*expected.values()][: qa.BEST]


def test_one_text_is_named_once():
    chances = np.full((5, 2), 1e-3)
    chances[[0, 3], 0] = chances[[1, 4], 1] = 0.4
    assert [span.text for span in qa.best_spans(chances, "ab Ab")].count("Ab") == 0


def test_groups_answer_together_by_the_sum_of_their_probabilities():
    logits = [np.array([[2.0, -1e4], [-1e4, 1.0], [0.0, 0.5]]), np.array([[0.0, -1e4], [-1e4, 0.0], [3.0, 3.0]])]
    chances = [qa.probabilities(each, qa.LABELS) for each in logits]
    mixed = qa.mixed_logits([0.5 * each for each in chances])
    assert np.isfinite(mixed).all()
    assert qa.probabilities(mixed, qa.LABELS) == pytest.approx(0.5 * chances[0] + 0.5 * chances[1])


def test_a_context_of_which_nothing_can_be_read_has_no_answer(tokenizer):
    text = Question("where", "\x00")
    reading = qa.Reader(tokenizer, 16).read([text])
    (decoded,) = qa.decode(qa.gather(reading, outputs_of(reading, {}, {})), [text], reading, qa.LABELS)
    assert decoded.answer == decoded.prediction.answer == ""


def test_what_is_sent_is_known_by_its_type():
    asked = Question("where?", "here")
    assert field_of([asked]) == holds_of("question_answering") == "questions"
    assert as_json(asked) == {"question": "where?", "context": "here"}
    assert type(normalised(asked)) is Question and decoder_of("question_answering") is qa
