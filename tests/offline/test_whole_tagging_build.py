"""A whole build for tagged words through the command line, with both kinds of encoder; and what can follow it."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gradsim_offline.datasets.sources import demo_entities, files
from gradsim_offline.experiments.assign.ranking import open_models
from gradsim_offline.similarity.measured import read_measured
from gradsim_offline.tasks.token_classification import PLUGIN as task
from gradsim_offline.training.trained import open_trained
from gradsim_shared.bundle import open_bundle
from gradsim_shared.decoding import endpoint_of

from .program import gradsim

LANGUAGES = ("eng", "hau", "tur")
SIZES = {"train": 40, "dev": 9, "test": 10}
SETTINGS = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 512,
    "pretraining.ngram_size": 8,
    "pretraining.epochs": 1,
    "measuring.minimum_steps": 0,
    "training.minimum_steps": 0,
    "training.batch_size": 8,
    "measuring.batch_size": 8,
    "training.learning_rate": 1e-2,
    "measuring.learning_rate": 1e-2,
    "measuring.fraction": 1.0,
    "measuring.layers": '["head.out", "encoder.0"]',
    "maximum_length": 48,
    "exporting.precision": "fp32",
}


def options(data, out, **changes):
    given = {"data": "files", "data-dir": data, "groups": 2, "epochs": 6, "out": out, **changes}
    return [
        *(word for name, value in given.items() for word in (f"--{name}", str(value))),
        *(word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")),
    ]


def write_language(root, code, ending, sizes=SIZES):
    """Write a language's sentences; the last of each split is longer than a model can read."""
    (root / code).mkdir(parents=True)
    dataset = demo_entities.load(languages=[code])
    for split, most in sizes.items():
        found = [list(zip(e.words, e.tags, strict=True)) for e in dataset.split(code, split)[:most]]
        found[-1] = list(chain.from_iterable(found[:8]))
        if ending == "jsonl":
            rows = [dict(zip(("words", "tags"), zip(*sentence, strict=True), strict=True)) for sentence in found]
            text = "\n".join(map(json.dumps, rows)) + "\n"
        else:
            between = "\t" if code == "eng" else " "
            text = "\n\n".join("\n".join(between.join(pair) for pair in sentence) for sentence in found) + "\n"
        (root / code / f"{split}.{ending}").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A few dozen tagged sentences of three languages, as a user's own files in all forms."""
    root = tmp_path_factory.mktemp("tagged")
    for code, ending in zip(LANGUAGES, ("conll", "conll", "jsonl"), strict=True):
        write_language(root, code, ending)
    return root


@pytest.fixture(scope="module", params=["tiny_xlmr", pytest.param("mini", marks=pytest.mark.slow)])
def built(request, data, tmp_path_factory):
    """A finished run directory, and what the build printed and said."""
    out = tmp_path_factory.mktemp("runs") / "tagging"
    model = request.param if request.param == "mini" else request.getfixturevalue(request.param)
    code, shown, said = gradsim("build", *options(data, out, model=model))
    assert code == 0, said
    return out, shown, said


def test_facts_of_the_manifest(built):
    manifest = open_bundle(built[0] / "bundle").manifest
    assert (manifest.task, manifest.metric) == ("token_classification", "entity_f1")
    assert (
        manifest.labels == list(demo_entities.LABELS) and manifest.endpoint == "ner" and endpoint_of(manifest) == "/ner"
    )
    assert manifest.segmentation == "words", "the rule that cut the demo's sentences"
    assert [language.code for language in manifest.languages] == list(LANGUAGES)
    for language in manifest.languages:
        assert language.counts == SIZES and set(language.scores) == {"dev", "test"}
        for scores in language.scores.values():
            for column in (scores.multilingual, scores.group, scores.service):
                assert set(column) == {"entity_f1", "precision", "recall", "accuracy"}
                assert all(0 <= value <= 1 for value in column.values())
    for group in manifest.groups:
        parity = group.precisions["fp32"].parity
        assert parity.max_difference < 1e-4 and parity.label_agreement == 1 and parity.texts >= 9
    assert "entity_f1 on test" in built[1]


def test_it_learns(built):
    """After six epochs every model finds some entities: the labels are where they belong."""
    evaluated = json.loads((built[0] / "evaluate" / "evaluation.json").read_text())
    assert evaluated["metric"] == "entity_f1"
    assert all(found["plain"] > 0.1 for found in evaluated["averages"]["dev"].values())
    trained = json.loads((built[0] / "measure" / "training.json").read_text())
    losses = [epoch["loss"] for epoch in trained["history"]]
    assert losses[-1] < 0.8 * losses[0]
    assert trained["texts"] == 3 * 40 < trained["rows"], "the long sentences are several rows"


