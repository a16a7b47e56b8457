"""A whole build for pairs of texts through the command line, and what can follow it; served and asked on real data."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from real_server import SOURCES, free_port, running
from tritonclient.http import InferenceServerClient, InferInput

from gradsim_client import Client
from gradsim_offline.datasets.sources import xnli
from gradsim_runtime import Bundle
from gradsim_shared.bundle import open_bundle
from gradsim_shared.columns import PAIR_COLUMNS
from gradsim_shared.decoding import endpoint_of

from .program import TINY, arguments, gradsim

LABELS = ("entailment", "neutral", "contradiction")
WORDS = {  # a premise, what follows from it, what does not, what contradicts it
    "eng": [("Ann sleeps at home", "Ann is at home", "Ann has a dog", "Ann is out")],
    "hau": [("Musa yana gida", "Musa na gida", "Musa na da kare", "Musa ya fita")],
    "tur": [("Ali evde uyuyor", "Ali evde", "Ali'nin köpeği var", "Ali dışarıda")],
}
SETTINGS = TINY | {"measuring.minimum_steps": 0, "training.minimum_steps": 0, "report.examples": 2}


def write_language(root, code):
    for split, count in (("train", 10), ("dev", 4), ("test", 4)):
        rows = [
            (f"{premise} {split} {i}", f"{said} {i}", label)
            for i in range(count)
            for premise, *hypotheses in WORDS[code]
            for said, label in zip(hypotheses, LABELS, strict=True)
        ]
        (root / code).mkdir(parents=True, exist_ok=True)
        lines = ["\t".join(("premise", "hypothesis", "label")), *("\t".join(row) for row in rows)]
        (root / code / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A few dozen pairs of three languages, as a user's own files."""
    root = tmp_path_factory.mktemp("pairs") / "inference"
    for code in WORDS:
        write_language(root, code)
    return root


def build(data, out, model, **changes):
    given = {"data": data, "groups": 2, "epochs": 1, "out": out, "model": model, "recipe": changes.pop("recipe", None)}
    code, shown, said = gradsim("build", *arguments(given, SETTINGS | changes))
    assert code == 0, said
    return shown


@pytest.fixture(scope="module")
def built(data, tiny_xlmr, tmp_path_factory):
    """A finished run directory, and what the build printed."""
    out = tmp_path_factory.mktemp("runs") / "pairs"
    return out, build(data, out, tiny_xlmr)


def test_facts_of_the_manifest(built):
    manifest = open_bundle(built[0] / "bundle").manifest
    assert (manifest.task, manifest.metric, manifest.long_texts) == ("pair_classification", "weighted_f1", "cut")
    assert (manifest.endpoint, endpoint_of(manifest)) == ("nli", "/nli")
    assert manifest.labels == sorted(LABELS)
    for language in manifest.languages:
        assert language.counts == {"train": 30, "dev": 12, "test": 12} and language.scripts == ["LATIN"]
        for scores in language.scores.values():
            assert all(0 <= column["weighted_f1"] <= 1 for column in (scores.group, scores.service))
    for group in manifest.groups:
        parity = group.precisions["fp32"].parity
        assert parity.max_difference < 1e-4 and parity.label_agreement == 1 and parity.texts >= 9


def test_the_report_counts_pairs_and_shows_both_texts(built):
    page = (built[0] / "bundle" / "report" / "index.html").read_text(encoding="utf-8")
    assert "pairs" in page and "Ann sleeps at home test 0 | " in page
    evaluated = json.loads((built[0] / "evaluate" / "evaluation.json").read_text(encoding="utf-8"))
    assert sum(sum(row.values()) for row in evaluated["labels"]["eng"].values()) == 12
    assert all(" | " in each["text"] for found in evaluated["errors"].values() for each in found)
    assert any(evaluated["errors"].values())


def test_the_command_that_it_ends_with_answers(built):
    (line,) = (line for line in built[1].splitlines() if line.startswith("Try it:"))
    shown = json.loads(line.split("echo '")[1].split("' | ")[0])
    assert tuple(shown) == PAIR_COLUMNS[0] and "--plain" not in line
    (answer,) = Bundle.open(built[0] / "bundle", threads=1).predict([tuple(shown.values())])
    assert answer.label in LABELS


def predict(bundle, source, *words):
    from click.testing import CliRunner

    from gradsim_serving.cli import main

    done = CliRunner().invoke(main, ["predict", str(bundle), "--input", str(source), "--threads", "1", *words])
    return done.exit_code, done.output


def test_predict_reads_two_columns(built, data, tmp_path):
    target = tmp_path / "answers.csv"
    code, _ = predict(built[0] / "bundle", data / "eng" / "test.tsv", "--output", str(target))
    rows = list(csv.DictReader(target.read_text(encoding="utf-8").splitlines()))
    assert code == 0 and len(rows) == 12 and {row["prediction"] for row in rows} <= set(LABELS)
    lines = tmp_path / "lines.jsonl"
    good, fields = '{"one": "Ann", "two": "Ann is at home"}', ("--text-column", "one", "--second-column", "two")
    lines.write_text(f'{good}\n{{"one": "Ann"}}\n{{"one": "Ann", "two": " "}}\n', encoding="utf-8")
    code, output = predict(built[0] / "bundle", lines, *fields)
    first, second, third = map(json.loads, output.splitlines()[:3])
    assert code == 1 and first["prediction"]["label"] in LABELS
    assert second["error"]["message"] == 'the field "two" is missing'
    assert third["error"]["message"] == "two is empty: it has no visible character"
    assert predict(built[0] / "bundle", lines, "--plain")[0] == 2


