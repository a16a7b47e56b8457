"""Constraints: optima against brute force, contradictions named, and what knows no constraints says so."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import with_constraints
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradsim_offline.grouping.constraints import allowed_sets, broken
from gradsim_offline.grouping.exact.column_generation import solve_columns
from gradsim_offline.grouping.objective import collective_similarity
from gradsim_offline.grouping.problem import Constraints, Problem
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.grouping.solvers import exact
from gradsim_shared.errors import SettingsError

CODES = ("amh", "hau", "ibo", "kin", "yor", "zul")
pairs = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda pair: pair[0] < pair[1])
constraints = st.builds(
    Constraints,
    must_link=st.lists(pairs, max_size=2).map(tuple),
    cannot_link=st.lists(pairs, max_size=2).map(tuple),
    largest_group=st.none() | st.integers(1, 4),
    budget=st.none() | st.sampled_from([10.0, 12.0, 14.0, 19.0]),
    sizes=st.just((1.0, 2.0, 3.0, 4.0)),
)
matrices = arrays(np.float64, (4, 4), elements=st.floats(-1, 1, allow_nan=False, width=16))


def problem(similarity, groups, rule=0.3, **asked):
    count = len(similarity)
    return Problem(similarity, groups, np.full(count, rule), CODES[:count], Constraints(**asked))


def matrix(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, count))


def honest(asked, found):
    """Assert that a grouping is what it says: covered, within the constraints, and its score the served one."""
    assert broken(asked, found) is None
    assert len(found.groups) <= asked.groups
    score = 0.0
    for position, group in enumerate(found.groups):
        values = dict(zip(group, collective_similarity(asked.similarity, group, asked.singletons), strict=True))
        assert found.served(position)
        score += sum(values[i] for i in found.served(position))
    assert found.score == pytest.approx(score, abs=1e-9)
    assert found.bound >= found.score


@pytest.mark.parametrize("solve", [exact.solve, solve_columns])
@given(similarity=matrices, groups=st.integers(1, 3), rule=st.sampled_from([0.3, -np.inf]), asked=constraints)
@settings(max_examples=40, deadline=None)
def test_constrained_optimum_equals_brute_force(solve, similarity, groups, rule, asked):
    question = Problem(similarity, groups, np.full(4, rule), CODES[:4], asked)
    expected = with_constraints(question)
    if not np.isfinite(expected):
        with pytest.raises(SettingsError):
            exact.solve(question)
        return
    found = solve(question)
    honest(question, found)
    assert found.score == pytest.approx(expected, abs=1e-6)
    assert found.proven


@pytest.mark.parametrize(
    "asked",
    [
        {"must_link": ((0, 4),)},
        {"cannot_link": ((0, 1), (1, 2), (3, 4))},
        {"largest_group": 2},
        {"must_link": ((0, 1),), "cannot_link": ((1, 2),), "largest_group": 3},
    ],
)
def test_five_languages_equal_brute_force(asked):
    question = problem(matrix(5, 5), 3, **asked)
    found = exact.solve(question)
    honest(question, found)
    assert found.score == pytest.approx(with_constraints(question), abs=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_twelve_languages_with_a_budget_are_proven(seed):
    draw = np.random.default_rng(seed)
    sizes = tuple(draw.integers(500, 9000, 12).astype(float))
    similarity, alone = draw.uniform(-1, 1, (12, 12)), np.full(12, 0.3)
    free = exact.solve(Problem(similarity, 4, alone))
    scores = []
    for factor in (1.0, 1.2, 3.0):
        asked = Constraints(budget=factor * sum(sizes), sizes=sizes)
        question = Problem(similarity, 4, alone, constraints=asked)
        found = exact.solve(question)
        honest(question, found)
        assert found.proven
        scores.append(found.score)
    assert scores == sorted(scores)
    assert scores[-1] <= free.score + 1e-9
    partition = load_solver("partition").solve(Problem(similarity, 4, alone))
    assert scores[0] == pytest.approx(partition.score, abs=1e-6)  # a budget of all texts once leaves no helpers


def test_all_constraints_together_on_twelve_languages():
    asked = Constraints(((0, 5), (5, 7)), ((1, 2), (3, 9)), 5, 2.0 * 78, tuple(float(i + 1) for i in range(12)))
    for question in (Problem(matrix(12, seed), 4, np.full(12, 0.3), constraints=asked) for seed in range(2)):
        found = exact.solve(question)
        honest(question, found)
        assert found.proven


def test_constraints_on_more_than_eighteen_languages():
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(21, 6))
    similarity = vectors @ vectors.T / 6
    asked = Constraints(((0, 5), (5, 7)), ((1, 2),), 8)
    free = exact.solve(Problem(similarity, 5, np.full(21, 0.5)))
    question = Problem(similarity, 5, np.full(21, 0.5), constraints=asked)
    found = exact.solve(question)
    honest(question, found)
    assert found.proven and free.proven
    assert found.score <= free.score + 1e-9


def test_the_largest_allowed_sets_are_those_without_a_forbidden_pair():
    assert allowed_sets(problem(matrix(4), 2)) == [(0, 1, 2, 3)]
    assert allowed_sets(problem(matrix(4), 2, cannot_link=((0, 1),))) == [(0, 2, 3), (1, 2, 3)]
    assert allowed_sets(problem(matrix(4), 2, cannot_link=((0, 1), (1, 2)))) == [(0, 2, 3), (1, 3)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"must_link": ((0, 1), (1, 2)), "cannot_link": ((0, 2),)}, "one group for amh hau ibo.*keeps amh ibo apart"),
        ({"must_link": ((0, 1), (1, 2)), "largest_group": 2}, "amh hau ibo, which are 3 languages.*largest_group is 2"),
        ({"largest_group": 1}, "2 groups of at most 1 members do not cover the 4 languages amh hau ibo kin"),
        ({"budget": 9.0, "sizes": (1.0, 2.0, 3.0, 4.0)}, "budget is 9 .*amh hau ibo kin have 10"),
        ({"budget": 9.0}, "needs the training size of each of 4 languages"),
        ({"cannot_link": ((0, 1), (0, 2), (1, 2))}, "at most 2 groups where amh and hau are never in one group"),
    ],
)
def test_contradictions_name_the_languages(asked, message):
    with pytest.raises(SettingsError, match=message):
        exact.solve(problem(matrix(4), 2, **asked))


def test_more_than_eighteen_languages_that_cannot_be_grouped_say_so():
    asked = Constraints(cannot_link=((0, 1), (0, 2), (1, 2)))
    with pytest.raises(SettingsError, match="no grouping is possible with at most 2 groups"):
        exact.solve(Problem(matrix(19), 2, np.ones(19), constraints=asked))


@pytest.mark.parametrize("solver", ["single", "each", "agglomerative"])
def test_solvers_that_know_no_constraints_refuse_rather_than_break_them(solver):
    asked = Constraints(must_link=((0, 1),)) if solver == "each" else Constraints(cannot_link=((0, 1),))
    clustered = np.kron(np.eye(2), np.ones((2, 2)))
    with pytest.raises(SettingsError, match=r"does not look at constraints.*amh and hau are"):
        load_solver(solver).solve(Problem(clustered, 2, np.zeros(4), CODES[:4], asked))


def test_many_forbidden_pairs_end_when_the_effort_is_spent():
    """Every pair may double the sets that could be one group; the limit holds for the climbing in them, too."""
    asked = Constraints(cannot_link=tuple((i, i + 1) for i in range(0, 18, 2)))
    question = Problem(matrix(24), 5, np.zeros(24), constraints=asked, effort=0.01)
    honest(question, exact.solve(question))


def test_too_many_forbidden_pairs_to_prove_anything():
    asked = Constraints(cannot_link=tuple((i, i + 1) for i in range(0, 24, 2)))
    question = Problem(matrix(24), 5, np.zeros(24), constraints=asked, effort=0.01)
    with pytest.raises(SettingsError, match=r"cannot_link leaves more than 2000 sets.*choose the solver search"):
        exact.solve(question)
    honest(question, load_solver("search").solve(question))


@pytest.mark.parametrize("count", [4, 19])
def test_only_groups_of_one_and_none_of_those(count):
    question = Problem(matrix(count), count, np.full(count, -np.inf), constraints=Constraints(largest_group=1))
    with pytest.raises(SettingsError, match=r"no grouping is possible .* groups of one are forbidden"):
        exact.solve(question)


@pytest.mark.parametrize("solver", ["each", "family"])
def test_solvers_that_do_not_read_k_are_not_held_to_it(solver):
    languages = ("amh", "hau", "ibo", "tur")  # two of one family
    asked = Constraints(largest_group=1 if solver == "each" else 2)
    found = load_solver(solver).solve(Problem(matrix(4), 1, np.zeros(4), languages, asked))
    assert len(found.groups) == {"each": 4, "family": 3}[solver]


def test_random_groups_keep_the_constraints():
    for seed in range(5):
        question = Problem(matrix(6), 3, np.zeros(6), CODES, Constraints(((0, 1),), ((2, 3),), 4), seed)
        honest(question, load_solver("random").solve(question))
