"""A whole build for texts with several labels, from files to answers in every form; and what follows it."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import tiny_labels
from click.testing import CliRunner
from real_server import SOURCES, free_port, running
from sklearn.metrics import f1_score

from gradsim_client import Client, LabelsPrediction
from gradsim_runtime import Bundle
from gradsim_runtime import LabelsPrediction as OfBundle
from gradsim_serving.cli import main as serve

from .program import TINY, arguments, gradsim

LABELS = tiny_labels.LABELS
WAYS = {
    "mini": {"ngrams.beside": "false"},
    "beside": {},
    "all": {},
    "upper": {"training.trained_blocks": 1},
    "frozen": {"training.trained_blocks": 0},
    "ngrams": {},
    "ensemble": {"training.ensemble": 2},
    "student": {"training.ensemble": 2, "training.distil": "true"},
    "int8": {"exporting.precision": "int8"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_labels.write(tmp_path_factory.mktemp("several") / "topics")


@pytest.fixture(scope="module", params=["mini", *(pytest.param(way, marks=pytest.mark.slow) for way in [*WAYS][1:])])
def built(request, data, tiny_xlmr, tmp_path_factory):
    """The run directory of a build, and what it wrote on the way."""
    way, out = request.param, tmp_path_factory.mktemp("run") / "run"
    encoder = {**dict.fromkeys(("mini", "beside", "student", "ensemble", "int8"), "mini"), "ngrams": "ngrams"}
    linear = way in ("ngrams", "frozen")
    options = {"data": data, "model": encoder.get(way, tiny_xlmr), "groups": 2, "out": out}
    rates = {} if linear else {"training.learning_rate": 5e-3, "measuring.learning_rate": 5e-3, "training.epochs": 3}
    rates |= {} if linear else {"measuring.epochs": 2, "training.minimum_steps": 0, "measuring.minimum_steps": 0}
    code, shown, said = gradsim("build", *arguments(options, {**TINY, **rates, **WAYS[way]}))
    assert code == 0, said
    return out, shown + said


def truth(code, split="test"):
    return np.array([[label in own for label in LABELS] for _, own in tiny_labels.texts(code, split)])


def test_the_bundle_answers_as_it_is_scored(built):
    out, shown = built
    bundle = Bundle.open(out / "bundle", threads=1)
    manifest = bundle.manifest
    assert (manifest.task, manifest.labels, manifest.metric) == ("multi_label_classification", [*LABELS], "macro_f1")
    assert (manifest.endpoint, len(manifest.thresholds)) == ("topics", 3)
    assert (
        "a column is called labels" in shown and "labels to a text" in shown and "the threshold of each label" in shown
    )
    for language in manifest.languages:
        texts = [text for text, _ in tiny_labels.texts(language.code, "test")]
        predictions = bundle.predict(texts, language.code)
        for one in predictions:
            assert isinstance(one, OfBundle) and list(one.scores) == [*LABELS]
            above = zip(one.scores.items(), manifest.thresholds, strict=True)
            assert one.labels == [label for (label, score), threshold in above if score >= threshold]
        answered = np.array([[label in one.labels for label in LABELS] for one in predictions])
        scores = language.scores["test"].group
        for average in ("macro", "micro"):
            expected = f1_score(truth(language.code), answered, average=average, zero_division=0)
            assert scores[f"{average}_f1"] == pytest.approx(expected)
    assert all(
        0 < group.precisions[name].parity.label_agreement <= 1 for group in manifest.groups for name in group.precisions
    )


def test_the_thresholds_are_the_best_of_dev(built):
    bundle = Bundle.open(built[0] / "bundle", threads=1)
    codes = [language.code for language in bundle.manifest.languages]
    chances = np.array(
        [
            list(one.scores.values())
            for code in codes
            for one in bundle.predict([text for text, _ in tiny_labels.texts(code, "dev")], code)
        ]
    )
    gold = np.concatenate([truth(code, "dev") for code in codes])
    for column, threshold in enumerate(bundle.manifest.thresholds):
        of_label, true = chances[:, column], gold[:, column]
        best = max(f1_score(true, of_label >= other) for other in of_label)
        assert f1_score(true, of_label >= threshold) == pytest.approx(best, abs=1e-6)


def test_the_report_shows_labels_and_what_is_no_label(built):
    page = (built[0] / "bundle" / "report" / "index.html").read_text(encoding="utf-8")
    assert "F1 per label on test, in percent, over labels" in page and "no label" in page


def test_the_bundle_is_scored_again_alike(built, data, tmp_path):
    out, _ = built
    code, _, said = gradsim("evaluate", "--bundle", out / "bundle", "--data", data, "--json", tmp_path / "s.json")
    assert code == 0, said
    found = json.loads((tmp_path / "s.json").read_text())["languages"]
    for language in Bundle.open(out / "bundle").manifest.languages:
        assert found[language.code]["given"] == pytest.approx(language.scores["test"].group)
        assert found[language.code]["identified"] == pytest.approx(language.scores["test"].service)


@pytest.fixture(scope="module")
def served(built, tmp_path_factory):
    """A real service of the bundle."""
    port, log = free_port(), tmp_path_factory.mktemp("service") / "log"
    command = [sys.executable, "-m", "gradsim_serving", str(built[0] / "bundle"), "--port", str(port), "--threads", "1"]
    with running(command, port, log, {"PYTHONPATH": SOURCES}) as server:
        yield server


def test_the_service_answers_in_every_form(built, served, data):
    bundle = Bundle.open(built[0] / "bundle", threads=1)
    texts = [text for code in tiny_labels.WORDS for text, _ in tiny_labels.texts(code, "test")[:5]]
    expected = bundle.predict(texts, policy="soft")
    url = str(served.client.base_url)
    with Client(url) as client:
        typed = client.answer(texts, policy="soft", endpoint="topics")
    for mine, one in zip(expected, typed, strict=True):
        assert isinstance(one, LabelsPrediction) and one.labels == tuple(mine.labels)
        assert one.scores == pytest.approx(mine.scores, abs=1e-5) and one.route.language == mine.route.language
    asked = {"inputs": texts, "parameters": {"policy": "soft", "function_to_apply": "sigmoid", "top_k": None}}
    ranked = served.client.post("/models/topics", json=asked).json()
    for mine, one in zip(expected, ranked, strict=True):
        assert {each["label"]: each["score"] for each in one} == pytest.approx(mine.scores, abs=1e-5)
        assert [each["score"] for each in one] == sorted((each["score"] for each in one), reverse=True)
    refused = served.client.post(
        "/models/topics", json={"inputs": texts, "parameters": {"function_to_apply": "softmax"}}
    )
    assert refused.status_code == 422 and "function_to_apply" in refused.json()["error"]
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    body = {"inputs": [tensor], "parameters": {"policy": "soft"}}
    outputs = served.client.post("/v2/models/topics/infer", json=body).json()["outputs"]
    named = {each["name"]: each["data"] for each in outputs}
    assert [json.loads(each) for each in named["labels"]] == [one.labels for one in expected]
    assert json.loads(named["scores"][0]) == pytest.approx(expected[0].scores, abs=1e-5)
    schema = served.client.get("/openapi.json").json()["components"]["schemas"]
    assert {"labels", "scores"} <= schema["LabelsPrediction"]["properties"].keys()
    code, _, said = gradsim("evaluate", "--url", url, "--data", data, "--quiet")
    assert code == 0, said


def test_predict_writes_labels_as_own_data_has_them(built):
    text, _ = next(each for each in tiny_labels.texts("hau", "train") if len(each[1]) > 1)
    bundle = built[0] / "bundle"
    line = json.dumps({"text": text, "language": "hau"}).encode()
    given = CliRunner().invoke(serve, ["predict", str(bundle), "--threads", "1", "--output-format", "csv"], input=line)
    header, row = given.stdout.splitlines()
    answer = row.split(",")[header.split(",").index("prediction")]
    assert answer == "|".join(Bundle.open(bundle, threads=1).predict([text], "hau")[0].labels)


def test_what_needs_single_labels_is_refused_before_anything_is_trained(data, tmp_path):
    options = ("--data", data, "--model", "mini")
    code, _, said = gradsim("few-shot", *options, "--source", "hau", "--out", tmp_path / "few")
    assert code == 1 and "few-shot draws K texts of each label, and those of topics have several" in said
    code, _, said = gradsim("build", *options, "--set", "measuring.balanced=true", "--out", tmp_path / "run")
    assert code == 1 and "measuring.balanced weighs the labels of texts alike" in said
    assert not (tmp_path / "run" / "measure").exists()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["surgery", "upgrad"])
def test_methods_are_compared(data, tmp_path, strategy):
    methods = "multilingual,gradient,labels,transfer,lookahead"
    options = {"data": data, "model": "mini", "methods": methods, "groups": 2, "epochs": 2, "seeds": 2, "out": tmp_path}
    settings = {**TINY, "training.strategy": strategy, "training.learning_rate": 5e-3}
    code, shown, said = gradsim("compare", *arguments(options, settings))
    assert code == 0, said
    assert "macro F1" in shown
