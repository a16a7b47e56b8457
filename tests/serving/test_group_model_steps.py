"""The steps that the service takes one by one are those that answer all texts at once."""

from __future__ import annotations

import pytest
import tiny_tags
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.loading import load_group_model
from gradsim_shared.bundle import open_bundle

TEXTS = [
    tiny_tags.written(sentence) * times for times in (1, 6) for found in tiny_tags.NER.values() for sentence in found
]


@pytest.fixture(scope="module", params=["tiny", "tiny_ner"])
def model(request):
    bundle = open_bundle(request.getfixturevalue(request.param))
    return load_group_model(bundle, bundle.manifest.groups[1], SessionSettings())


@given(
    lengths=st.lists(st.integers(0, 90), max_size=50),
    tokens=st.integers(1, 600),
    padding=st.one_of(st.integers(0, 200), st.just(float("inf"))),
)
@settings(deadline=None)
def test_chunks_hold_every_row_once_within_tokens_and_padding(model, lengths, tokens, padding):
    chunks = list(model.chunks(lengths, tokens, padding))
    assert sorted(row for chunk in chunks for row in chunk) == list(range(len(lengths)))
    for chunk in chunks:
        sizes = [model.padded(lengths[row]) for row in chunk]
        assert sizes == sorted(sizes)
        assert len(chunk) == 1 or len(chunk) * sizes[-1] <= tokens
        assert sum(sizes[-1] - size for size in sizes) <= padding


@given(rows=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=25)
def test_texts_that_were_read_together_run_and_are_decoded_apart(model, rows):
    texts = [TEXTS[row] for row in rows]
    readings = model.read(texts)
    logits = [model.gather(reading, model.run(reading.ids)) for reading in readings]
    for mine, expected in zip(logits, model.logits(texts), strict=True):
        assert mine == pytest.approx(expected, abs=1e-5)
    answers = [decoded.answer for decoded in model.decode(logits, texts, readings)]
    assert answers == [decoded.answer for decoded in model.answers(texts)]
