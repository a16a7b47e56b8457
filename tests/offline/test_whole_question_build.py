"""A whole build for questions through the command line, and what can follow it; served and asked on real data."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from huggingface_hub import constants
from real_server import SOURCES, free_port, running

from gradsim_client import Client
from gradsim_offline.datasets.sources import xquad
from gradsim_runtime import Bundle
from gradsim_serving.cli import main as serve
from gradsim_shared.bundle import open_bundle
from gradsim_shared.decoding import endpoint_of

from .program import TINY, arguments, gradsim

WORDS = {  # of a context, what stands before the answer; a question; answers
    "eng": ("Once upon a time, and for many years, Ann lived in", "Where did Ann live?", ("Paris", "New York", "Rome")),
    "hau": ("Shekaru da yawa da suka wuce Musa ya zauna a", "Ina Musa ya zauna?", ("Kano", "Birnin Kebbi", "Lagos")),
    "tur": ("Uzun yıllar boyunca, çok eskiden, Ali'nin evi", "Ali nerede yaşadı?", ("İzmir", "Eski Şehir", "Muğla")),
}
SETTINGS = TINY | {"measuring.minimum_steps": 0, "training.minimum_steps": 0, "report.examples": 2}


def write_language(root, code):
    before, question, answers = WORDS[code]
    (root / code).mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 8), ("dev", 3), ("test", 3)):
        rows = [
            {
                "question": question,
                "context": f"{before}  {answer} {i}. {before} {split}.",
                "answer_text": answer,
                "answer_start": len(before) + 2,
            }
            for i in range(count)
            for answer in answers
        ]
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (root / code / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A few dozen questions in three languages, as a user's own files."""
    root = tmp_path_factory.mktemp("questions") / "places"
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
    out = tmp_path_factory.mktemp("runs") / "questions"
    return out, build(data, out, tiny_xlmr)


def test_facts_of_the_manifest(built):
    manifest = open_bundle(built[0] / "bundle").manifest
    assert (manifest.task, manifest.metric, manifest.long_texts) == ("question_answering", "f1", "windows")
    assert (endpoint_of(manifest), manifest.labels) == ("/qa", ["start", "end"])
    for language in manifest.languages:
        assert language.counts == {"train": 24, "dev": 9, "test": 9}
        for scores in language.scores.values():
            for column in (scores.multilingual, scores.group, scores.service):
                assert 0 <= column["exact_match"] <= column["f1"] <= 1
    assert all(group.precisions["fp32"].parity.max_difference < 1e-4 for group in manifest.groups)


def test_windows_were_trained_on_and_gradients_measured(built):
    trained = json.loads(next(built[0].glob("**/training.json")).read_text(encoding="utf-8"))
    assert trained["rows"] > trained["texts"], "contexts are longer than 32 tokens"
    similarity = json.loads((built[0] / "bundle" / "similarity.json").read_text(encoding="utf-8"))
    matrix = np.array(similarity["similarity"])
    assert np.isfinite(matrix).all() and not np.allclose(matrix, matrix[0, 0])


def test_the_report_shows_questions_and_answers(built):
    page = (built[0] / "bundle" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Where did Ann live? | Once upon" in page
    evaluated = json.loads((built[0] / "evaluate" / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluated["labels"] == {code: {} for code in WORDS}


def test_the_command_that_it_ends_with_answers(built):
    (line,) = (line for line in built[1].splitlines() if line.startswith("Try it:"))
    shown = json.loads(line.split("echo '")[1].split("' | ")[0])
    (answer,) = Bundle.open(built[0] / "bundle", threads=1).predict([shown])
    assert answer.answer == shown["context"][answer.start : answer.end] and answer.answer


def predict(bundle, source, *words):
    done = CliRunner().invoke(serve, ["predict", str(bundle), "--input", str(source), "--threads", "1", *words])
    return done.exit_code, done.output


def test_predict_reads_questions(built, data, tmp_path):
    target, bundle = tmp_path / "answers.csv", built[0] / "bundle"
    code, _ = predict(bundle, data / "eng" / "test.jsonl", "--output", str(target))
    rows = list(csv.DictReader(target.read_text(encoding="utf-8").splitlines()))
    assert code == 0 and len(rows) == 9 and all(row["prediction"] in row["context"] for row in rows)
    table = tmp_path / "table.csv"
    table.write_text("question,context\nWhere?,In Rome\nWhere?,\n", encoding="utf-8")
    code, output = predict(bundle, table)
    first, second = map(json.loads, output.splitlines()[:2])
    assert code == 1 and first["prediction"]["answers"][0]["text"] == first["prediction"]["answer"]
    assert second["error"]["message"] == "context is empty: it has no visible character"
    assert predict(bundle, table, "--plain")[0] == predict(bundle, table, "--text-column", "q")[0] == 2


def test_evaluate_reads_the_bundle(built, data):
    code, shown, said = gradsim("evaluate", "--bundle", built[0] / "bundle", "--data", data)
    assert code == 0, said
    assert "exact match" in shown.lower() or "f1" in shown.lower()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "ngrams"}, "model ngrams is for texts with one label; questions need an encoder that is trained"),
        ({"recipe": "frozen"}, "heads over a frozen encoder are for texts with one label; questions need an encoder"),
        ({"measure": "labels"}, "answers to questions have none"),
        ({"measure": "lookahead"}, "take gradient or transfer"),
    ],
)
def test_what_cannot_be_is_refused_first(data, tiny_xlmr, tmp_path, settings, said):
    given = {"data": data, "out": tmp_path / "run", "model": tiny_xlmr, **settings}
    code, _, error = gradsim("build", *arguments(given, {"maximum_length": 32}))
    assert code == 1 and said in error and "Traceback" not in error
    assert not list((tmp_path / "run").glob("**/training.json"))


