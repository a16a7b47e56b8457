"""What a build hands over: candidates judged on dev, models shared by groups, n-grams beside them, and what is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import log_softmax

from gradsim_offline.bundle.blending import cross_fitted, fit_blend
from gradsim_offline.core.run_directory import StageResult
from gradsim_offline.pipeline.candidates import Candidate, Judged, choose, luck
from gradsim_runtime import Bundle
from gradsim_runtime.loading import load_group_model
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import SettingsError
from gradsim_shared.group_model import wide_group

from .program import TINY, arguments, gradsim

LANGUAGES = ("eng", "hau", "tur")
PAIRS = (("good", "fine"), ("bad", "poor"))


def logits(seed, texts=200, labels=3):
    """Return the logits of two models that are right now and then, and the gold."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, labels, texts)
    true = np.eye(labels)[gold]
    return true + random.normal(size=true.shape), 2 * true + random.normal(size=true.shape) * 3, gold


def loss(weights, model, wide, gold):
    return -log_softmax(weights[0] * model + weights[1] * wide, axis=1)[np.arange(len(gold)), gold].mean()


@pytest.mark.parametrize("seed", range(3))
def test_no_weights_of_a_grid_have_a_smaller_loss(seed):
    model, wide, gold = logits(seed)
    blend = fit_blend(model, wide, gold)
    grid = [loss((a, b), model, wide, gold) for a in np.linspace(0, 2, 21) for b in np.linspace(0, 1, 21)]
    assert loss((blend.model, blend.wide), model, wide, gold) <= min(grid) + 1e-6


def test_a_model_of_noise_weighs_next_to_nothing():
    model, _, gold = logits(0, texts=2000)
    blend = fit_blend(model, np.random.default_rng(9).normal(size=model.shape), gold)
    assert blend.wide < 0.1 * blend.model


def test_each_half_is_weighed_by_the_other():
    model, wide, gold = logits(1)
    sides = np.arange(len(gold)) % 2
    summed = cross_fitted(model, wide, gold, sides)
    of_odd = fit_blend(model[1::2], wide[1::2], gold[1::2])
    assert np.allclose(summed[::2], of_odd.of(model[::2], wide[::2]))
    changed = gold.copy()
    changed[::2] = 0  # what is judged has no say in its own weights
    assert np.allclose(cross_fitted(model, wide, changed, sides)[::2], summed[::2])


@pytest.mark.parametrize(
    ("halves", "expected"),
    [
        ([(0.7, 0.5)], 0),  # one epoch: no choice
        ([(0.9, 0.1), (0.2, 0.8)], 0.35),  # each half likes another epoch: 0.5 chosen, 0.15 when the other half chooses
        ([(0.3, 0.3), (0.6, 0.6)], 0),  # both like the same
    ],
)
def test_a_chosen_epoch_owes_to_luck_what_it_loses_when_the_other_half_chooses(tmp_path, halves, expected):
    history = [{"score": sum(pair) / 2, "half_0": pair[0], "half_1": pair[1]} for pair in halves]
    (tmp_path / "training.json").write_text(json.dumps({"history": history}))
    assert luck(StageResult(tmp_path, "")) == pytest.approx(expected)


