"""Builds on texts longer than the model reads at once: what is counted, what dev chooses, what the bundle does."""

from __future__ import annotations

import json

import pytest

from gradsim_runtime import Bundle
from gradsim_shared.bundle import open_bundle

from .program import TINY, arguments, gradsim

WORDS = {"eng": ("good fine nice", "bad awful poor", "the table of the house"), "hau": ("kyau", "muni", "gidan mutane")}
SETTINGS = TINY | {
    "maximum_length": 64,
    "pretraining.epochs": 0,
    "training.learning_rate": 0.003,
    "exporting.assignment": "false",
    "ngrams.beside": "false",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Short texts to train on; in dev and test the word that tells stands at the end of long ones, too."""
    root = tmp_path_factory.mktemp("data")
    for code, (good, bad, nothing) in WORDS.items():
        (root / code).mkdir()
        for split, count, filler in (("train", 40, 1), ("dev", 14, 24), ("test", 10, 24)):
            lines = ["text\tlabel"]
            for i in range(count):
                said, label = ((good, "positive"), (bad, "negative"))[i % 2]
                times = filler if i % 7 else 1
                lines.append(f"{f'{nothing} ' * times}{i} {f'{said} ' * (1 + times)}\t{label}")
            (root / code / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def build(data, out, model="mini", epochs=12, **settings):
    options = {"data": data, "model": model, "groups": 1, "epochs": epochs, "device": "cpu", "out": out}
    code, _, said = gradsim("build", *arguments(options, SETTINGS | settings))
    assert code == 0, said
    return open_bundle(out / "bundle").manifest, " ".join(said.split())


def texts_kept(out):
    """The files of a run that hold texts where the build was asked for examples of errors."""
    return [out / "evaluate" / "evaluation.json", out / "bundle" / "report" / "index.html"]


def test_dev_says_that_windows_help_and_the_bundle_reads_in_windows(data, tmp_path):
    manifest, said = build(data, tmp_path)
    assert manifest.long_texts == "windows"
    assert "long texts are read in windows: weighted_f1 of the 24 dev texts that are too long is" in said
    assert "long_texts says how they are answered" in said
    assert all(language.longer == {"dev": 12, "test": 8} for language in manifest.languages)
    choice = json.loads((tmp_path / "long-texts" / "long-texts.json").read_text())
    assert choice["scores"]["windows"] > choice["scores"]["cut"] + 0.2
    text = "the table of the house " * 24 + "good fine nice " * 25
    (prediction,) = Bundle.open(tmp_path / "bundle").predict([text], language="eng")
    assert (prediction.label, prediction.truncated) == ("positive", False)
    scores = {language.code: language.scores["test"] for language in manifest.languages}
    code, _, said = gradsim("evaluate", "--bundle", tmp_path / "bundle", "--data", data, "--json", tmp_path / "json")
    assert code == 0, said
    again = json.loads((tmp_path / "json").read_text())["languages"]
    assert {code: found["given"] for code, found in again.items()} == {
        code: found.group for code, found in scores.items()
    }

    kept = [file.read_text(encoding="utf-8") for file in texts_kept(tmp_path)]
    assert not any("house" in content for content in kept), "no text is kept unless that is asked for"

    cut, said = build(data, tmp_path, long_texts="cut", **{"report.examples": 3})  # nothing is trained again
    counts, errors = (json.loads(texts_kept(tmp_path)[0].read_text())[name] for name in ("labels", "errors"))
    wrong = sum(count for gold, answers in counts["eng"].items() for label, count in answers.items() if label != gold)
    assert sum(sum(answers.values()) for answers in counts["eng"].values()) == 10
    assert len(errors["eng"]) == min(3, wrong) > 0 and all(error["gold"] != error["answer"] for error in errors["eng"])
    assert errors["eng"][0]["text"].startswith("the table of the house ")
    assert all("the table of the house" in file.read_text(encoding="utf-8") for file in texts_kept(tmp_path))
    assert cut.long_texts == "cut" and "read in windows" not in said
    for language in cut.languages:
        assert language.scores["test"].group["weighted_f1"] < scores[language.code].group["weighted_f1"]
    (prediction,) = Bundle.open(tmp_path / "bundle").predict([text], language="eng")
    assert prediction.truncated


def test_without_enough_long_dev_texts_they_are_cut_and_that_is_said(data, tmp_path):
    for code in WORDS:
        (tmp_path / "data" / code).mkdir(parents=True)
        for split in ("train", "dev"):
            lines = (data / code / f"{split}.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
            kept = "".join(lines if split == "train" else lines[:9])
            (tmp_path / "data" / code / f"{split}.tsv").write_text(kept, encoding="utf-8")
    manifest, said = build(tmp_path / "data", tmp_path / "run", epochs=1)
    assert manifest.long_texts == "cut"
    assert "long texts are cut: only 12 dev texts are too long" in said and "--set long_texts=windows reads" in said


def test_a_model_of_n_grams_reads_whole_texts(data, tmp_path):
    manifest, said = build(data, tmp_path, model="ngrams", long_texts="windows")
    assert "maximum_length" not in said and not any(language.longer for language in manifest.languages)
    text = "the table of the house " * 60 + "good fine nice " * 60
    (prediction,) = Bundle.open(tmp_path / "bundle").predict([text], language="eng")
    assert (prediction.label, prediction.truncated) == ("positive", False)
