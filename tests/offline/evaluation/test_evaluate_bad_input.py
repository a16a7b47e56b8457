"""Mistakes at ``evaluate``: one clear message each, and no traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny_bundle
import tiny_tags

from ..program import gradsim


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle.build(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def ner(tmp_path_factory) -> Path:
    return tiny_tags.build_ner(tmp_path_factory.mktemp("bundles") / "ner")


@pytest.fixture
def data(tmp_path) -> Path:
    """Hausa texts to test on, and nothing else."""
    return write(tmp_path / "data", "hau", [{"text": "ya burge ni", "label": "positive"}])


def write(root, code, rows, split="test"):
    (root / code).mkdir(parents=True, exist_ok=True)
    (root / code / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


def refused(answer, *parts):
    code, out, error = answer
    assert (code, out) == (1, "")
    assert error.startswith("Error: ") and error.count("\n") == 1 and "Traceback" not in error
    for part in parts:
        assert part in error, error


def misused(answer, message):
    code, out, error = answer
    assert (code, out) == (2, "") and message in error and "Traceback" not in error


def test_a_valid_call_is_scored(bundle, data):
    code, shown, _ = gradsim("evaluate", "--bundle", bundle, "--data", data, "-q")
    assert code == 0 and "tiny@1.0.0 on test of data: weighted_f1, in percent" in shown


def test_a_table_is_scored_by_the_columns_that_are_named(bundle, tmp_path):
    table = tmp_path / "reviews.csv"
    table.write_text("body,kind,tongue,split\nya burge ni,positive,Hausa,test\nnzuri sana,positive,sw,Test\n")
    words = ("evaluate", "--bundle", bundle, "--data", table, "-q")
    refused(gradsim(*words), "reviews.csv:1: no column for the text", "--text-column NAME")
    columns = ("--text-column", "body", "--label-column", "kind", "--language-column", "tongue")
    code, shown, said = gradsim(*words, *columns)
    assert code == 0 and "on test of reviews" in shown and "hau Hausa" in shown and "swa Swahili" in shown, said


def test_a_text_that_the_bundle_would_reject_is_scored_all_the_same(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["identifier"]["policy"] = "reject"
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    russian = write(tmp_path / "data", "rus", [{"text": "Отель ужасен", "label": "negative"}])
    code, shown, error = gradsim("evaluate", "--bundle", copy, "--data", russian, "-q")
    assert code == 0 and "rus" in shown and "Error" not in error


def test_a_missing_bundle_is_refused(tmp_path, data, bundle):
    refused(gradsim("evaluate", "--bundle", tmp_path / "none", "--data", data), "is no bundle")
    refused(gradsim("evaluate", "--bundle", data, "--data", data), "is no bundle: it has no manifest.json")
    copy = tiny_bundle.build(tmp_path / "copy")
    (copy / "groups" / "g0" / "model.onnx").unlink()
    refused(gradsim("evaluate", "--bundle", copy, "--data", data), "groups/g0/model.onnx is missing")


def test_a_corrupt_model_is_refused(tmp_path, data):
    copy = tiny_bundle.build(tmp_path / "copy")
    (copy / "groups" / "g0" / "model.onnx").write_bytes(b"no graph")
    tiny_bundle.write_manifest(copy, threshold=0.5)
    code, out, error = gradsim("evaluate", "--bundle", copy, "--data", data)
    assert (code, out) == (1, "") and error.count("Error: ") == 1 and f"bundle {copy} cannot be opened: " in error


def test_data_of_another_task_are_refused(bundle, ner, data, tmp_path):
    words = write(tmp_path / "words", "hau", [{"words": ["Musa"], "tags": ["B-PER"]}])
    refused(
        gradsim("evaluate", "--bundle", bundle, "--data", words),
        "tiny@1.0.0 is for text_classification, the data set words for token_classification",
    )
    refused(gradsim("evaluate", "--bundle", ner, "--data", data), "tiny-ner@1.0.0 is for token_classification")
    refused(gradsim("evaluate", "--bundle", ner, "--data", "demo"), "the data set demo for text_classification")


def test_unknown_labels_are_refused(bundle, ner, tmp_path):
    rows = [{"text": "ya burge ni", "label": "positif"}] * 2
    data = write(tmp_path / "texts", "hau", rows)
    refused(
        gradsim("evaluate", "--bundle", bundle, "--data", data),
        "test of hau has the label 'positif' (2 x), which tiny@1.0.0 does not know; did you mean positive? "
        "it knows negative, neutral, positive",
    )
    words = write(tmp_path / "words", "hau", [{"words": ["gobe"], "tags": ["B-DATE"]}])
    refused(gradsim("evaluate", "--bundle", ner, "--data", words), "test of hau has the label 'B-DATE' (1 x)")
    pos = write(tmp_path / "pos", "hau", [{"words": ["gobe"], "tags": ["NOUN"]}])
    refused(
        gradsim("evaluate", "--bundle", ner, "--data", pos),
        "the label 'NOUN' (1 x), which tiny-ner@1.0.0 does not know",
        "it knows O, B-LOC",
    )


def test_unknown_labels_of_unscored_splits_are_allowed(bundle, data):
    write(data, "hau", [{"text": "ya burge ni", "label": "mixed"}], "train")
    assert gradsim("evaluate", "--bundle", bundle, "--data", data)[0] == 0


def test_a_missing_split_is_refused(bundle, data, tmp_path):
    refused(gradsim("evaluate", "--bundle", bundle, "--data", data, "--split", "dev"), "has no dev split")
    empty = write(tmp_path / "empty", "hau", [])
    refused(gradsim("evaluate", "--bundle", bundle, "--data", empty), "empty holds no test texts")
    code, shown, _ = gradsim(
        "evaluate", "--bundle", bundle, "--data", write(empty, "swa", [{"text": "a", "label": "neutral"}])
    )
    assert code == 0 and "No test texts: hau" in shown


def test_unread_files_are_named(bundle, data):
    (data / "hau" / "more.tsv").write_text("nothing")
    code, _, error = gradsim("evaluate", "--bundle", bundle, "--data", data)
    assert code == 0 and "files: not read: hau/more.tsv" in error
    (data / "swa").mkdir()
    refused(gradsim("evaluate", "--bundle", bundle, "--data", data), "swa: no train split, nor any other", "found none")
    (data / "swa").rmdir()
    (data / "hau" / "testing.csv").write_text("text,label\n")
    refused(gradsim("evaluate", "--bundle", bundle, "--data", data), "hau: test.jsonl and testing.csv: keep one")


def test_languages_without_the_split_are_named(bundle, data):
    write(data, "eng", [{"text": "good", "label": "positive"}], split="train")
    code, _, error = gradsim("evaluate", "--bundle", bundle, "--data", data)
    assert code == 0 and "not scored, as there are no test texts: eng" in error


def test_unknown_languages_are_refused(bundle, data):
    words = ("evaluate", "--bundle", bundle)
    refused(gradsim(*words, "--data", data, "--languages", "yor"), "unknown language 'yor'. Known: hau")
    refused(gradsim(*words, "--data", data, "--languages", "xxx"), "unknown language code 'xxx'")
    refused(gradsim(*words, "--data", "demo", "--languages", "xho"), "demo: unknown language 'xho'")


def test_missing_data_are_refused(bundle, data, tmp_path):
    words = ("evaluate", "--bundle", bundle)
    refused(gradsim(*words, "--data", "demmo"), "unknown data set 'demmo'. Did you mean demo")
    refused(gradsim(*words, "--data", "files"), "files needs --data-dir")
    refused(
        gradsim(*words, "--data", "files", "--data-dir", tmp_path / "none"), "none: there is no such file or directory"
    )
    refused(gradsim(*words, "--data", data, "--data-dir", data), "is a directory; leave out --data-dir")
    (tmp_path / "bare").mkdir()
    refused(gradsim(*words, "--data", tmp_path / "bare"), "holds no data")
    (data / "hau" / "test.tsv").write_text("text\tlabel\na\tneutral\n")
    refused(gradsim(*words, "--data", data), "keep one of them")


def test_a_malformed_line_is_named_by_its_number(bundle, ner, tmp_path):
    data = write(tmp_path / "texts", "hau", [{"text": "a", "label": "neutral"}, {"text": " ", "label": "neutral"}])
    refused(gradsim("evaluate", "--bundle", bundle, "--data", data), "test.jsonl:2: the text is empty")
    words = write(tmp_path / "words", "hau", [{"words": ["a", "b"], "tags": ["O"]}])
    refused(gradsim("evaluate", "--bundle", ner, "--data", words), "test.jsonl:1: 2 words and 1 tags")


def test_options_of_a_build_and_of_a_bundle_exclude_each_other(bundle, data):
    words = ("evaluate", "--bundle", bundle, "--data", data)
    misused(gradsim(*words, "--groups", 3, "--set", "seed=1"), "not with --bundle or --url")
    misused(gradsim(*words, "--batch", 0), "--batch")
    misused(gradsim(*words, "--split", "tset"), "--split")
    misused(gradsim("evaluate", "--bundle", bundle), "Name what to score on: --data")
    misused(gradsim("evaluate", "--data", data, "--split", "dev", "--json", "x"), "only with --bundle or --url")