def build(out, settings=None, **options):
    given = {"data": "demo", "languages": ",".join(LANGUAGES), "epochs": 1, "out": out, **options}
    usual = {**TINY, "training.minimum_steps": 0, "measuring.minimum_steps": 0}
    code, shown, error = gradsim("build", *arguments(given, {**usual, **(settings or {})}))
    assert code == 0, error
    return shown + error


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A build whose tiny model is worse than n-grams, which hence are chosen, alone or beside it."""
    out = tmp_path_factory.mktemp("runs") / "best"
    build(out, groups=2, keep="best")
    return out


@pytest.fixture(scope="module")
def choice(run):
    return json.loads((run / "choose" / "choice.json").read_text())


def test_the_best_is_chosen_or_a_smaller_one_that_is_nearly_as_good(choice):
    best = max(each["score"] for each in choice["candidates"])
    chosen = next(each for each in choice["candidates"] if each["name"] == choice["chosen"])
    same = [each for each in choice["candidates"] if each["score"] >= best - 0.003]
    assert chosen in same
    assert chosen["size"] == min(each["size"] for each in same)
    assert "n-gram" in choice["chosen"]
    given = [each for each in choice["candidates"] if not each["taken_from"]]
    assert len(given) == 13  # one, groups, three linear ones, six pairs of both, two of linear ones


def test_an_answer_of_two_models_costs_as_much_as_both(choice):
    took = {each["name"]: each["milliseconds"] for each in choice["candidates"]}
    assert min(took.values()) > 0
    both = took["2 groups with one n-gram model of all languages beside"]
    assert both == pytest.approx(took["2 groups"] + took["one n-gram model of all languages"], abs=2e-3)


def judged(name, score, milliseconds):
    return Judged(Candidate(name, "one", {}), score, np.full(10, score), None, milliseconds)


def test_what_answers_too_slowly_is_not_chosen_and_where_none_is_left_the_quickest_is_named():
    tried = [judged("slow", 0.9, 30.0), judged("middling", 0.8, 3.0), judged("quick", 0.7, 0.3)]
    chosen = [choose(tried, most).candidate.name for most in (None, 30, 29.9, 1)]
    assert chosen == ["slow", "slow", "middling", "quick"]
    as_good = [judged("slow", 0.9, 30.0), judged("quick", 0.898, 20.0)]
    assert choose(as_good).candidate.name == "quick"
    with pytest.raises(SettingsError, match=r"= 0.2: no candidate .* the quickest, quick, takes 0.30 ms"):
        choose(tried, 0.2)


def test_the_gain_over_itself_is_none(choice):
    chosen = next(each for each in choice["candidates"] if each["name"] == choice["chosen"])
    assert chosen["interval"] == [0, 0]


def test_the_bundle_scores_on_dev_as_it_was_judged(run, choice):
    """The service's own path, language known; a blend's final weights differ from the cross-fitted ones."""
    manifest = open_bundle(run / "bundle").manifest
    score = np.mean([language.scores["dev"].group[manifest.metric] for language in manifest.languages])
    chosen = next(each for each in choice["candidates"] if each["name"] == choice["chosen"])
    assert abs(score - chosen["score"]) < 0.02


@pytest.fixture(scope="module")
def beside(run):
    """The same run directory, with groups kept: models are used again."""
    build(run, groups=2)
    content = json.loads((run / "choose" / "choice.json").read_text())
    return content, Bundle.open(run / "bundle")


def test_groups_are_kept_where_their_number_was_asked_for(beside):
    content, bundle = beside
    assert "group" in content["chosen"]
    assert content["chosen"] != "2 groups"  # tiny models gain by n-grams beside them
    assert all(group.wide is not None for group in bundle.manifest.groups)


def test_groups_share_the_files_of_one_model(beside):
    _, bundle = beside
    groups = bundle.manifest.groups
    files = [next(iter(group.precisions.values())).file for group in groups]
    assert len(set(files)) == 2
    assert {language.code for language in bundle.manifest.languages} == set(LANGUAGES)
    assert all(file in bundle.manifest.files for group in groups for file in group.model_files)


def test_logits_of_both_are_summed(beside, run):
    """The bundle's probabilities are those of the weighed sum of what each model says by itself."""
    _, bundle = beside
    manifest = bundle.manifest
    text, code = "Wannan littafi yana da kyau sosai", "hau"
    group = next(
        each for each in manifest.groups if each.id == next(x.group for x in manifest.languages if x.code == code)
    )

    path = run.joinpath("bundle").joinpath
    alone = load_group_model(path, group.model_copy(update={"wide": None}), manifest).logits([text])[0]
    linear = load_group_model(path, wide_group(group), manifest).logits([text])[0]
    summed = group.wide.model_weight * alone + group.wide.weight * linear
    expected = np.exp(log_softmax(summed, axis=1))[0]
    (answer,) = bundle.predict([text], language=code)
    assert np.allclose([answer.scores[label] for label in manifest.labels], expected, atol=1e-6)


def test_another_precision_is_scored_anew(run):
    said = build(run, {"exporting.precision": "int8"}, groups=2)
    assert "evaluate: up to date" not in said
    forms = {form for group in open_bundle(run / "bundle").manifest.groups for form in group.precisions}
    assert forms <= {"int8", "fp32"}


def test_a_bound_that_nothing_meets_ends_the_build(run):
    words = ("--data", "demo", "--languages", ",".join(LANGUAGES), "--epochs", 1, "--groups", 2, "--out", run)
    usual = arguments({}, {**TINY, "training.minimum_steps": 0, "measuring.minimum_steps": 0})
    code, _, error = gradsim("build", *words, *usual, "--max-milliseconds", 0.0001)
    assert code == 1 and "the quickest, " in error and "--max-milliseconds" in error and "Traceback" not in error


