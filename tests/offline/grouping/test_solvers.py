"""All solvers of the folder: sound answers on the same small problems, and what each promises."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from brute_force import without_overlap
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from gradsim_offline.core import plugins
from gradsim_offline.core.families import families
from gradsim_offline.grouping.objective import collective_similarity, simple_bound, singleton_scores
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.result import name_groups, read_groups
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.grouping.solvers import agglomerative, each, exact, family, partition, random, single
from gradsim_shared.errors import SettingsError

pytestmark = pytest.mark.filterwarnings("ignore:S is not symmetric")
CODES = ("amh", "hau", "ibo", "kin", "swa", "yor")
FREE = ("single", "each", "family")  # of K
matrices = st.integers(1, 5).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.floats(-1, 1, allow_nan=False, width=16))
)


def asymmetric(count, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (count, count))


@pytest.mark.parametrize("solver", plugins.names("solvers"))
@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize("groups", [1, 3, 8])
def test_every_solver_serves_all_languages_and_reports_its_true_score(solver, count, groups, tmp_path):
    similarity = asymmetric(count)
    question = Problem(similarity, groups, singleton_scores(similarity, "self"), CODES[:count], seed=3)
    module = load_solver(solver)
    module.check(count)
    found = module.solve(question)
    assert {i for group in found.groups for i in group} == set(range(count))
    assert all(i in found.groups[server] for i, server in enumerate(found.serving))
    assert all(found.served(position) for position in range(len(found.groups)))
    assert solver in FREE or len(found.groups) <= groups
    score = 0.0
    for position, group in enumerate(found.groups):
        values = dict(zip(group, collective_similarity(similarity, group, question.singletons), strict=True))
        score += sum(values[i] for i in found.served(position))
    assert found.score == pytest.approx(score)
    assert found.gap == pytest.approx(found.bound - found.score)
    assert found.proven == (found.gap <= 1e-9 * max(1, abs(found.score)))
    if len(found.groups) <= groups and solver != "partition":  # whose bound is that of partitions
        assert found.bound >= exact.solve(question).score - 1e-9
    named = name_groups(found, question.languages, similarity, question.singletons, solver=solver, singleton_score=0)
    named.save(tmp_path / "groups.json")
    json.loads((tmp_path / "groups.json").read_text(), parse_constant=pytest.fail)
    assert read_groups(tmp_path / "groups.json") == named


@pytest.mark.parametrize("solver", plugins.names("solvers"))
def test_one_language_is_refused_where_groups_of_one_are_forbidden(solver):
    with pytest.raises(SettingsError):
        load_solver(solver).solve(Problem(np.ones((1, 1)), 1, np.array([-np.inf]), ("amh",)))


@given(similarity=matrices, groups=st.integers(1, 5), rule=st.sampled_from(["self", "zero", "forbid"]))
@settings(max_examples=100, deadline=None)
def test_partition_equals_brute_force(similarity, groups, rule):
    singletons = singleton_scores(similarity, rule)
    expected = without_overlap(similarity, groups, singletons)
    if not np.isfinite(expected):
        with pytest.raises(SettingsError, match="no grouping is possible"):
            partition.solve(Problem(similarity, groups, singletons))
        return
    found = partition.solve(Problem(similarity, groups, singletons))
    assert found.score == pytest.approx(expected, abs=1e-9)
    assert found.proven
    assert sum(len(group) for group in found.groups) == len(similarity)


def test_a_partition_of_twenty_languages_is_proven():
    vectors = np.random.default_rng(0).normal(size=(20, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    question = Problem(vectors @ vectors.T, 5, np.ones(20))
    found = partition.solve(question)
    assert found.proven
    assert sorted(i for group in found.groups for i in group) == list(range(20))
    assert agglomerative.solve(question).score <= found.score + 1e-9 <= exact.solve(question).score + 2e-6


@pytest.mark.parametrize("clusters", [1, 2, 4, 6])
def test_agglomerative_gives_the_clusters_of_scikit_learn(clusters):
    similarity = asymmetric(6)
    found = agglomerative.solve(Problem(similarity, clusters, np.zeros(6)))
    distance = 1 - (similarity + similarity.T) / 2
    expected = AgglomerativeClustering(clusters, metric="precomputed", linkage="average").fit_predict(distance)
    assert adjusted_rand_score(expected, found.serving) == 1
    assert len(found.groups) == clusters


def test_agglomerative_warns_of_asymmetric_similarities():
    similarity = np.eye(3)
    similarity[0, 2], similarity[2, 0] = 0.7, 0.2
    with pytest.warns(UserWarning, match=r"differ by up to 0\.5\. agglomerative clusters the mean of both"):
        agglomerative.solve(Problem(similarity, 2, np.zeros(3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agglomerative.solve(Problem((similarity + similarity.T) / 2, 2, np.zeros(3)))


@pytest.mark.parametrize("seed", range(5))
def test_random_groups_have_the_sizes_and_the_overlap_of_the_best(seed):
    similarity = asymmetric(8, 4)
    question = Problem(similarity, 3, np.full(8, -np.inf), seed=seed)
    best, found = exact.solve(question), random.solve(question)
    assert sorted(map(len, found.groups)) == sorted(map(len, best.groups))
    shared = [sum(i in group for group in best.groups) for i in range(8)]
    assert sorted(sum(i in group for group in found.groups) for i in range(8)) == sorted(shared)
    assert found.bound == best.score >= found.score
    assert random.solve(question) == found


def test_different_seeds_draw_different_groups():
    similarity = asymmetric(8, 4)
    assert len({random.solve(Problem(similarity, 3, np.zeros(8), seed=seed)).groups for seed in range(6)}) > 3


def test_single_is_one_group_and_each_is_all_alone():
    similarity = asymmetric(6)
    everything = single.solve(Problem(similarity, 1, np.zeros(6)))
    assert everything.groups == (tuple(range(6)),) and everything.proven
    alone = each.solve(Problem(similarity, 1, np.ones(6)))
    assert alone.groups == tuple((i,) for i in range(6)) and alone.score == 6
    assert alone.proven  # no partner is worth more than oneself
    with pytest.raises(SettingsError, match="singleton_score forbids"):
        each.solve(Problem(similarity, 6, np.full(6, -np.inf)))


def test_family_groups_languages_of_one_family():
    found = family.solve(Problem(asymmetric(6), 1, np.zeros(6), CODES))
    names = families(CODES)
    for group in found.groups:
        assert {names[i] for i in group} == {names[group[0]]}
    assert len(found.groups) == len(set(names))


def test_too_many_languages_are_refused_early():
    for solver in ("exact", "partition", "random"):
        with pytest.raises(SettingsError, match="up to 50 languages, not 51"):
            load_solver(solver).check(51)


def test_the_simple_bound_is_reached_with_as_many_groups_as_languages():
    similarity = asymmetric(6)
    question = Problem(similarity, 6, np.full(6, -np.inf))
    assert exact.solve(question).score == pytest.approx(simple_bound(similarity, question.singletons))