def test_similarities_are_cosines_of_the_kept_gradients(built):
    measured = read_measured(built[0] / "bundle" / "similarity.json")
    assert measured.languages == LANGUAGES and set(measured.layers) == {"head.out", "encoder.0"}
    np.testing.assert_allclose(measured.matrix.diagonal(), 1)
    assert np.isfinite(measured.matrix).all() and len(measured.split_half) == 3
    kept = load_file(built[0] / "measure" / "gradients.safetensors")
    assert all(vectors.shape[:2] == (2, 3) and vectors.any() for vectors in kept.values())


def test_the_bundle_gives_the_tags_of_the_trained_models(built, data):
    """Every dev and test sentence, by the group that serves its language: ONNX against torch."""
    bundle = open_bundle(built[0] / "bundle")
    manifest, served, dataset = bundle.manifest, open_models(bundle.manifest, bundle.path), files.load(data)
    groups = json.loads((built[0] / "group" / "groups.json").read_text())["groups"]
    for group in groups:
        folder = "multilingual" if len(group["members"]) == len(LANGUAGES) else "-".join(group["members"])
        trained = open_trained(
            built[0] / "train" / folder, manifest.labels, task=task, maximum_length=48, device=torch.device("cpu")
        )
        for code in group["served"]:
            examples = [e for split in ("dev", "test") for e in dataset.split(code, split)]
            inputs = [e.input for e in examples]
            answers = [found.answer for found in served[group["id"]].answers(inputs)]
            assert answers == trained.answers(inputs)
            assert max(map(len, answers)) > 48 and [len(a) for a in answers] == [len(e.words) for e in examples]
            dev = task.scores([e.gold for e in examples[:9]], answers[:9], manifest.labels)
            column = next(one for one in manifest.languages if one.code == code).scores["dev"].group
            assert column == pytest.approx(dev)


def test_raw_text_is_answered_with_spans(built):
    bundle = open_bundle(built[0] / "bundle")
    text = "Halima  lives in\tLagos, 👍🏽 near Kano. " * 12
    for model in open_models(bundle.manifest, bundle.path).values():
        (found,) = model.answers([text])
        assert all(text[e.start : e.end] == e.text for e in found.prediction.entities)


def test_the_same_command_again_runs_nothing(built, data):
    settings = json.loads((built[0] / "settings.json").read_text())
    code, shown, said = gradsim("build", *options(data, built[0], model=settings["model"]))
    assert code == 0 and shown == built[1] and "●" not in said


@pytest.mark.parametrize("measure", ["transfer", "lookahead", "embedding"])
def test_every_measure_that_reads_the_data(measure, data, tiny_xlmr, tmp_path):
    code, _, said = gradsim("measure", *options(data, tmp_path / "run", model=tiny_xlmr, epochs=1, measure=measure))
    assert code == 0, said
    measured = read_measured(tmp_path / "run" / "measure" / "similarity.json")
    assert measured.matrix.shape == (3, 3) and np.isfinite(measured.matrix).all()
    assert measure != "transfer" or measured.settings["metric"] == "entity_f1"


@pytest.mark.parametrize("by", ["gradient", "score"])
def test_a_group_is_found_for_a_new_language(built, by, tmp_path):
    write_language(tmp_path, "hin", "conll", {"train": 12})
    words = ["--bundle", built[0] / "bundle", "--data", tmp_path, "--language", "hin", "--by", by, "-q"]
    code, shown, said = gradsim("assign", *words, "--json", tmp_path / "found.json")
    assert code == 0, said
    assert json.loads((tmp_path / "found.json").read_text())["group"] in ("g1", "g2") and shown


@pytest.mark.slow
@pytest.mark.parametrize("built", ["tiny_xlmr"], indirect=True)
def test_a_new_language_is_assigned_and_added(built, data, tmp_path):
    """Hindi words, on a bundle that does not know them; the other languages' texts come with their data."""
    write_language(tmp_path, "hin", "conll", {"train": 12, "test": 9})
    words = ["--bundle", built[0] / "bundle", "--data", tmp_path, "--language", "hin", "--add", "-q"]
    known = ["--known-data", "files", "--known-data-dir", data]
    code, _, said = gradsim("assign", *words, *known, "--out", tmp_path / "new")
    assert code == 0, said
    manifest = open_bundle(tmp_path / "new").manifest
    (hindi,) = (language for language in manifest.languages if language.code == "hin")
    assert hindi.counts == {"train": 12, "dev": 0, "test": 9}
    assert set(hindi.scores["test"].group) == {"entity_f1", "precision", "recall", "accuracy"}
