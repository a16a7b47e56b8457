"""A new language with n-grams of its own: judged on texts that they have not seen, exported, served beside a group."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from gradsim_offline.bundle.blending import Blend
from gradsim_offline.core.training_settings import NGrams
from gradsim_offline.datasets.sources import demo
from gradsim_offline.experiments.assign import ways as module
from gradsim_offline.experiments.assign.translations import temperature
from gradsim_offline.experiments.assign.ways import JudgedWay, Ways, stratified
from gradsim_runtime import Bundle
from gradsim_runtime.loading import load_group_model
from gradsim_shared.group_model import wide_group

from ..program import gradsim
from .conftest import briefly

KNOWN = ("eng", "hau", "tur")


def write(directory, code, **splits):
    """Write examples as a user's own files."""
    (directory / code).mkdir(parents=True)
    for split, examples in splits.items():
        lines = ["text\tlabel", *(f"{example.text}\t{example.label}" for example in examples)]
        (directory / code / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory


def add(bundle, data, root, *words):
    """Add Spanish; return what is printed, and what is written as JSON."""
    given = ["--bundle", bundle, "--data", data, "--language", "spa", "--add", "--out", root / "new", "-q"]
    with briefly():
        code, shown, error = gradsim("assign", *given, "--json", root / "found.json", *words)
    assert code == 0, error
    return shown, json.loads((root / "found.json").read_text())


def served(root):
    """Return the manifest of the new bundle, and its entry of Spanish."""
    manifest = Bundle.open(root / "new").manifest
    return manifest, next(language for language in manifest.languages if language.code == "spa")


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """A bundle of n-gram models, one for each language; it has no joint model."""
    out = tmp_path_factory.mktemp("runs") / "ngrams"
    words = ("--data", "demo", "--languages", ",".join(KNOWN), "--model", "ngrams", "--groups", 3, "--keep", "groups")
    words = (*words, "--set", "ngrams.strengths=[8.0]")
    with briefly():
        code, _, error = gradsim("build", *words, "--out", out)
    assert code == 0, error
    return out / "bundle"


@pytest.fixture(scope="module")
def spanish():
    return {split: demo.load(languages=["spa"]).split("spa", split) for split in ("train", "test")}


@pytest.fixture(scope="module")
def added(linear, spanish, tmp_path_factory):
    """Spanish in the bundle of n-gram models, and what was printed and found."""
    root = tmp_path_factory.mktemp("added")
    data = write(root / "data", "spa", train=spanish["train"][:60], test=spanish["test"])
    return Bundle.open(linear), root, *add(linear, data, root)


def test_a_bundle_without_gradients_is_assigned_to_by_score(added):
    _, root, shown, found = added
    assert "collective similarity" not in shown and "Noise" not in shown and "by gradient" not in shown
    assert found["similarities"] == {} and found["split_half"] is found["by_gradient"] is None
    assert all(group["similarity"] is None for group in found["groups"])
    _, language = served(root)
    assert (language.assigned.split_half, language.collective_similarity) == (None, {})


def test_the_language_gets_a_group_whose_model_no_other_one_lost(added):
    old, root, shown, found = added
    (manifest, language), way = served(root), found["ways"]["chosen"]
    assert way in ("alone", "beside")  # English words help little with Spanish ones
    assert manifest.groups[:3] == old.manifest.groups
    assert (manifest.groups[3].id, language.group) == ("g4", "g4")
    assert language.assigned.model == way
    unchanged = [file for file in old.manifest.files if file.startswith("groups/")]
    assert all(manifest.files[file] == old.manifest.files[file] for file in unchanged)
    assert "n-grams of spa" in shown and "spa is served by g4" in shown


def test_answers_in_known_languages_stay_the_same(added):
    old, root, *_ = added
    new = Bundle.open(root / "new")
    for code in KNOWN:
        texts = [example.text for example in demo.load(languages=[code]).split(code, "test")]
        before, after = (bundle.predict(texts, language=code) for bundle in (old, new))
        assert [one.scores for one in before] == [one.scores for one in after]


def test_the_estimate_is_of_what_answers_other_texts(added):
    _, root, _, found = added
    manifest, language = served(root)
    score, low, high = language.assigned.estimate
    chosen = next(each for each in found["ways"]["judged"] if each["way"] == found["ways"]["chosen"])
    assert [score, low, high] == [chosen["score"], *chosen["interval"]]
    assert low < score < high
    assert low - 0.05 <= language.scores["test"].group[manifest.metric] <= high + 0.05


@pytest.mark.parametrize("way", ["alone", "beside"])
def test_what_was_judged_is_what_is_served(linear, spanish, tmp_path, monkeypatch, way):
    """The service's answers are those of the group's exported model and of the language's n-grams, weighed."""
    monkeypatch.setattr(Ways, "chosen", property(lambda ways: next(each for each in ways.judged if each.way == way)))
    data = write(tmp_path / "data", "spa", train=spanish["train"][:40])
    _, found = add(linear, data, tmp_path)
    bundle = Bundle.open(tmp_path / "new")
    group, path = bundle.manifest.groups[-1], (tmp_path / "new").joinpath
    texts = [example.text for example in spanish["test"][:5]]
    base = next(each for each in bundle.manifest.groups if each.id == found["ways"]["group"])
    if way == "beside":
        assert group.members == base.members and group.precisions == base.precisions
        own = load_group_model(path, wide_group(group), bundle.manifest).logits(texts)
        main = load_group_model(path, base, bundle.manifest).logits(texts)
        sums = [group.wide.model_weight * one + group.wide.weight * two for one, two in zip(main, own, strict=True)]
    else:
        assert group.members == ["spa"] and group.wide is None
        sums = load_group_model(path, group, bundle.manifest).logits(texts)
    answers = bundle.predict(texts, language="spa")
    given = [[answer.scores[label] for label in bundle.manifest.labels] for answer in answers]
    assert np.allclose(given, np.exp(log_softmax(np.concatenate(sums), axis=1)), atol=1e-6)
    code, _, error = gradsim("inspect", tmp_path / "new")
    assert code == 0, error


def test_translations_are_seen_and_what_they_score_is_not_believed(linear, tmp_path):
    """Hausa training texts with a word left out: its model knows them by heart, and not their like."""
    hausa = demo.load(languages=["hau"]).split("hau", "train")[:60]
    examples = [replace(example, text=" ".join(example.text.split()[1:]) or "ee") for example in hausa]
    shown, found = add(linear, write(tmp_path / "data", "spa", train=examples), tmp_path)
    assert "the examples are translations of texts that" in shown
    assert found["ways"]["parallel"] and found["ways"]["stand_out"] > 0.3
    plain = next(each for each in found["ways"]["judged"] if each["way"] == "group")
    assert plain["score"] < found["groups"][0]["score"]


def test_logits_that_are_three_times_as_large_weigh_a_third():
    random = np.random.default_rng(0)
    gold = random.integers(0, 3, 200)
    logits = np.eye(3)[gold] + random.normal(size=(200, 3))
    assert temperature(3 * logits, gold) == pytest.approx(temperature(logits, gold) / 3, rel=1e-3)


def test_other_texts_are_no_translations(added):
    assert "Note: the examples are translations" not in added[2] and not added[3]["ways"]["parallel"]


@pytest.mark.parametrize(
    "reason",
    ["fewer than 20 texts", pytest.param("texts of which fewer than 2 are neutral", marks=pytest.mark.slow)],
)
def test_few_examples_teach_nothing(linear, spanish, tmp_path, reason):
    """Of a label that no example has, n-grams would never be sure, and nothing could tell."""
    examples = [example for example in spanish["train"] if "20" in reason or example.label != "neutral"]
    shown, found = add(
        linear, write(tmp_path / "data", "spa", train=examples[: 19 if "20" in reason else 40]), tmp_path
    )
    assert f"n-grams are not learnt of {reason}: {found['group']} answers spa as it is" in shown and "ways" not in found
    manifest, language = served(tmp_path)
    assert len(manifest.groups) == 3 and language.assigned.estimate == []


def test_texts_that_judge_were_not_learnt(spanish):
    """What is said of a fold does not change with its labels."""
    texts = [example.text for example in spanish["train"][:30]]
    gold, folds = np.arange(30) % 3, np.arange(30) % 5
    before = module._held_out(texts, gold, folds, 3, NGrams(), 0)
    changed = np.where(folds == 2, (gold + 1) % 3, gold)
    after = module._held_out(texts, changed, folds, 3, NGrams(), 0)
    assert np.array_equal(before[folds == 2], after[folds == 2])
    assert not np.array_equal(before[folds != 2], after[folds != 2])


@given(gold=st.lists(st.integers(0, 3), min_size=20, max_size=80), folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_folds_are_even_and_so_is_every_label(gold, folds, seed):
    labels = np.array(gold)
    found = stratified(labels, folds, seed)
    for chosen in (np.ones(len(labels), bool), *(labels == label for label in set(gold))):
        sizes = np.bincount(found[chosen], minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def ways(group, alone, beside, half=0.4, examples=100):
    judged = {"group": group, "alone": alone, "beside": beside}
    scored = tuple(JudgedWay(way, score, (0, 1)) for way, score in judged.items())
    return Ways("g1", scored, half, examples, 0.1, False, Blend(1, 1), None, None)


def test_the_least_that_is_nearly_the_best_is_chosen():
    assert ways(0.7, 0.704, 0.705).chosen.way == "group"
    assert ways(0.7, 0.704, 0.706).chosen.way == "alone"
    assert ways(0.6, 0.65, 0.7).chosen.way == "beside"


def test_a_build_pays_once_n_grams_beat_the_group():
    assert ways(0.6, 0.7, 0.7).rebuild_from() == 0
    assert ways(0.6, 0.5, 0.6, half=0.5).rebuild_from() is None  # they learn nothing from more texts
    # from 50 to 80 texts they gain 0.1 and lack another 0.1: they need as many times the texts once more
    assert ways(0.6, 0.5, 0.6, half=0.4).rebuild_from() == pytest.approx(80 * 80 / 50, abs=1)
