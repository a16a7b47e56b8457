"""Decoding a text classifier, against scipy's softmax where scipy is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gradsim_shared.decode import text_classification
from gradsim_shared.decode.text_classification import Prediction
from gradsim_shared.decoding import Reading

finite = st.floats(-1e4, 1e4, width=32)


def decode(outputs, labels) -> list[Prediction]:
    """Decode a model's outputs, ``[texts, labels]``: one piece for each text."""
    reading = Reading([[0]] * len(outputs), [1] * len(outputs))
    logits = text_classification.gather(reading, outputs)
    found = text_classification.decode(logits, [""] * len(outputs), reading, labels)
    assert [one.answer for one in found] == [one.prediction.label for one in found]
    return [one.prediction for one in found]


@given(logits=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6), elements=finite))
def test_scores_are_the_softmax_and_the_label_is_the_likeliest(logits):
    special = pytest.importorskip("scipy.special")
    labels = [f"l{column}" for column in range(logits.shape[1])]
    expected = special.softmax(logits.astype(np.float64), axis=1)
    for row, prediction in enumerate(decode(logits, labels)):
        assert list(prediction.scores) == labels
        assert list(prediction.scores.values()) == pytest.approx(expected[row], rel=1e-9, abs=1e-12)
        assert prediction.score == max(prediction.scores.values())
        assert (
            prediction.label == labels[int(logits[row].argmax())]
            or prediction.scores[prediction.label] == (prediction.scores[labels[int(logits[row].argmax())]])
        )


def test_large_logits_do_not_overflow():
    (prediction,) = decode(np.array([[1e30, -1e30, 0.0]]), ["a", "b", "c"])
    assert (prediction.label, prediction.score) == ("a", 1.0)


def test_a_tie_goes_to_the_first_label():
    (prediction,) = decode(np.zeros((1, 3)), ["a", "b", "c"])
    assert prediction.label == "a"


@pytest.mark.parametrize(
    "logits", [np.zeros((2, 3)), np.zeros((1, 2, 2)), np.array([[np.nan, 0.0]]), np.array([[np.inf, 0.0]])]
)
def test_outputs_that_cannot_be_right_are_refused(logits):
    with pytest.raises(ValueError, match=r"do not fit 2 labels|not finite"):
        decode(logits, ["a", "b"])
