"""What ``evaluate`` says of a bundle is what its build said; each column is what its name promises."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path

import pytest

from gradsim_offline.core.dataset import Dataset, TaggedSentence
from gradsim_offline.datasets.sources import demo, demo_entities
from gradsim_offline.experiments.assign.ranking import open_models
from gradsim_offline.experiments.evaluate.answers_here import open_here
from gradsim_offline.experiments.evaluate.evaluate import evaluate
from gradsim_offline.experiments.evaluate.language_scores import UNSURE
from gradsim_shared.bundle import open_bundle
from gradsim_shared.iob import entities
from gradsim_shared.segmentation import locate

from ..program import gradsim

LANGUAGES = ("eng", "hau", "tur")
SIZES = {"train": 36, "dev": 7, "test": 11}
SETTINGS = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 512,
    "pretraining.ngram_size": 8,
    "pretraining.epochs": 1,
    "training.batch_size": 8,
    "measuring.batch_size": 8,
    "training.learning_rate": 5e-3,
    "measuring.learning_rate": 5e-3,
    "measuring.fraction": 1.0,
    "measuring.layers": '["head.out"]',
    "grouping.singleton_score": 0.9,
    "exporting.assignment": "false",
    "exporting.parity_texts": 8,
    "ngrams.strengths": "[8.0]",
    "maximum_length": 48,
}


def write(root, source, languages=LANGUAGES, splits=SIZES):
    """Write sentences as a user's own files: texts with labels, or words with tags and their text."""
    for code, split in ((code, split) for code in languages for split in splits):
        (root / code).mkdir(parents=True, exist_ok=True)
        found = source.load(languages=[code]).split(code, split)[: splits[split]]
        if source is demo:
            rows = [{"text": one.text, "label": one.label} for one in found]
        else:
            rows = [{"words": one.words, "tags": one.tags, "text": one.text} for one in found]
        (root / code / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


def options(data, source, model, out):
    """Return the words of a build: groups of texts; one group for names, whose models take longer to learn."""
    given = {"data": "files", "data-dir": data, "model": model, "out": out}
    given |= {"groups": 2, "epochs": 1} if source is demo else {"groups": 1, "epochs": 8}
    return [
        *(word for name, value in given.items() for word in (f"--{name}", value)),
        *(word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")),
    ]


def build(root, source, model):
    """Return the data and the bundle of a tiny build, and its source."""
    data = write(root / "data", source)
    code, _, said = gradsim("build", *options(data, source, model, root / "run"))
    assert code == 0, said
    return data, root / "run" / "bundle", source


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory):
    return build(tmp_path_factory.mktemp("sentiment"), demo, "mini")


@pytest.fixture(scope="module")
def names(tmp_path_factory, tiny_xlmr):
    return build(tmp_path_factory.mktemp("names"), demo_entities, tiny_xlmr)


@pytest.fixture(scope="module", params=["sentiment", "names"])
def built(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_figures_are_those_of_the_build(built, tmp_path, split):
    data, bundle, _ = built
    file = tmp_path / "new" / "scores.json"
    words = ("--data", "files", "--data-dir", data, "--split", split, "--json", file)
    code, shown, said = gradsim("evaluate", "--bundle", bundle, *words)
    assert code == 0, said
    found, manifest = json.loads(file.read_text()), open_bundle(bundle).manifest
    assert (found["bundle"], found["split"], found["metric"]) == (manifest.title, split, manifest.metric)
    evaluated = json.loads((bundle.parent / "evaluate" / "evaluation.json").read_text())
    for language in manifest.languages:
        mine = found["languages"][language.code]
        assert mine["given"] == language.scores[split].group
        assert mine["identified"] == language.scores[split].service
        assert mine["identifier"] == evaluated["identifier"][split][language.code]
        assert (mine["texts"], mine["group"]) == (SIZES[split], language.group)
        if split == "test":
            assert mine["taken_for"] == evaluated["confusion"][language.code]
            assert mine["answered_by"] == evaluated["routing"][language.code]
    assert found["averages"]["given"] == evaluated["averages"][split]["group"]
    assert found["averages"]["identified"] == evaluated["averages"][split]["service"]
    assert manifest.title in shown and "eng English" in shown and "not served" not in shown


def test_the_batch_size_does_not_change_scores(built, quiet):
    data, bundle, _ = built
    whole, pieces = (evaluate(bundle, None, str(data), quiet, batch=batch) for batch in (None, 4))
    for code, found in whole["languages"].items():
        assert pieces["languages"][code] == {**found, **{k: pytest.approx(found[k]) for k in ("given", "identified")}}


def test_a_language_that_is_not_served(built, tmp_path, quiet):
    """It is no error: the service answers it, too, from the group that it is taken for or from the fallback."""
    _, bundle, source = built
    data = write(tmp_path, source, ["hau", "hin", "spa"], {"test": 9})
    found = evaluate(bundle, None, str(data), quiet)
    predictor = open_here(bundle, open_bundle(bundle).manifest).predictor
    for code in ("hin", "spa"):
        mine = found["languages"][code]
        assert (mine["group"], mine["given"], mine["identifier"], mine["routed"]) == (None,) * 4
        texts = [example.text for example in source.load(languages=[code]).split(code, "test")[:9]]
        routes = predictor.routes(texts)
        assert mine["unsure"] == sum(route.reason in UNSURE for route in routes) / 9
        assert 0 <= mine["identified"][found["metric"]] <= 1
    assert found["languages"]["hin"]["taken_for"]["unknown"] >= 7, "no language of the bundle is written so"
    assert found["languages"]["hin"]["unsure"] >= 7 / 9
    hausa = found["languages"]["hau"]
    assert found["averages"]["identifier"] == {"plain": hausa["identifier"], "weighted": hausa["identifier"]}
    shown = gradsim("evaluate", "--bundle", bundle, "--data", data)[1]
    assert "hin Hindi (not served)" in shown and "spa Spanish (not served)" in shown
    only = evaluate(bundle, None, str(data), quiet, languages=["hin"])
    assert only["averages"] == {} and set(only["languages"]) == {"hin"}


def test_other_splits_may_be_missing(built, tmp_path, quiet):
    data, bundle, source = built
    partly = write(tmp_path, source, ["eng"], {"test": SIZES["test"]})
    write(tmp_path, source, ["hau"], {"dev": 3})
    whole, part = (evaluate(bundle, None, str(root), quiet) for root in (data, partly))
    assert part["languages"] == {"eng": whole["languages"]["eng"]} and part["without_texts"] == ["hau"]


def test_columns_of_the_users_files_are_named(sentiment, tmp_path):
    _, bundle, _ = sentiment
    (tmp_path / "eng").mkdir()
    (tmp_path / "eng" / "test.tsv").write_text("body\tkind\nso good\tpositive\nso bad\tnegative\n")
    words = ("evaluate", "--bundle", bundle, "--data", tmp_path)
    code, _, said = gradsim(*words)
    assert code == 1 and "--text-column NAME" in said
    code, shown, said = gradsim(*words, "--text-column", "body", "--set", "data_options.label_column=kind")
    assert code == 0 and "eng English" in shown, said
    code, _, said = gradsim(*words, "--set", "training.epochs=1")
    assert code == 1 and "--set training.epochs=1: only settings of the data set go here" in said


def test_languages_are_chosen_and_named_by_any_code(built, quiet):
    data, bundle, _ = built
    found = evaluate(bundle, None, str(data), quiet, languages=["tr", "en"])
    assert set(found["languages"]) == {"eng", "tur"} and found["averages"]["given"]["plain"] > 0


def test_texts_with_one_label_have_no_column_of_raw_text(sentiment, quiet):
    data, bundle, _ = sentiment
    assert all(mine["raw"] is None for mine in evaluate(bundle, None, str(data), quiet)["languages"].values())


def test_raw_text_is_judged_by_characters(names, quiet):
    """The column of raw text, counted anew: entities of the gold tags where their words stand in the text."""
    data, bundle, source = names
    found = evaluate(bundle, None, str(data), quiet)
    opened = open_bundle(bundle)
    predictor, models = open_here(bundle, opened.manifest).predictor, open_models(opened.manifest, opened.path)
    for code in LANGUAGES:
        counts = [0, 0, 0]
        for example in source.load(languages=[code]).split(code, "test")[: SIZES["test"]]:
            places = locate(example.words, example.text)
            gold = {(kind, places[first][0], places[last - 1][1]) for kind, first, last in entities(example.tags)}
            (route,) = predictor.routes([example.text])
            (answer,) = models[route.group].answers([example.text])
            mine = {(entity.type, entity.start, entity.end) for entity in answer.prediction.entities}
            for place, part in enumerate((gold & mine, mine, gold)):
                counts[place] += len(part)
        raw = found["languages"][code]["raw"]
        assert raw["f1"] == pytest.approx(2 * counts[0] / (counts[1] + counts[2]))
        # the demo's sentences are split as its rule splits them: raw text loses nothing
        identified = found["languages"][code]["identified"]
        assert raw["f1"] == identified["entity_f1"] and raw["recall"] == identified["recall"]
    assert any(mine["raw"]["f1"] > 0 for mine in found["languages"].values())


def test_sentences_whose_words_are_not_in_their_text_are_left_out_and_counted(names, quiet, monkeypatch):
    _, bundle, _ = names
    whole = demo_entities.load(languages=["hau"])
    good = list(whole.split("hau", "test")[:5])
    bad = [TaggedSentence(f"{one.text} {one.text}"[3:], one.words, one.tags) for one in good[:2]]
    sets = {
        name: Dataset("odd", whole.task, whole.labels, {"hau": {"test": chosen}})
        for name, chosen in {"good": good, "both": [*good, *bad], "bad": bad}.items()
    }
    monkeypatch.setattr(sys.modules[evaluate.__module__], "read_split", lambda data, *_: sets[data])
    found = {name: evaluate(bundle, None, name, quiet)["languages"]["hau"] for name in sets}
    assert found["both"]["raw"] == found["good"]["raw"]
    assert [found[name]["raw_left_out"] for name in ("good", "both", "bad")] == [0, 2, 2]
    assert found["bad"]["raw"] is None and found["bad"]["identified"] is not None


def test_joined_words_are_said_to_be_joined(names, tmp_path):
    _, bundle, source = names
    sentences = source.load(languages=["eng"]).split("eng", "test")[:4]
    (tmp_path / "eng").mkdir()
    lines = chain.from_iterable(
        [*(f"{w}\t{t}" for w, t in zip(one.words, one.tags, strict=True)), ""] for one in sentences
    )
    (tmp_path / "eng" / "test.conll").write_text("\n".join(lines), encoding="utf-8")
    code, shown, said = gradsim("evaluate", "--bundle", bundle, "--data", tmp_path)
    assert code == 0, said
    assert "4 of 4 texts are no more than their words joined" in shown and "F1 over entities" in shown


def test_without_a_bundle_the_stage_of_a_build_runs(built):
    data, bundle, source = built
    model = json.loads((bundle.parent / "settings.json").read_text())["model"]
    code, shown, said = gradsim("evaluate", *options(data, source, model, bundle.parent))
    assert code == 0, said
    assert Path(shown.strip()) == bundle.parent and "evaluate: up to date, skipped" in said