def test_evaluate_reads_the_bundle(built, data):
    code, shown, said = gradsim("evaluate", "--bundle", built[0] / "bundle", "--data", data)
    assert code == 0, said
    assert "weighted" in shown.lower()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "ngrams"}, "model ngrams is for texts with one label; pairs need an encoder that is trained"),
        ({"model": "XLMR", "recipe": "frozen"}, "heads over a frozen encoder are for texts with one label; pairs need"),
    ],
)
def test_what_reads_single_texts_only_is_refused_first(data, tiny_xlmr, tmp_path, settings, said):
    given = {"data": data, "out": tmp_path / "run", **settings}
    given["model"] = str(tiny_xlmr) if given["model"] == "XLMR" else given["model"]
    code, _, error = gradsim("build", *arguments(given, {"maximum_length": 32}))
    assert code == 1 and said in error and "Traceback" not in error
    assert not list((tmp_path / "run").glob("*/training.json"))


def test_a_tokenizer_without_a_template_for_pairs_is_refused(data, tiny_xlmr, tmp_path):
    from shutil import copytree

    path = copytree(tiny_xlmr, tmp_path / "xlmr") / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["post_processor"]["pair"] = [
        {"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 0}},
    ]
    path.write_text(json.dumps(content), encoding="utf-8")
    given = {"data": data, "out": tmp_path / "run", "model": path.parent}
    code, _, error = gradsim("build", *arguments(given, {"maximum_length": 32}))
    assert code == 1 and "puts nothing between the two texts of a pair" in error


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mini", "upper blocks"])
def test_other_encoders(data, tiny_xlmr, tmp_path, model):
    if model == "mini":
        build(data, tmp_path / "run", "mini")
    else:
        build(data, tmp_path / "run", tiny_xlmr, recipe="upper-blocks", **{"training.trained_blocks": 1})
    manifest = open_bundle(tmp_path / "run" / "bundle").manifest
    assert manifest.task == "pair_classification" and (manifest.trunk is None) == (model == "mini")
    (answer,) = Bundle.open(tmp_path / "run" / "bundle", threads=1).predict([("Ann sleeps at home", "Ann is out")])
    assert answer.label in LABELS


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("compare", "--methods", "multilingual,monolingual,gradient,labels", "--groups", "2"),
        ("few-shot", "--source", "eng", "--shots", "1,2"),
        ("sweep", "--over", "training.strategy=mixed,pcgrad"),
    ],
)
def test_what_else_is_done_with_labelled_data(data, tiny_xlmr, tmp_path, words):
    command, *rest = words
    given = {"data": data, "out": tmp_path / "run", "model": tiny_xlmr, "epochs": 1}
    code, _, said = gradsim(command, *rest, *arguments(given, SETTINGS))
    assert code == 0, said


@pytest.mark.slow
def test_real_pairs_from_files_to_a_routed_answer(data_root, tmp_path, monkeypatch):
    """A slice of XNLI is built with mini and served; all three forms of the API answer as the bundle does."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # it forbids every connection of its library
    small = tmp_path / "xnli"
    for code in ("en", "sw", "ur"):
        for split, rows in (("dev", 300), ("test", 60)):
            lines = (data_root / "xnli" / code / f"{split}.tsv").read_text(encoding="utf-8").split("\n")[:rows]
            (small / code).mkdir(parents=True, exist_ok=True)
            (small / code / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {"data": "xnli", "data-dir": small, "groups": 2, "epochs": 1, "out": tmp_path / "run", "model": "mini"}
    code, _, said = gradsim("build", *arguments(given, SETTINGS | {"maximum_length": 64}))
    assert code == 0, said
    bundle = tmp_path / "run" / "bundle"
    examples = [example.text for code in ("swa", "urd") for example in xnli.load(small).split(code, "test")[:8]]
    expected = Bundle.open(bundle, threads=1).predict(examples)
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(bundle), "--port", str(port), "--threads", "1"]
    with running(command, port, tmp_path / "log", {"PYTHONPATH": SOURCES}) as server:
        url = str(server.client.base_url)
        with Client(url) as client:
            found = client.answer(examples, endpoint="nli")
        inputs = [{"text": first, "text_pair": second} for first, second in examples]
        hugging = server.client.post("/models/nli", json={"inputs": inputs, "parameters": {"top_k": 1}}).json()
        triton = InferenceServerClient(f"127.0.0.1:{port}")
        tensors = []
        for name, column in zip(("text", "text_pair"), zip(*examples, strict=True), strict=True):
            tensors.append(InferInput(name, [len(column)], "BYTES"))
            tensors[-1].set_data_from_numpy(np.array([text.encode() for text in column], np.object_))
        protocol = triton.infer("nli", tensors)
        triton.close()
    assert [one.label for one in found] == [one.label for one in expected]
    assert [one.route.language for one in found] == [one.route.language for one in expected]
    assert [one[0]["label"] for one in hugging] == [one.label for one in expected]
    assert [label.decode() for label in protocol.as_numpy("label")] == [one.label for one in expected]
    languages = [one.route.language for one in expected]
    assert languages.count("urd") >= 7, "another script: known nearly always"
