"""The bootstrap against plain loops, and against what theory says of a mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.core.bootstrap import drawn_means, interval, times_drawn


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 99))
def test_each_draw_is_as_large_as_what_it_is_drawn_from(count, draws, seed):
    times = times_drawn(count, draws, np.random.default_rng(seed))
    assert times.shape == (draws, count)
    assert (times >= 0).all() and (times.sum(axis=1) == count).all()


@pytest.mark.parametrize("shape", [(9,), (9, 4), (9, 3, 3)])
def test_drawn_means_average_the_drawn_values(shape):
    values = np.random.default_rng(0).normal(size=shape)
    found = drawn_means(values, 25, np.random.default_rng(7))
    for draw, times in enumerate(times_drawn(9, 25, np.random.default_rng(7))):
        np.testing.assert_allclose(found[draw], np.repeat(values, times, axis=0).mean(axis=0), atol=1e-12)


def test_bootstrap_means_have_the_standard_error_of_the_mean():
    random = np.random.default_rng(0)
    examples = random.normal(size=(200, 3)) * [1, 2, 3] + 1
    draws = drawn_means(examples, 4000, random)
    np.testing.assert_allclose(draws.mean(axis=0), examples.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(draws.std(axis=0), examples.std(axis=0) / np.sqrt(200), rtol=0.05)


def test_an_interval_spans_the_middle_95_percent():
    draws = np.random.default_rng(1).normal(size=(4001, 2, 3))
    lower, upper = interval(draws)
    assert lower.shape == upper.shape == (2, 3)
    ordered = np.sort(draws, axis=0)
    np.testing.assert_allclose(lower, ordered[100])
    np.testing.assert_allclose(upper, ordered[3900])
