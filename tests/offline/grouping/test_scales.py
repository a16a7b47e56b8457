"""Similarities in any unit give the same groups, the same proof, and a score in that unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.grouping.exact.column_generation import solve_columns
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solvers import agglomerative, each, exact, partition, search, single


def problem_of(count, groups, seed, singletons=0.0):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Problem(vectors @ vectors.T, groups, np.full(count, singletons))


def in_another(problem, unit):
    return replace(problem, similarity=unit * problem.similarity, singletons=unit * problem.singletons)


@given(
    count=st.integers(1, 7),
    groups=st.integers(1, 4),
    seed=st.integers(0, 99),
    singletons=st.sampled_from([0.0, 0.3, -0.2]),
    unit=st.sampled_from([1e-12, 1e-8, 1e-6, 0.01, 100.0, 1e6]),
    solver=st.sampled_from([exact, partition, search]),
)
@settings(max_examples=60, deadline=None)
def test_score_and_bound_scale_with_the_similarities(count, groups, seed, singletons, unit, solver):
    problem = problem_of(count, groups, seed, singletons)
    plain, other = solver.solve(problem), solver.solve(in_another(problem, unit))
    assert other.score == pytest.approx(unit * plain.score, rel=1e-9, abs=1e-12 * unit)
    assert other.bound == pytest.approx(unit * plain.bound, rel=1e-6, abs=1e-9 * unit)
    assert other.proven == plain.proven


@pytest.mark.parametrize("unit", [1e-8, 1e-6, 1e4])
def test_column_generation_finds_the_same_score_in_any_unit(unit):
    problem = problem_of(19, 4, seed=0)
    assert exact.solve(in_another(problem, unit)).score == pytest.approx(unit * exact.solve(problem).score)
    small = problem_of(6, 2, seed=1)
    scaled, back = in_another(small, unit).in_units()
    assert back * solve_columns(scaled).score == pytest.approx(unit * exact.solve(small).score)


@pytest.mark.parametrize("solver", [agglomerative, single, each])
def test_an_unproven_score_stays_unproven_in_small_units(solver):
    """Where a score is far from its bound, it is so in every unit."""
    problem = problem_of(6, 2, seed=3, singletons=-1.0)
    plain, tiny = solver.solve(problem), solver.solve(in_another(problem, 1e-11))
    assert not plain.proven and not tiny.proven
    assert tiny.groups == plain.groups and tiny.gap == pytest.approx(1e-11 * plain.gap)


@pytest.mark.parametrize("solver", [exact, partition, search, agglomerative])
def test_the_diagonal_does_not_count_where_singletons_are_given(solver):
    problem = in_another(problem_of(6, 2, seed=3, singletons=-1.0), 1e-9)
    other = replace(problem, similarity=np.where(np.eye(6, dtype=bool), 1.0, problem.similarity))
    found, expected = solver.solve(other), solver.solve(problem)
    assert (found.groups, found.serving, found.proven) == (expected.groups, expected.serving, expected.proven)
    assert found.gap == pytest.approx(expected.gap)


def test_in_units_divides_by_a_power_of_two_without_rounding():
    problem = in_another(problem_of(5, 2, seed=4, singletons=0.5), 3e-7)
    scaled, unit = problem.in_units()
    assert np.log2(unit) == round(np.log2(unit)) and 0.5 <= np.abs(scaled.similarity).max() <= 4
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(scaled.similarity[off] * unit, problem.similarity[off])
    assert not scaled.similarity.diagonal().any()  # no score is made of it
    nothing = Problem(np.zeros((3, 3)), 2, np.zeros(3))
    assert nothing.in_units()[1] == 1 and exact.solve(nothing).score == 0
