"""The exact solver against brute force over every family of groups, and its borders."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradsim_offline.grouping import exact
from gradsim_offline.grouping._objective import collective_similarity, evaluate_grouping, singleton_scores
from gradsim_offline.grouping._problem import Problem
from gradsim_shared.errors import SettingsError


def brute_force(similarity, groups, singletons):
    """Enumerate every choice of ``groups`` groups out of all subsets, as the definition reads."""
    count = len(similarity)
    subsets = [c for size in range(1, count + 1) for c in combinations(range(count), size)]
    table = np.full((len(subsets), count), -np.inf)
    for row, subset in enumerate(subsets):
        table[row, list(subset)] = collective_similarity(similarity, subset, singletons)
    best = -np.inf
    for chosen in combinations(range(len(subsets)), min(groups, len(subsets))):
        best = max(best, table[list(chosen)].max(axis=0).sum())
    return best


matrices = st.integers(1, 4).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.floats(-1, 1, allow_nan=False, width=32))
)
tied_matrices = st.integers(1, 4).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.sampled_from([-1.0, 0, 1])))
rules = st.sampled_from(["self", "zero", "forbid", "split-half", 0.3])


@given(similarity=matrices | tied_matrices, groups=st.integers(1, 5), rule=rules)
@settings(max_examples=150, deadline=None)
def test_no_choice_of_groups_scores_higher(similarity, groups, rule):
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


def test_as_many_groups_as_languages_are_all_alone_when_nothing_beats_oneself():
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
        (np.eye(19), 2, "up to 18 languages, not 19"),
    ],
)
def test_what_cannot_be_grouped_says_why(similarity, groups, message):
    with pytest.raises(SettingsError, match=message):
        exact.solve(Problem(similarity, groups, np.ones(len(similarity))))


def test_an_unknown_singleton_rule_names_the_known_ones():
    with pytest.raises(SettingsError, match="self, split-half, zero, forbid, or a number"):
        singleton_scores(np.eye(2), "none")
