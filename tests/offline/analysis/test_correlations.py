"""Correlations against numpy, scipy's own distribution and every permutation written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradsim_offline.similarity.correlations import correlate, mantel_p, pairs


def random_matrices(seed, size, *, symmetric):
    """Two matrices that have something in common."""
    random = np.random.default_rng(seed)
    first = random.normal(size=(size, size))
    second = 0.5 * first + random.normal(size=(size, size))
    return (first + first.T, second + second.T) if symmetric else (first, second)


@given(st.integers(0, 10_000), st.integers(3, 9), st.booleans())
def test_pearson_and_its_p_are_those_of_numpy_and_of_the_t_distribution(seed, size, symmetric):
    first, second = random_matrices(seed, size, symmetric=symmetric)
    found = correlate(first, second)
    keep = [(i, j) for i in range(size) for j in range(size) if (i < j if symmetric else i != j)]
    x, y = [first[pair] for pair in keep], [second[pair] for pair in keep]
    r = np.corrcoef(x, y)[0, 1]
    assert found.ordered is not symmetric
    assert found.pairs == len(keep)
    assert found.pearson == pytest.approx(r, abs=1e-12)
    t = r * np.sqrt((len(keep) - 2) / (1 - r**2))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), len(keep) - 2), rel=1e-6)
    ranks = np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]
    assert found.spearman == pytest.approx(ranks, abs=1e-12)


def test_a_symmetric_pair_is_not_counted_twice():
    first, second = random_matrices(1, 6, symmetric=True)
    found = correlate(first, second)
    doubled = stats.pearsonr(pairs(first, ordered=True), pairs(second, ordered=True))
    assert found.pearson == pytest.approx(doubled.statistic)
    assert found.p > 10 * doubled.pvalue or found.p > 0.05


@given(st.integers(0, 10_000), st.integers(3, 5), st.booleans())
def test_mantel_over_all_relabellings_is_the_brute_force_count(seed, size, symmetric):
    first, second = random_matrices(seed, size, symmetric=symmetric)
    off = ~np.eye(size, dtype=bool)
    observed = abs(np.corrcoef(first[off], second[off])[0, 1])
    orders = [list(order) for order in permutations(range(size))]
    found = [abs(np.corrcoef(first[off], second[np.ix_(order, order)][off])[0, 1]) for order in orders]
    expected = np.mean([value >= observed - 1e-9 for value in found])
    assert mantel_p(first, second, len(orders), seed) == pytest.approx(expected)


def test_a_drawn_mantel_p_is_near_the_exact_one_and_depends_on_the_seed_alone():
    first, second = random_matrices(3, 7, symmetric=True)
    exact = mantel_p(first, second, 5040, 0)
    drawn = mantel_p(first, second, 5039, 0)
    assert drawn == pytest.approx(exact, abs=0.03)
    assert drawn == mantel_p(first, second, 5039, 0)
    assert drawn >= 1 / 5040


def test_the_mantel_test_holds_its_level_under_independence():
    random = np.random.default_rng(0)
    p_values = [mantel_p(random.normal(size=(6, 6)), random.normal(size=(6, 6)), 720, 0) for _ in range(200)]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_within_rows_leaves_the_level_of_a_row_out():
    first, second = random_matrices(5, 5, symmetric=False)
    shifted = first + 100 * np.arange(5)[:, None]
    x, y = [], []
    for i in range(5):
        others = [j for j in range(5) if j != i]
        x += list(first[i, others] - first[i, others].mean())
        y += list(second[i, others] - second[i, others].mean())
    expected = np.dot(x, y) / np.sqrt(np.dot(x, x) * np.dot(y, y))
    assert correlate(first, second).within == pytest.approx(expected)
    assert correlate(shifted, second).within == pytest.approx(expected)


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (np.ones((4, 4)), "the same for all pairs"),
        (np.eye(4), "the same for all pairs"),
        (np.full((4, 4), np.nan), "12 entries that are not numbers"),
        (np.where(np.eye(4, k=1) > 0, np.inf, np.arange(16.0).reshape(4, 4)), "3 entries that are not numbers"),
    ],
)
def test_an_undefined_correlation_says_why(matrix, reason):
    other = np.arange(16.0).reshape(4, 4)
    for found, which in ((correlate(matrix, other, permutations=9), "first"), (correlate(other, matrix), "second")):
        assert (found.pearson, found.p, found.mantel, found.spearman) == (None, None, None, None)
        assert f"the {which}" in found.reason and reason in found.reason


def test_the_diagonal_is_ignored_even_when_it_is_nan():
    first, second = random_matrices(2, 5, symmetric=True)
    without = first.copy()
    np.fill_diagonal(without, np.nan)
    expected, found = (correlate(matrix, second, permutations=120) for matrix in (first, without))
    assert found == expected
