"""Groups of the highest sum of F: against brute force over all choices, and against the pairwise solver."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from brute_force import partitions, subsets
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.grouping.exact import group_gains
from gradsim_offline.grouping.objective import collective_similarity
from gradsim_offline.grouping.problem import Constraints, Problem
from gradsim_offline.grouping.solvers import exact, partition
from gradsim_offline.similarity.gains import Gains
from gradsim_shared.errors import SettingsError


def gains_of(count, value):
    """Return the F of every group: ``value`` gives those of its members."""
    families = subsets(count)
    groups = np.array([[i in group for i in range(count)] for group in families])
    values = np.full(groups.shape, -np.inf)
    for row, group in enumerate(families):
        values[row, list(group)] = value(group)
    return Gains(groups, values)


def drawn(count, seed):
    random = np.random.default_rng(seed)
    return gains_of(count, lambda group: random.uniform(0, 1, len(group)))


def problem_of(gains, groups, **constraints):
    count = gains.groups.shape[1]
    return Problem(
        np.zeros((count, count)), groups, np.zeros(count), constraints=Constraints(**constraints), gains=gains
    )


def best_choice(problem):
    """Enumerate every choice of K groups, as the definition reads; must-links by every way to be served."""
    gains, asked = problem.gains, problem.constraints
    allowed = [
        row
        for row, group in zip(gains.values, gains.groups, strict=True)
        if not any(group[a] and group[b] for a, b in asked.cannot_link)
        and (asked.largest_group is None or group.sum() <= asked.largest_group)
    ]
    linked = dict(asked.must_link)
    units = [[i, linked[i]] if i in linked else [i] for i in range(problem.count) if i not in linked.values()]
    table = np.array([[row[unit].sum() for unit in units] for row in allowed])
    number = min(problem.groups, len(table))
    return max(table[list(chosen)].max(axis=0).sum() for chosen in combinations(range(len(table)), number))


@given(count=st.integers(1, 4), groups=st.integers(1, 4), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_it_equals_brute_force(count, groups, seed):
    problem = problem_of(drawn(count, seed), groups)
    found = exact.solve(problem)
    assert found.score == pytest.approx(best_choice(problem))
    assert found.proven and len(found.groups) <= groups
    served = [found.groups[server] for server in found.serving]
    assert found.score == pytest.approx(sum(problem.gains.of(group)[group.index(i)] for i, group in enumerate(served)))


@pytest.mark.parametrize(("count", "groups"), [(5, 3), (6, 2)])
def test_five_and_six_languages_equal_brute_force(count, groups):
    problem = problem_of(drawn(count, count), groups)
    assert exact.solve(problem).score == pytest.approx(best_choice(problem))


@pytest.mark.parametrize(
    "constraints",
    [{"must_link": ((0, 2),)}, {"cannot_link": ((0, 1), (2, 3))}, {"largest_group": 2, "must_link": ((1, 3),)}],
)
def test_constraints_are_kept(constraints):
    problem = problem_of(drawn(4, 7), 2, **constraints)
    found = exact.solve(problem)
    assert found.score == pytest.approx(best_choice(problem))


def test_a_budget_is_refused():
    problem = problem_of(drawn(3, 1), 2, budget=9.0, sizes=(1.0, 1.0, 1.0))
    with pytest.raises(SettingsError, match="a budget is for similarities of pairs"):
        exact.solve(problem)


@given(count=st.integers(2, 6), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_collective_similarity_is_the_special_case(count, seed):
    similarity = np.random.default_rng(seed).uniform(-1, 1, (count, count))
    alone = similarity.diagonal().copy()
    gains = gains_of(count, lambda group: collective_similarity(similarity, group, alone))
    pairs = exact.solve_every(Problem(similarity, count, alone))
    groups = exact.solve_every(Problem(similarity, count, alone, gains=gains))
    assert [each.score for each in groups] == pytest.approx([each.score for each in pairs])
    apart = partition.solve(Problem(similarity, 2, alone, gains=gains)), partition.solve(Problem(similarity, 2, alone))
    assert apart[0].score == pytest.approx(apart[1].score)


@given(count=st.integers(3, 6), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_without_overlap_linked_languages_are_in_one_group(count, seed):
    problem = problem_of(drawn(count, seed), 3, must_link=((0, 1),))
    found = partition.solve(problem)
    assert sorted(i for group in found.groups for i in group) == list(range(count))
    assert found.serving[0] == found.serving[1]
    allowed = [p for p in partitions(list(range(count))) if len(p) <= 3 and any({0, 1} <= {*group} for group in p)]
    assert found.score == pytest.approx(max(sum(problem.gains.of(sorted(g)).sum() for g in p) for p in allowed))


def test_the_integer_programme_agrees_with_the_subsets(monkeypatch):
    problems = [problem_of(drawn(6, seed), 6, must_link=((0, 1),)) for seed in range(3)]
    expected = [exact.solve_every(problem) for problem in problems]
    monkeypatch.setattr(group_gains, "MOST_LANGUAGES", 2)
    for problem, each in zip(problems, expected, strict=True):
        found = exact.solve_every(problem)
        assert [one.score for one in found] == pytest.approx([one.score for one in each])
        assert all(one.proven for one in found)
