"""Decoding texts with several labels, against scipy's logistic function where scipy is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradsim_shared.decode import multi_label_classification as decoder
from gradsim_shared.decoding import Reading

special = pytest.importorskip("scipy.special")
LABELS = ["food", "money", "sport"]
LOGITS = arrays(np.float32, st.tuples(st.integers(1, 5), st.just(3)), elements=st.floats(-200, 200, width=32))


def decode(logits, thresholds=()):
    rows = list(np.array(logits, np.float32)[:, None])
    return decoder.decode(rows, [""] * len(rows), Reading([]), LABELS, thresholds)


@given(LOGITS, st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3))
def test_a_text_has_the_labels_whose_probability_reaches_their_threshold(logits, thresholds):
    expected = special.expit(logits.astype(np.float64))
    for row, decoded in enumerate(decode(logits, thresholds)):
        assert list(decoded.prediction.scores.values()) == pytest.approx(expected[row].tolist())
        scores = decoded.prediction.scores
        above = [label for label, threshold in zip(LABELS, thresholds, strict=True) if scores[label] >= threshold]
        assert decoded.prediction.labels == above == list(decoded.answer)


def test_without_thresholds_each_is_a_half_and_a_text_may_have_no_label():
    none, two = decode([[-1, -0.1, -3], [2, 0, -1]])
    assert none.prediction.labels == [] and none.answer == () and two.answer == ("food", "money")


@given(LOGITS, st.floats(0.1, 0.9))
def test_groups_that_answer_together_add_their_probabilities(logits, share):
    chances = special.expit(logits.astype(np.float64))
    mixed = decoder.mixed_logits([share * chances, (1 - share) * chances[::-1]])
    expected = share * chances + (1 - share) * chances[::-1]
    np.testing.assert_allclose(special.expit(mixed), expected, atol=1e-9)


@pytest.mark.parametrize("logits", [np.zeros((1, 2)), np.full((1, 3), np.nan)])
def test_outputs_that_do_not_fit_are_refused(logits):
    with pytest.raises(ValueError, match=r"do not fit 3 labels|not finite"):
        decoder.decode([logits.astype(np.float32)], [""], Reading([]), LABELS)
