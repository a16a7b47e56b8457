"""K on evidence: what is tried, how it is judged, and what is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.core import plugins
from gradsim_offline.core.settings import GroupingSettings
from gradsim_offline.grouping.choose_k import candidates, choose, choose_k_by_dev_scores, cross_fitted
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.fine_tune import RESULT
from gradsim_shared.errors import DataError


def groups_of(*blocks):
    named = [
        LanguageGroup(f"g{i}", tuple(block), tuple(block), dict.fromkeys(block, 1.0)) for i, block in enumerate(blocks)
    ]
    return Groups("exact", "self", 1.0, 1.0, True, tuple(named))


@given(st.integers(1, 40), st.none() | st.lists(st.integers(1, 60), max_size=5))
def test_one_model_and_every_language_alone_are_always_tried(languages, wanted):
    found = candidates(languages, wanted)
    assert found[0] == 1 and found[-1] == languages
    assert found == sorted(set(found))


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


TRIED = {1: groups_of(["a", "b", "c"]), 2: groups_of(["a", "b"], ["c"]), 3: groups_of(["a"], ["b"], ["c"])}


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({"a-b-c": 0.5, "a-b": 0.4, "c": 0.4, "a": 0.4, "b": 0.4}, 1),
        ({"a-b-c": 0.5, "a-b": 0.6, "c": 0.5, "a": 0.5, "b": 0.5}, 2),
        ({"a-b-c": 0.5, "a-b": 0.6, "c": 0.5, "a": 0.7, "b": 0.7}, 3),
        ({"a-b-c": 0.5, "a-b": 0.5, "c": 0.5, "a": 0.5, "b": 0.5}, 1),
    ],
)
def test_the_best_mean_over_languages_is_kept_and_ties_go_to_fewer_groups(trained, scores, best):
    train, _ = trained(scores)
    chosen, curve = choose(TRIED, train)
    assert chosen == best
    assert [found.groups for found in curve] == [1, 2, 3]
    assert curve[1].score == pytest.approx((2 * scores["a-b"] + scores["c"]) / 3)


def test_languages_without_dev_texts_cannot_be_judged(tmp_path):
    (tmp_path / RESULT).write_text(json.dumps({"judged": [], "history": []}))
    with pytest.raises(DataError, match="auto K needs dev texts, and a b c have none"):
        choose(TRIED, lambda *_: tmp_path)


CODES = ("amh", "hau", "ibo", "kin", "swa", "yor")
SIMILARITY = np.random.default_rng(5).uniform(-1, 1, (6, 6))


@pytest.fixture
def auto(tmp_path):
    """Choose K for a solver, where a group of ``best`` members answers dev texts best."""

    def choose_groups(solver, best, **more):
        asked = []

        def train(members, served):
            asked.append(tuple(members))
            folder = tmp_path / f"{solver}-{'-'.join(members)}-{'-'.join(served)}"
            folder.mkdir(exist_ok=True)
            score = 1 / (1 + abs(len(members) - best))
            content = {"judged": list(served), "history": [{"half_0": score, "half_1": score}]}
            (folder / RESULT).write_text(json.dumps(content))
            return folder

        measured = Measured("gradient", CODES, SIMILARITY, None, (), {}, {}, 0.0)
        chosen = GroupingSettings(solver=solver, groups="auto", **more)
        return choose_k_by_dev_scores(measured, chosen, dict.fromkeys(CODES, 1), 0, train, lambda _: None), asked

    return choose_groups


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