@pytest.fixture(scope="module")
def linear_run(tmp_path_factory):
    """A run directory that builds of n-gram models share: none is trained twice."""
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.mark.parametrize(("keep", "groups"), [("each", 3), ("each", 1), ("one", 3), ("groups", 3)])
def test_what_is_to_be_kept_is_kept(linear_run, keep, groups):
    build(linear_run, model="ngrams", groups=groups, keep=keep)
    served = [group.members for group in open_bundle(linear_run / "bundle").manifest.groups]
    assert served == ([list(LANGUAGES)] if keep == "one" else [[code] for code in LANGUAGES])


@pytest.mark.parametrize("keep", ["one", "each"])
def test_without_dev_texts_it_is_kept_unjudged(tmp_path, keep):
    rows = [f"{code},{label},{word} {code} {i}" for code in LANGUAGES for i in range(12) for label, word in PAIRS]
    (tmp_path / "own.csv").write_text("\n".join(["language,label,text", *rows]) + "\n", encoding="utf-8")
    words = ("--data", tmp_path / "own.csv", "--model", "ngrams", "--keep", keep, "--out", tmp_path / "run")
    words = (*words, "--set", "data_options.held_out=0", "--set", "ngrams.strengths=[8.0]")
    refused, _, error = gradsim("build", *words, "--max-milliseconds", 5)
    assert refused == 1 and "no dev split" in error and "maximum_milliseconds" in error
    code, _, error = gradsim("build", *words)
    assert code == 0, error
    assert "no candidate is judged" in error
    assert len(open_bundle(tmp_path / "run" / "bundle").manifest.groups) == (1 if keep == "one" else 3)


def opposite(path):
    """Three languages of the same words: the second has few texts, and the third the labels the other way round."""
    random, rows = np.random.default_rng(0), ["text,label,language,split"]
    made = ["".join(random.choice(list("abcdefghijklmnop"), 6)) for _ in range(120)]
    words = {"good": made[:60], "bad": made[60:]}
    for code, train, turned in (("eng", 400, False), ("hau", 10, False), ("tur", 90, True)):
        for split, count in (("train", train), ("dev", 80), ("test", 20)):
            for number in range(count):
                label = ("good", "bad")[number % 2]
                said = ("bad", "good")[number % 2] if turned else label
                rows.append(f"{' '.join(random.choice(words[label], 3))},{said},{code},{split}")
    path.write_text("\n".join(rows) + "\n")


def test_each_language_is_answered_by_the_better_of_its_own_model_and_that_of_all(tmp_path):
    opposite(tmp_path / "words.csv")
    build(
        tmp_path / "run",
        data=tmp_path / "words.csv",
        languages=None,
        model="ngrams",
        epochs=None,
        groups=3,
        keep="best",
    )
    content = json.loads((tmp_path / "run" / "choose" / "choice.json").read_text())
    one, each = "one model of all languages", "one model for each language"
    mixed = f"the better for each language of {one} and {each}"
    entry = {entry["name"]: entry for entry in content["candidates"]}[mixed]
    assert entry["taken_from"]["hau"] == one
    assert entry["taken_from"]["tur"] == each
    assert content["chosen"] == mixed
    manifest = open_bundle(tmp_path / "run" / "bundle").manifest
    members = {group.id: set(group.members) for group in manifest.groups}
    answers = {language.code: language.group for language in manifest.languages}
    assert members[answers["hau"]] == {"eng", "hau", "tur"}
    assert members[answers["tur"]] == {"tur"}


@pytest.mark.slow
def test_of_linear_models_beside_an_encoder_too_a_mixture_knows_what_each_was_trained_on(tmp_path):
    opposite(tmp_path / "words.csv")
    build(tmp_path / "run", data=tmp_path / "words.csv", languages=None, model="mini", groups=3, keep="best")
    content = json.loads((tmp_path / "run" / "choose" / "choice.json").read_text())
    one, each = "one n-gram model of all languages", "an n-gram model for each language"
    assert content["chosen"] == f"the better for each language of {one} and {each}"
    manifest = open_bundle(tmp_path / "run" / "bundle").manifest
    members = {group.id: set(group.members) for group in manifest.groups}
    answers = {language.code: language.group for language in manifest.languages}
    assert members[answers["hau"]] == {"eng", "hau", "tur"}
    assert members[manifest.fallback.group] == {"eng", "hau", "tur"}
