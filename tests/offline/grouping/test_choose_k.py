"""K on evidence: what is tried, how it is judged, and what is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.core import plugins
from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.choose_k import (
    CandidateK,
    candidates,
    choose,
    choose_k_by_dev_scores,
    cross_fitted,
    dev_score,
)
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.reliability import Reliability
from gradsim_offline.training.fine_tune import RESULT
from gradsim_shared.errors import DataError


def groups_of(*blocks):
    named = [
        LanguageGroup(f"g{i}", tuple(block), tuple(block), dict.fromkeys(block, 1.0)) for i, block in enumerate(blocks)
    ]
    return Groups("exact", "self", 1.0, 1.0, True, tuple(named))


@given(st.integers(1, 40), st.none() | st.lists(st.integers(1, 60), max_size=5), st.booleans())
def test_one_model_is_always_tried_and_every_language_alone_where_they_are_few_or_asked_for(languages, wanted, noise):
    found = candidates(languages, wanted, noise=noise)
    assert found[0] == 1 and (found[-1] == languages or (languages > 16 and not wanted))
    assert found == sorted(set(found))
    if noise and not wanted:
        assert set(found) <= {1, languages}


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
@settings(max_examples=60)
def test_each_half_is_judged_at_the_epoch_that_the_other_half_chose(halves):
    history = [{"half_0": a, "half_1": b} for a, b in halves]
    first, second = zip(*halves, strict=True)
    expected = (second[int(np.argmax(first))] + first[int(np.argmax(second))]) / 2
    assert cross_fitted(history) == pytest.approx(expected)


@pytest.fixture
def trained(tmp_path):
    """Return a trainer that leaves the given dev scores, and what it was asked for."""
    asked = []

    def prepare(scores):
        def train(members, served):
            asked.append(tuple(members))
            folder = tmp_path / "-".join(members)
            folder.mkdir(exist_ok=True)
            score = scores["-".join(members)]
            content = {"judged": list(served), "history": [{"half_0": score, "half_1": score}]}
            (folder / RESULT).write_text(json.dumps(content))
            return folder

        return train, asked

    return prepare


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((0.5, 0.4, 0.4), 1),
        ((0.5, 0.6, 0.5), 2),
        ((0.5, 0.6, 0.7), 4),
        ((0.5, 0.5, 0.5), 1),
        ((0.5, 0.504, 0.502), 1),  # less than half a point is noise, and more models cost memory
        ((0.5, 0.504, 0.508), 2),
    ],
)
def test_the_fewest_groups_within_half_a_point_of_the_best_are_kept(scores, best):
    assert choose([CandidateK(k, k, 1.0, score) for k, score in zip((1, 2, 4), scores, strict=True)]) == best


def test_a_score_is_the_mean_over_languages(trained):
    train, _ = trained({"a-b": 0.6, "c": 0.3})
    assert dev_score(groups_of(["a", "b"], ["c"]), train) == pytest.approx(0.5)


def test_languages_without_dev_texts_cannot_be_judged(tmp_path):
    (tmp_path / RESULT).write_text(json.dumps({"judged": [], "history": []}))
    with pytest.raises(DataError, match="auto K needs dev texts, and a b c have none"):
        dev_score(groups_of(["a", "b", "c"]), lambda *_: tmp_path)


CODES = ("amh", "hau", "ibo", "kin", "swa", "yor")
SIMILARITY = np.random.default_rng(5).uniform(-1, 1, (6, 6))


@pytest.fixture
def auto(tmp_path):
    """Choose K for a solver, where a group of ``best`` members answers dev texts best."""

    def choose_groups(solver, best, reliability=None, dev=True, **more):
        asked, said = [], []

        def train(members, served):
            asked.append(tuple(members))
            folder = tmp_path / f"{solver}-{'-'.join(members)}-{'-'.join(served)}"
            folder.mkdir(exist_ok=True)
            score = 1 / (1 + abs(len(members) - best))
            content = {"judged": list(served), "history": [{"half_0": score, "half_1": score}]}
            (folder / RESULT).write_text(json.dumps(content))
            return folder

        measured = Measured("gradient", CODES, SIMILARITY, reliability=reliability)
        chosen = GroupingSettings(solver=solver, groups="auto", **more)
        sizes, trainer = dict.fromkeys(CODES, 1), train if dev else None
        return choose_k_by_dev_scores(measured, chosen, sizes, 0, trainer, said.append), asked

    return choose_groups


NOISE, SIGNAL = Reliability(0.1, 0.18, 0.4), Reliability(0.9, 0.95, 0.0001)


@pytest.mark.parametrize(("best", "sizes"), [(6, [6]), (4, [6]), (1, [1] * 6)])
def test_of_an_s_that_does_not_repeat_no_groups_are_made(auto, best, sizes):
    groups, trained = auto("exact", best, NOISE)
    assert sorted(len(group.members) for group in groups.groups) == sizes
    assert {len(members) for members in trained} == {1, 6}
    assert "does not repeat between halves" in groups.reason and "0.18" in groups.reason


def test_constraints_that_forbid_one_model_get_the_fewest_groups(auto):
    groups, trained = auto("exact", 3, NOISE, largest_group=3)
    assert [candidate["groups"] for candidate in groups.curve] == [2, 6]
    assert max(map(len, trained)) == 3 and len(groups.groups) == 2


def test_of_an_s_that_repeats_groups_are_tried_until_two_more_bring_nothing(auto):
    groups, _ = auto("exact", 6, SIGNAL)
    assert [candidate["groups"] for candidate in groups.curve] == [1, 2, 4] and groups.reason == ""
    assert [candidate["chosen"] for candidate in groups.curve] == [True, False, False]
    everything, _ = auto("exact", 6, SIGNAL, candidates=[2, 3, 5])  # asked for: all are tried
    assert [candidate["groups"] for candidate in everything.curve] == [1, 2, 3, 5, 6]


@pytest.mark.parametrize(("reliability", "count"), [(NOISE, 1), (SIGNAL, 4), (None, 4)])
def test_without_dev_texts_nothing_is_trained_and_it_is_said(auto, reliability, count):
    groups, trained = auto("exact", 1, reliability, dev=False)
    assert (len(groups.groups) <= count, trained, groups.curve) == (True, [], ())
    assert "no dev texts" in groups.reason and (count == 1) == ("does not repeat" in groups.reason)


@pytest.mark.parametrize("best", [1, 6])
@pytest.mark.parametrize(
    ("solver", "sizes"), [("single", [6]), ("each", [1] * 6), ("family", [2, 4])]
)  # amh and hau are Afro-Asiatic, the others Atlantic-Congo
def test_solvers_that_ignore_k_train_nothing(auto, solver, sizes, best):
    groups, trained = auto(solver, best)
    assert sorted(len(group.members) for group in groups.groups) == sizes
    assert (groups.solver, groups.curve, trained) == (solver, (), [])


@pytest.mark.parametrize("best", [1, 2, 6])
def test_random_groups_have_the_sizes_of_the_chosen_ones(auto, best):
    """Random groups that dev texts chose among would be no groups by chance."""
    (chosen, asked), (random, trained) = auto("exact", best), auto("random", best)
    assert sorted(len(group.members) for group in random.groups) == sorted(len(g.members) for g in chosen.groups)
    assert trained == asked and random.curve == chosen.curve
    if best == 2:
        assert random.solver == "random" and {g.members for g in random.groups} != {g.members for g in chosen.groups}


@pytest.mark.filterwarnings("ignore:S is not symmetric")
@pytest.mark.parametrize("solver", plugins.names("solvers"))
def test_reads_k_is_true_of_solvers_whose_groups_depend_on_k(solver):
    module = load_solver(solver)
    found = {module.solve(Problem(SIMILARITY, k, np.zeros(6), CODES)).groups for k in (1, 2, 4, 6)}
    assert module.reads_k == (len(found) > 1)
