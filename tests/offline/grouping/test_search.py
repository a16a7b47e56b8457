"""The search against the exact solver; its bound against every group there is; constraints, and what it refuses."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradsim_offline.grouping import local_search
from gradsim_offline.grouping.block_values import BlockValues
from gradsim_offline.grouping.bound.relaxation import Relaxation, SizeClass, certify, improve
from gradsim_offline.grouping.bound.upper_bound import size_classes, small_group_bounds, upper_bound
from gradsim_offline.grouping.constraints import broken
from gradsim_offline.grouping.objective import collective_similarity, evaluate_grouping, singleton_scores
from gradsim_offline.grouping.problem import Constraints, Problem
from gradsim_offline.grouping.solvers import exact, search
from gradsim_shared.errors import SettingsError


def cosines(count, width=6, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def clustered(count, clusters, noise, seed=0):
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(clusters, 16))[np.arange(count) % clusters] + noise * draw.normal(size=(count, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def any_grouping(similarity, groups, singletons):
    """Return a poor grouping: the bound must hold whatever it is given."""
    blocks = [list(range(start, len(similarity), groups)) for start in range(min(groups, len(similarity)))]
    return evaluate_grouping(similarity, blocks, singletons, bound=math.inf)


def searched(problem):
    """Return what the search finds, without the work of a bound."""
    blocks = BlockValues.of(problem)
    assignment, _ = local_search.search(blocks, min(problem.groups, problem.count), problem.seed, effort=1.0)
    return local_search.grouping_of(problem, blocks, assignment, math.inf)


def worths(similarity, duals, singletons):
    """Yield the size of every group with every choice of served members, and its value minus their duals."""
    everyone = range(len(similarity))
    for members in (c for size in range(1, len(similarity) + 1) for c in combinations(everyone, size)):
        margins = collective_similarity(similarity, members, singletons) - duals[list(members)]
        # The best choice of served members takes each margin above 0, and at least one.
        yield len(members), margins[margins > 0].sum() if (margins > 0).any() else margins.max()


matrices = st.integers(2, 8).flatmap(
    lambda n: (
        arrays(np.float64, (n, n), elements=st.floats(-1, 1, allow_nan=False, width=32))
        | arrays(np.float64, (n, n), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0]))
    )
)
rules = st.sampled_from(["self", "zero", "forbid", -2.0, 0.3])


@given(similarity=matrices, groups=st.integers(1, 8), rule=rules, effort=st.sampled_from([0.01, 0.1]))
@settings(max_examples=60, deadline=None)
def test_the_bound_is_never_below_the_optimum_after_any_number_of_steps(similarity, groups, rule, effort):
    problem = Problem(similarity, groups, singleton_scores(similarity, rule))
    best = exact.solve(problem)
    for start in (best, any_grouping(similarity, groups, np.zeros(len(similarity)))):
        assert upper_bound(problem, start, effort=effort) >= best.score - 1e-9


@pytest.mark.parametrize(("groups", "size"), [(2, 1e-6), (3, 1.0), (5, 1e5)])
def test_the_bound_holds_at_full_effort_for_similarities_of_any_size(groups, size):
    similarity = size * np.random.default_rng(groups).uniform(-1, 1, (8, 8))
    problem = Problem(similarity, groups, singleton_scores(similarity, "forbid"))
    best = exact.solve(problem)
    bound = upper_bound(problem, best)
    assert best.score - 1e-9 * size <= bound <= 1.5 * best.score


@given(similarity=matrices, steps=st.sampled_from([0, 1, 30]))
@settings(max_examples=30, deadline=None)
def test_no_group_is_worth_more_than_the_price_that_is_certified(similarity, steps):
    count = len(similarity)
    low = min(3, count)
    classes = [SizeClass(low, count)] if low == count else [SizeClass(low, low), SizeClass(low + 1, count)]
    relaxation = Relaxation(similarity, 2, np.zeros(count), classes, copies=2)
    at, _ = improve(relaxation, relaxation.start(), steps, penalty=1.0)
    at = relaxation.with_triangles(at, 50)
    at, _ = improve(relaxation, at, steps, penalty=0.3)
    dual = certify(relaxation, at)
    small = small_group_bounds(similarity, at.duals, low - 1) if low > 2 else [math.inf]
    for members, worth in worths(similarity, at.duals, np.zeros(count)):
        if members >= low:
            assert worth <= dual + 1e-9
        elif members > 1:
            assert worth <= small[members - 2] + 1e-9


@given(similarity=matrices, duals=arrays(np.float64, 8, elements=st.floats(-1, 1, width=32)))
@settings(max_examples=40, deadline=None)
def test_small_group_bounds_hold_for_every_small_group(similarity, duals):
    count = len(similarity)
    small = small_group_bounds(similarity, duals[:count], count)
    for members, worth in worths(similarity, duals[:count], np.zeros(count)):
        assert members == 1 or worth <= small[members - 2] + 1e-9


@pytest.mark.parametrize(("low", "high"), [(2, 2), (2, 3), (2, 9), (5, 40)])
def test_the_line_of_a_size_class_stays_below_the_number_of_partners(low, high):
    kind = SizeClass(low, high)
    for members in range(low, high + 1):
        marked = np.arange(high + 3) < members
        assert marked @ kind.weight(high + 3) @ marked <= members - 1 + 1e-9


@pytest.mark.parametrize(("count", "groups"), [(3, 2), (8, 3), (30, 29), (108, 8), (108, 2)])
def test_the_size_classes_leave_no_size_out(count, groups):
    classes = size_classes(count, groups, [1, 4])
    assert classes[0].low >= 2
    assert all(a.high + 1 == b.low for a, b in pairwise(classes))
    assert classes[-1].high == count


@given(similarity=matrices, groups=st.integers(1, 8), rule=rules)
@settings(max_examples=25, deadline=None)
def test_the_search_is_never_above_the_optimum(similarity, groups, rule):
    problem = Problem(similarity, groups, singleton_scores(similarity, rule), effort=0.001)
    found, best = search.solve(problem), exact.solve(problem)
    assert found.score <= best.score + 1e-9
    assert found.bound >= best.score - 1e-9
    assert len(found.groups) <= groups
    assert found.score == pytest.approx(evaluate_grouping(similarity, found.groups, problem.singletons).score)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", ["cosine", "clustered", "noise", "asymmetric"])
@pytest.mark.parametrize("rule", ["self", "forbid"])
def test_the_search_finds_the_optimum_of_seven_languages(kind, groups, rule):
    noise = np.random.default_rng(groups).uniform(-1, 1, (7, 7))
    similarity = {
        "cosine": cosines(7, 3, groups),
        "clustered": clustered(7, 3, 0.5, groups),
        "noise": (noise + noise.T) / 2,
        "asymmetric": noise,
    }[kind]
    problem = Problem(similarity, groups, singleton_scores(similarity, rule))
    found = searched(problem)
    assert found.score == pytest.approx(exact.solve(problem).score, abs=1e-9)


def test_thirty_languages_come_near_their_bound():
    found = search.solve(Problem(clustered(30, 5, 0.5), 5, np.ones(30)))
    assert found.gap <= 0.05 * found.score
    assert {frozenset(group) for group in found.groups} == {frozenset(range(c, 30, 5)) for c in range(5)}


def test_the_same_seed_gives_the_same_grouping_and_bound():
    problem = Problem(cosines(10), 3, np.ones(10), seed=3)
    assert search.solve(problem) == search.solve(problem)


@pytest.mark.parametrize(("groups", "similarity"), [(1, cosines(9)), (9, cosines(9)), (2, np.full((9, 9), 0.25))])
def test_the_score_is_proven_where_it_meets_the_bound(groups, similarity):
    found = search.solve(Problem(similarity, groups, singleton_scores(similarity, "forbid")))
    assert found.proven
    assert found.gap == pytest.approx(0.0, abs=1e-8)


def test_the_least_effort_still_gives_groups_that_keep_the_constraints_and_a_bound():
    constraints = Constraints(must_link=((0, 1),), cannot_link=((0, 2), (3, 4)), largest_group=5)
    problem = Problem(cosines(12), 3, np.full(12, -np.inf), constraints=constraints, effort=0.001)
    found = search.solve(problem)
    assert broken(problem, found) is None
    assert exact.solve(problem).score <= found.bound < math.inf


def test_one_language_is_a_group_of_one():
    assert search.solve(Problem(np.eye(1), 1, np.ones(1))).groups == ((0,),)


CONSTRAINTS = [
    Constraints(must_link=((0, 1), (1, 5))),
    Constraints(cannot_link=((0, 6), (1, 2), (6, 7))),
    Constraints(largest_group=3),
    Constraints(budget=16.0, sizes=(1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0)),
    Constraints(budget=12.0, sizes=(1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0)),
    Constraints(((0, 1),), ((0, 2), (1, 3)), 4, 14.0, (1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0)),
]


@pytest.mark.parametrize("rule", ["self", "forbid", "zero"])
@pytest.mark.parametrize("constraints", CONSTRAINTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_constraints_are_kept(constraints, seed, rule):
    similarity = np.random.default_rng(seed).uniform(-1, 1, (8, 8))
    problem = Problem(similarity, 3, singleton_scores(similarity, rule), constraints=constraints)
    found = searched(problem)
    best = exact.solve(problem)
    assert broken(problem, found) is None
    assert found.score <= best.score + 1e-9
    assert upper_bound(problem, found, effort=0.02) >= best.score - 1e-9
    assert len(found.groups) <= 3
    for i, position in enumerate(found.serving):
        assert i in found.groups[position]


@pytest.mark.parametrize("constraints", CONSTRAINTS[:4])
def test_the_search_finds_the_optimum_under_constraints(constraints):
    similarity = np.random.default_rng(4).uniform(-1, 1, (8, 8))
    problem = Problem(similarity, 3, singleton_scores(similarity, "self"), constraints=constraints)
    assert searched(problem).score == pytest.approx(exact.solve(problem).score, abs=1e-9)


@pytest.mark.parametrize(
    ("count", "groups", "constraints", "message"),
    [
        (4, 2, Constraints(((0, 1),), ((0, 1),)), "drop one"),
        (4, 1, Constraints(largest_group=3), "raise largest_group"),
        (4, 2, Constraints(budget=3.0, sizes=(1.0,) * 4), "the budget is 3"),
        (4, 2, Constraints(cannot_link=((0, 1), (0, 2), (1, 2))), "that keeps the constraints was found"),
        (1, 1, Constraints(), "only one language"),
    ],
)
def test_impossible_problems_are_refused_with_the_reason(count, groups, constraints, message):
    problem = Problem(np.eye(count), groups, np.full(count, -np.inf), constraints=constraints)
    with pytest.raises(SettingsError, match=message):
        search.solve(problem)


@pytest.mark.parametrize(("scale", "groups"), [(0.02, 6), (0.1, 6), (0.3, 6), (0.1, 12)])
def test_weak_similarities_leave_some_languages_alone(scale, groups):
    similarity = scale * np.random.default_rng(3).uniform(-1, 1, (16, 16))
    np.fill_diagonal(similarity, 1)
    problem = Problem(similarity, groups, np.ones(16))
    assert search.solve(problem).score == pytest.approx(exact.solve(problem).score, rel=0.02)
