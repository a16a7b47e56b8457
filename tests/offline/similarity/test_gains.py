"""Gains of groups: heads from summed statistics, what they find in made-up languages, and what a build says of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.grouping.outlook import outlooks
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solvers import exact
from gradsim_offline.similarity.gains import read_answers
from gradsim_offline.similarity.group_heads import Statistics, answer, calibrated, every_group, sampled_groups, with_one
from gradsim_offline.similarity.measures import gains as measure
from gradsim_offline.tasks.text_classification import metric_from, statistics
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import DataError

sys.path.insert(0, str(Path(__file__).parents[1]))
from program import gradsim

LABELS = ("no", "yes")


def languages(seed, *, count=5, train=60, dev=40, flipped=0, signal=1.0):
    """Draw vectors and labels: a text is ``yes`` where a direction says so, of the last languages where it does not."""
    random = np.random.default_rng(seed)
    direction = signal * random.normal(size=8)
    parts = {}
    for split, size in (("train", train), ("dev", dev)):
        vectors = random.normal(size=(count, size, 8))
        signs = np.where(np.arange(count) >= count - flipped, -1, 1)[:, None]
        parts[split] = vectors, (signs * (vectors @ direction) + 2 * random.normal(size=(count, size)) > 0).astype(int)
    return parts


def answers_of(parts):
    count = len(parts["train"][0])
    summed = Statistics.of(*parts["train"], len(LABELS))
    strength, temperature = calibrated(summed, *parts["dev"], [0.1, 1.0, 10.0, 100.0])
    return answer(summed, *parts["dev"], every_group(count), strength=strength, temperature=temperature)


def outlooks_of(answers, wanted=None):
    def count(gold, answered):
        return statistics([LABELS[i] for i in gold], [LABELS[i] for i in answered], LABELS)

    number = answers.groups.shape[1]
    problem = Problem(np.zeros((number, number)), number, np.zeros(number))
    return outlooks(problem, answers, count, lambda sums: metric_from(sums, LABELS), wanted)


def test_the_head_of_a_group_is_ridge_regression_on_the_pooled_texts():
    vectors, gold = languages(3)["train"]
    groups = every_group(5)
    assert len(np.unique(groups, axis=0)) == 31
    for members, head in zip(groups, Statistics.of(vectors, gold, 2).heads(groups, 4.0), strict=True):
        pooled, labels = np.concatenate(vectors[members]), np.concatenate(gold[members])
        expected = Ridge(alpha=4.0).fit(pooled, np.eye(2)[labels])
        np.testing.assert_allclose(with_one(pooled) @ head, expected.predict(pooled), atol=1e-8)


def test_a_sample_of_groups_holds_all_languages_each_alone_and_every_pair():
    groups = sampled_groups(16, 500, seed=0)
    sizes = groups.sum(axis=1)
    assert len(np.unique(groups, axis=0)) == len(groups) <= 500
    assert [int((sizes == size).sum()) for size in (1, 2, 15, 16)] == [16, 120, 16, 1]
    assert set(sizes) == set(range(1, 17))


def test_languages_of_opposite_labels_are_parted_and_that_pays():
    answers = answers_of(languages(0, flipped=2))
    gains = answers.gains()
    found = exact.solve(Problem(answers.pairs(), 2, np.zeros(5), gains=gains))
    served = {frozenset(found.served(position)) for position in range(len(found.groups))}
    assert served == {frozenset({0, 1, 2}), frozenset({3, 4})} and found.proven
    pairwise = exact.solve(Problem(answers.pairs(), 2, answers.pairs().diagonal().copy()))
    assert {frozenset(pairwise.served(position)) for position in range(len(pairwise.groups))} == served
    one, two, *_ = outlooks_of(answers)
    assert one.gain[-1] == 0 and one.probability[-1] == 0.5
    assert two.gain[-1] > 0.1 and two.probability[-1] > 0.99
    assert (two.probability > 0.5).all() and (two.probability[3:] > 0.99).all()


def test_of_noise_it_is_not_said_that_grouping_pays():
    probabilities, gains = [], []
    for seed in range(8):
        best = outlooks_of(answers_of(languages(seed, signal=0.0)))[1:]
        probabilities.append([each.probability[-1] for each in best])
        gains.append([each.gain[-1] for each in best])
    assert np.mean(probabilities) < 0.55
    assert -0.03 < np.mean(gains) < 0.005  # what chooses and what judges are of one sample: it errs to the safe side
    assert (np.array(probabilities) > 0.95).mean() < 0.1


def test_where_all_languages_are_alike_one_model_is_expected_to_be_best():
    found = [outlooks_of(answers_of(languages(seed, train=20)))[-1] for seed in range(5)]
    assert np.mean([each.gain[-1] for each in found]) <= 0.002
    assert np.mean([each.probability[-1] for each in found]) < 0.6


def test_the_numbers_of_groups_that_are_named_are_looked_at():
    answers = answers_of(languages(0, flipped=2))
    assert [each.groups for each in outlooks_of(answers)] == [1, 2, 3, 4, 5]
    assert [each.groups for each in outlooks_of(answers, [3, 9])] == [1, 3, 5]


def test_more_labels_than_a_byte_counts():
    gold, vectors = np.arange(300), np.eye(300)[None]
    summed = Statistics.of(vectors, [gold], 300)
    answers = answer(summed, vectors, [gold], every_group(1), strength=1.0, temperature=1.0)
    np.testing.assert_array_equal(answers.of(0, 0), gold)


def test_answers_are_kept_whole(tmp_path):
    answers = answers_of(languages(1))
    answers.save(tmp_path / "gains.npz")
    again = read_answers(tmp_path / "gains.npz")
    assert again.digest == answers.digest
    np.testing.assert_array_equal(again.pairs(), answers.pairs())
    gold = languages(1)["dev"][1]
    assert answers.of(2, 30).shape == gold[2].shape


def own_table(path):
    """Write texts whose labels are the other way round in two of four languages."""
    random = np.random.default_rng(0)
    words = {"yes": ["lovely", "grand", "sweet"], "no": ["awful", "dull", "bitter"]}
    rows = ["language,split,label,text"]
    for code in ("deu", "fra", "ita", "spa"):
        for split, count in (("train", 40), ("dev", 30), ("test", 20)):
            for number in range(count):
                label = ("yes", "no")[number % 2]
                told = label if code in ("deu", "fra") else {"yes": "no", "no": "yes"}[label]
                rows.append(f"{code},{split},{label},{random.choice(words[told])} {code}{random.integers(30)} {number}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_build_chooses_groups_by_gains_and_says_how_sure_that_is(tmp_path):
    words = ("--data", own_table(tmp_path / "own.csv"), "--model", "ngrams", "--measure", "gains")
    words = (*words, "--set", "similarity.sketch=64", "--set", "grouping.candidates=[2]", "--out", tmp_path / "run")
    code, _, said = gradsim("build", *words)
    assert code == 0, said
    assert (
        "before groups are trained" in said and "probability 1.00  <- chosen" in said and "by language: deu +" in said
    )
    kept = json.loads((tmp_path / "run/group/groups.json").read_text(encoding="utf-8"))
    assert [group["served"] for group in kept["groups"]] == [["deu", "fra"], ["ita", "spa"]]
    assert kept["proven"]
    manifest = open_bundle(tmp_path / "run/bundle").manifest
    assert manifest.similarity.measure == "gains"
    assert any("were expected to gain +" in sentence for sentence in manifest.verdict)
    assert any("chosen by the labels of these dev texts" in sentence for sentence in manifest.verdict)
    assert "K = 3" not in said and "K = 4: +" in said
    page = (tmp_path / "run/bundle/report/index.html").read_text(encoding="utf-8")
    assert "Probability that it pays" in page
    code, _, said = gradsim("build", *words, "--groups", 2, "--set", "grouping.budget=2")
    assert code == 1 and "grouping.budget is for similarities of pairs" in said and "Traceback" not in said


def test_data_that_it_cannot_judge_are_refused():
    texts = {"train": [Example("a", "no"), Example("b", "yes")]}
    with pytest.raises(DataError, match="deu has no dev split, and the measure gains"):
        measure.check(Dataset("own", "text_classification", LABELS, {"deu": texts}), None)
