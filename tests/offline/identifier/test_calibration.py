"""Calibration of the identifier: reliability against a plain loop, quantiles that weigh languages alike, cut texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.bundle.baseline import baseline
from gradsim_offline.identifier.calibration import MOST_LETTERS, first_letters, minimum_letters, reliability
from gradsim_offline.identifier.profiles import BUCKETS, bucket_count, fit_profiles, quantile, weighted
from gradsim_runtime.predictor import Answer
from gradsim_shared.decoding import Decoded
from gradsim_shared.identification import calibrate
from gradsim_shared.routing import Route
from gradsim_shared.scripts import scripts_of


@st.composite
def tables(draw):
    """Probabilities of three languages' texts, one table for each."""
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    return [(generator.dirichlet([0.4] * 3, size=draw(st.integers(1, 30))), column) for column in range(3)]


@given(before=tables(), temperature=st.floats(0.3, 3))
@settings(deadline=None)
def test_reliability_is_that_of_a_plain_loop(before, temperature):
    found = reliability(before, temperature)
    sums = np.zeros((10, 3))
    for table, column in before:
        for row in calibrate(table, temperature):
            sums[min(int(10 * row.max()), 9)] += np.array([1, row.max(), row.argmax() == column]) / (3 * len(table))
    share = sums[:, 0]
    assert found.share == pytest.approx(share)
    assert np.array(found.confidence) * share == pytest.approx(sums[:, 1])
    assert np.array(found.accuracy) * share == pytest.approx(sums[:, 2])
    gap = np.abs(np.array(found.confidence) - np.array(found.accuracy))
    assert found.expected_calibration_error == pytest.approx((share * gap).sum())


@given(st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=9), min_size=1, max_size=4), st.floats(0.01, 1))
@settings(deadline=None)
def test_a_quantile_leaves_that_share_of_the_weight_below_or_at_it(lists, share):
    values, weights = weighted([np.array(mine) for mine in lists])
    assert weights.sum() == pytest.approx(1)
    found = quantile(values, weights, share)
    assert weights[values <= found].sum() >= share - 1e-9
    assert weights[values < found].sum() <= share + 1e-9


@given(text=st.text(st.characters(codec=None), max_size=40), letters=st.integers(1, 12))
def test_a_cut_text_has_that_many_letters_or_there_were_no_more(text, letters):
    cut = first_letters(text, letters)
    assert cut == "" or (scripts_of(cut).total() == letters and cut in text)
    assert bool(cut) == (scripts_of(text).total() > letters)


def test_minimum_letters_is_the_least_length_that_is_sure_enough():
    texts = {"a": ["abcdefghijklmnopqrstuvwxyz"], "b": ["bcdefghijklmnopqrstuvwxyz", "so"]}
    asked = []

    def accuracies(cut):
        asked.append(cut)
        return {code: float(len(mine[0]) >= 6) for code, mine in cut.items()}

    assert minimum_letters(accuracies, texts) == 6
    assert asked[0] == {"a": ["a"], "b": ["b", "s"]} and asked[-1] == {"a": ["abcdef"], "b": ["bcdefg"]}
    assert minimum_letters(lambda cut: dict.fromkeys(cut, 0.0), texts) == MOST_LETTERS


@pytest.mark.parametrize(
    ("languages", "allowed", "expected"), [(12, 9e5, 1 << 16), (12, 3e5, 1 << 14), (99, 1, 1 << 10)]
)
def test_the_table_is_as_large_as_allowed(languages, allowed, expected):
    assert bucket_count(languages, allowed) == expected
    assert BUCKETS[0] <= expected <= BUCKETS[1]


class Knows:
    """Takes a text for the language of its first letter."""

    def probabilities(self, texts):
        """Return probabilities of languages a and b."""
        return [{"a": 0.9, "b": 0.1} if text.startswith("a") else {"a": 0.1, "b": 0.9} for text in texts]


def random_texts(start, letters, count, seed):
    generator = np.random.default_rng(seed)
    return [start + " ".join("".join(generator.choice(list(letters), 6)) for _ in range(10)) for _ in range(count)]


@pytest.mark.parametrize("with_dev", [True, False])
def test_one_dev_text_in_a_hundred_is_given_up(with_dev):
    train = {"a": random_texts("a", "aeiklm", 150, 1), "b": random_texts("b", "bourst", 150, 2)}
    dev = {"a": random_texts("a", "aeiklm", 100, 3), "b": random_texts("b", "bourst", 100, 4)} if with_dev else {}
    fitted = fit_profiles(train, dev, Knows(), buckets=4096)
    assert fitted.table.shape == (2, 4096) and fitted.profiles.languages == ["a", "b"]
    assert np.mean(list(fitted.known.accepted.values())) == pytest.approx(0.99, abs=0.01 if with_dev else 0.04)
    assert fitted.code_mixing is not None


def test_profiles_are_fitted_on_a_handful_of_texts():
    fitted = fit_profiles({"a": ["abc"], "b": ["bcd ef"]}, {}, Knows(), buckets=1024)
    assert fitted.known is None and fitted.code_mixing is None
    some = fit_profiles({"a": ["abcdefghi"] * 2, "b": ["bcd"]}, {"a": ["abcdefghi"]}, Knows(), buckets=1024)
    assert set(some.known.usual) == {"a", "b"}
    empty = fit_profiles({"a": ["a"], "b": ["b"]}, {"a": ["!"], "b": ["?"]}, Knows(), buckets=1024)
    assert empty.known is None


def test_the_baseline_counts_what_texts_were_taken_for():
    def route(language, confidence):
        return Route(language, confidence, "g0", None, "identified")

    answers = [("hau", 0.95, "up"), ("hau", 1.0, "up"), ("hau", 0.31, "down"), (None, 0.0, "up"), ("swa", 0.5, "up")]
    found = baseline([Answer(Decoded(label, None), route(*taken), truncated=False) for *taken, label in answers])
    assert found["predictions"] == {"hau": {"down": 1 / 3, "up": 2 / 3}, "swa": {"up": 1.0}}
    assert found["confidence"]["hau"] == pytest.approx([0, 0, 0, 1 / 3, 0, 0, 0, 0, 0, 2 / 3])
    assert found["confidence"]["swa"][5] == 1.0
    assert baseline([]) is None


def test_the_baseline_of_tags_counts_each_word():
    found = baseline(
        [Answer(Decoded(("NOUN", "VERB", "NOUN"), None), Route("hau", 0.9, "g0", None, "identified"), truncated=False)]
    )
    assert found["predictions"] == {"hau": {"NOUN": 2 / 3, "VERB": 1 / 3}}