def test_a_student_of_several_models_is_refused_first(data, tiny_xlmr, tmp_path):
    given = {"data": data, "out": tmp_path / "run", "model": tiny_xlmr}
    code, _, error = gradsim("build", *arguments(given, {"maximum_length": 32, "training.ensemble": 2}))
    assert code == 1 and "set training.average=logits" in error


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mini", "upper blocks"])
def test_other_encoders(data, tiny_xlmr, tmp_path, model):
    if model == "mini":
        build(data, tmp_path / "run", "mini", **{"training.ensemble": 2, "training.average": "logits"})
    else:
        build(data, tmp_path / "run", tiny_xlmr, recipe="upper-blocks", **{"training.trained_blocks": 1})
    manifest = open_bundle(tmp_path / "run" / "bundle").manifest
    assert manifest.task == "question_answering" and (manifest.trunk is None) == (model == "mini")
    asked = ("Where did Ann live?", "Ann lived in Paris.")
    (answer,) = Bundle.open(tmp_path / "run" / "bundle", threads=1).predict([asked])
    assert answer.answer == asked[1][answer.start : answer.end]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("compare", "--methods", "multilingual,monolingual,gradient,transfer", "--groups", "2"),
        ("few-shot", "--source", "eng", "--shots", "1,2"),
        ("sweep", "--over", "training.strategy=mixed,pcgrad", "--set", "grouping.groups=2"),
    ],
)
def test_what_else_is_done_with_questions(data, tiny_xlmr, tmp_path, words):
    command, *rest = words
    given = {"data": data, "out": tmp_path / "run", "model": tiny_xlmr, "epochs": 1}
    code, _, said = gradsim(command, *rest, *arguments(given, SETTINGS))
    assert code == 0, said


@pytest.mark.slow
def test_real_questions_from_files_to_a_routed_answer(data_root, tmp_path, monkeypatch):
    """A slice of XQuAD is built with mini and served; the service answers as the bundle does, in the context."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # it forbids every connection of its library
    small = tmp_path / "xquad"
    for code in ("eng", "tur", "hin"):
        content = json.loads((data_root / "xquad" / code / "test.json").read_text(encoding="utf-8"))
        (small / code).mkdir(parents=True)
        kept = {"data": [{"paragraphs": article["paragraphs"][:3]} for article in content["data"][:8]]}
        (small / code / "test.json").write_text(json.dumps(kept), encoding="utf-8")
    given = {"data": "xquad", "data-dir": small, "groups": 2, "epochs": 1, "out": tmp_path / "run", "model": "mini"}
    code, _, said = gradsim("build", *arguments(given, SETTINGS | {"maximum_length": 128}))
    assert code == 0, said
    bundle = tmp_path / "run" / "bundle"
    examples = [example.text for code in ("tur", "hin") for example in xquad.load(small).split(code, "test")[:8]]
    expected = Bundle.open(bundle, threads=1).predict(examples)
    asked = [{"question": one.question, "context": one.context} for one in examples]
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(bundle), "--port", str(port), "--threads", "1"]
    with running(command, port, tmp_path / "log", {"PYTHONPATH": SOURCES}) as server:
        with Client(str(server.client.base_url)) as client:
            found = client.answer(asked, endpoint="qa")
        hugging = server.client.post("/models/qa", json={"inputs": asked}).json()
    assert [(one.answer, one.start) for one in found] == [(one.answer, one.start) for one in expected]
    assert [one["answer"] for one in hugging] == [one.answer for one in expected]
    assert all(one.answer == text.context[one.start : one.end] for one, text in zip(found, examples, strict=True))
    languages = [one.route.language for one in expected]
    assert languages.count("hin") >= 7, "another script: known nearly always"
