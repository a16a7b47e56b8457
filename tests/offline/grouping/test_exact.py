"""The exact solver against brute force over every family of groups, and its borders."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from brute_force import brute_force
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradsim_offline.grouping.exact.column_generation import solve_columns
from gradsim_offline.grouping.exact.dynamic_programming import block_values
from gradsim_offline.grouping.exact.master import Duals
from gradsim_offline.grouping.exact.pricing import Work, find_blocks, helper_sets
from gradsim_offline.grouping.objective import collective_similarity, evaluate_grouping, simple_bound, singleton_scores
from gradsim_offline.grouping.problem import Constraints, Problem
from gradsim_offline.grouping.solvers import exact
from gradsim_shared.errors import SettingsError

matrices = st.integers(1, 4).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.floats(-1, 1, allow_nan=False, width=32))
)
tied_matrices = st.integers(1, 4).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.sampled_from([-1.0, 0, 1])))
rules = st.sampled_from(["self", "zero", "forbid", "split-half", 0.3])


@given(similarity=matrices | tied_matrices, groups=st.integers(1, 5), rule=rules)
@settings(max_examples=150, deadline=None)
def test_exact_equals_brute_force(similarity, groups, rule):
    singletons = singleton_scores(similarity, rule, split_half=[0.5] * len(similarity))
    expected = brute_force(similarity, groups, singletons)
    if not np.isfinite(expected):
        with pytest.raises(SettingsError, match="no grouping is possible"):
            exact.solve(Problem(similarity, groups, singletons))
        return
    found = exact.solve(Problem(similarity, groups, singletons))
    assert found.score == pytest.approx(expected, abs=1e-9)
    assert found.proven
    assert len(found.groups) <= groups


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize("rule", ["self", "zero", "forbid"])
def test_five_and_six_languages_equal_brute_force(size, groups, rule):
    similarity = np.random.default_rng(size * 10 + groups).uniform(-1, 1, (size, size))
    singletons = singleton_scores(similarity, rule)
    found = exact.solve(Problem(similarity, groups, singletons))
    assert found.score == pytest.approx(brute_force(similarity, groups, singletons), abs=1e-9)


@given(similarity=matrices, groups=st.integers(1, 5))
@settings(max_examples=80, deadline=None)
def test_every_language_is_served_by_its_best_group(similarity, groups):
    singletons = singleton_scores(similarity, "self")
    found = exact.solve(Problem(similarity, groups, singletons))
    assert {i for group in found.groups for i in group} == set(range(len(similarity)))
    for i, served in enumerate(found.serving):
        values = {
            g: collective_similarity(similarity, group, singletons)[group.index(i)]
            for g, group in enumerate(found.groups)
            if i in group
        }
        assert values[served] >= max(values.values()) - 1e-8
    assert all(found.served(g) for g in range(len(found.groups)))


def test_a_useful_language_is_source_only_in_a_second_group():
    # 0 and 1 agree, 2 and 3 agree less; 1 helps 2 and 3 more than they help each other.
    similarity = np.array([[1, 0.9, -1, -1], [0.9, 1, 0, 0], [-1, 0.8, 1, 0.1], [-1, 0.8, 0.1, 1]])
    found = exact.solve(Problem(similarity, 2, singleton_scores(similarity, "forbid")))
    assert found.groups == ((0, 1), (1, 2, 3))
    assert found.serving == (0, 0, 1, 1)


def test_ties_go_to_the_smaller_group_then_to_the_lower_index():
    found = evaluate_grouping(np.ones((3, 3)), [(0, 1, 2), (1, 2), (0, 2)], np.ones(3))
    assert found.groups == ((0, 2), (1, 2))
    assert found.serving == (0, 1, 0)


def test_as_many_groups_as_languages_leave_each_alone_when_singletons_score_highest():
    similarity = np.full((5, 5), 0.2) + 0.8 * np.eye(5)
    found = exact.solve(Problem(similarity, 9, singleton_scores(similarity, "self")))
    assert found.groups == ((0,), (1,), (2,), (3,), (4,))


def test_fifteen_languages_beat_every_local_change():
    similarity = np.random.default_rng(15).uniform(-1, 1, (15, 15))
    singletons = singleton_scores(similarity, "self")
    found = exact.solve(Problem(similarity, 4, singletons))
    assert found.proven
    for position, group in enumerate(found.groups):
        for i in range(15):
            changed = sorted(set(group) ^ {i})
            others = [other for p, other in enumerate(found.groups) if p != position]
            if changed and {j for g in [changed, *others] for j in g} == set(range(15)):
                assert evaluate_grouping(similarity, [changed, *others], singletons).score <= found.score + 1e-9


@pytest.mark.parametrize(
    ("similarity", "groups", "message"),
    [
        (np.eye(3), 0, "at least 1"),
        (np.ones((2, 3)), 1, "square"),
        (np.full((2, 2), np.nan), 1, "not a number"),
        (np.eye(51), 2, "up to 50 languages, not 51"),
    ],
)
def test_invalid_problems_are_refused_with_the_reason(similarity, groups, message):
    with pytest.raises(SettingsError, match=message):
        exact.solve(Problem(similarity, groups, np.ones(len(similarity))))


def test_an_unknown_singleton_rule_names_the_known_ones():
    with pytest.raises(SettingsError, match="self, split-half, zero, forbid, or a number"):
        singleton_scores(np.eye(2), "none")


@pytest.mark.parametrize("rule", ["self", "zero", "forbid"])
def test_every_number_of_groups_at_once_is_the_same_as_one_by_one(rule):
    similarity = np.random.default_rng(9).uniform(-1, 1, (9, 9))
    singletons = singleton_scores(similarity, rule)
    found = exact.solve_every(Problem(similarity, 11, singletons))
    assert len(found) == 11
    for k, grouping in enumerate(found, start=1):
        alone = exact.solve(Problem(similarity, k, singletons))
        assert (grouping.groups, grouping.serving) == (alone.groups, alone.serving)
        assert grouping.score == pytest.approx(alone.score, abs=1e-12)
        assert grouping.proven and grouping.gap == 0 and len(grouping.groups) <= k
    scores = [grouping.score for grouping in found]
    assert all(more >= fewer - 1e-9 for fewer, more in pairwise(scores))


def test_every_number_of_groups_leaves_out_what_constraints_forbid():
    similarity = np.random.default_rng(9).uniform(-1, 1, (6, 6))
    asked = Problem(similarity, 4, np.zeros(6), constraints=Constraints(largest_group=2))
    assert [len(found.groups) for found in exact.solve_every(asked)] == [3, 4]


@pytest.mark.parametrize("kind", ["uniform", "cosine", "clustered", "skewed", "ties"])
@pytest.mark.parametrize(("size", "rule"), [(10, "self"), (10, "zero"), (12, "forbid")])
def test_column_generation_finds_the_same_optimum_as_dynamic_programming(kind, size, rule):
    similarity = matrix(kind, size)
    singletons = singleton_scores(similarity, rule)
    for groups in (2, 5):
        question = Problem(similarity, groups, singletons)
        expected, found = exact.solve(question), solve_columns(question)
        assert found.score == pytest.approx(expected.score, abs=1e-6)
        assert found.proven


def matrix(kind, size):
    """Return a similarity matrix of one kind."""
    draw = np.random.default_rng(size)
    uniform = draw.uniform(-1, 1, (size, size))
    if kind == "cosine":
        vectors = draw.normal(size=(size, 4))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors @ vectors.T
    if kind == "clustered":
        cluster = np.arange(size) % 3
        return np.where(cluster[:, None] == cluster, 0.6, 0.1) + 0.05 * uniform
    if kind == "skewed":  # what some languages do for all others
        return uniform + 3 * draw.uniform(-1, 1, size)
    return np.sign(uniform) if kind == "ties" else uniform


def test_nineteen_languages_are_proven_and_beat_every_local_change():
    similarity = matrix("cosine", 19)
    singletons = singleton_scores(similarity, "self")
    found = exact.solve(Problem(similarity, 4, singletons))
    assert found.proven
    assert found.score == pytest.approx(evaluate_grouping(similarity, found.groups, singletons).score)
    for position, group in enumerate(found.groups):
        for i in range(19):
            changed = sorted(set(group) ^ {i})
            others = [other for p, other in enumerate(found.groups) if p != position]
            if changed and {j for g in [changed, *others] for j in g} == set(range(19)):
                assert evaluate_grouping(similarity, [changed, *others], singletons).score <= found.score + 1e-6


def test_with_little_effort_the_best_so_far_comes_with_a_bound_that_holds():
    similarity = np.random.default_rng(2).uniform(-1, 1, (24, 24))
    singletons = np.ones(24)
    hurried = exact.solve(Problem(similarity, 6, singletons, effort=0.001))
    assert not hurried.proven
    assert hurried.gap > 0 and np.isfinite(hurried.bound)
    assert hurried.bound <= simple_bound(similarity, singletons) + 1e-9
    assert len(hurried.groups) <= 6 and {i for group in hurried.groups for i in group} == set(range(24))


def test_pricing_lists_every_block_above_the_threshold():
    draw = np.random.default_rng(4)
    similarity = draw.uniform(-1, 1, (8, 8)) * ~np.eye(8, dtype=bool)
    duals = Duals(draw.uniform(0, 0.5, 8), np.zeros(8), 0.2)
    values, _ = block_values(similarity, np.full(8, -np.inf))
    inside = np.arange(256)[:, None] >> np.arange(8) & 1
    surplus = values - inside @ duals.languages - duals.group
    for threshold in (-0.3, 0.0, 0.4):
        found: dict[int, float] = {}
        for members in range(2, 9):
            above = find_blocks(
                similarity,
                duals,
                members,
                threshold,
                units=[[i] for i in range(8)],
                most=10_000,
                work=Work(1e9),
            )
            assert above.complete
            for mask, value in zip(above.masks.tolist(), above.reduced_costs.tolist(), strict=True):
                found[mask] = max(found.get(mask, -np.inf), value)
        assert found.keys() == set(np.flatnonzero(surplus > threshold).tolist())
        assert all(value == pytest.approx(surplus[mask], abs=1e-9) for mask, value in found.items())


@given(gains=st.lists(st.floats(-1, 1, width=16), max_size=6), number=st.integers(0, 6), loss=st.floats(0.01, 3))
@settings(max_examples=100, deadline=None)
def test_helper_sets_are_those_that_lose_little(gains, number, loss):
    every = list(combinations(range(len(gains)), number))
    best = max((sum(gains[i] for i in chosen) for chosen in every), default=0.0)
    lost = {chosen: best - sum(gains[i] for i in chosen) for chosen in every}
    found = [tuple(sorted(chosen)) for chosen in helper_sets(np.array(gains), number, loss)]
    assert len(found) == len(set(found))
    assert {c for c in every if lost[c] < loss - 1e-9} <= set(found) <= {c for c in every if lost[c] < loss + 1e-9}
