"""Own texts with several labels: both forms, how they are told from texts with one, and what is wrong with them."""

from __future__ import annotations

import json

import pytest
import tiny_labels

from gradsim_offline.core.dataset import MultiLabelExample
from gradsim_offline.datasets.columns import Columns
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.datasets.summary import lines
from gradsim_shared.errors import DataError, SettingsError

MULTI, SINGLE = "multi_label_classification", "text_classification"
ROWS = [("a b", "x|y"), ("c d", ""), ("e f", "y"), ("g h", " y | x ")]


def tsv(path, rows, header=("text", "labels")):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n", encoding="utf-8")
    return path


def load(root, **options):
    return load_dataset(str(root), None, None, {"held_out": 0, **options})


def sets(dataset, code="hau", split="train"):
    return [example.labels for example in dataset.split(code, split)]


@pytest.mark.parametrize("header", ["label", "labels", "topic"])
def test_labels_with_bars_between_them(tmp_path, header):
    tsv(tmp_path / "hau" / "train.tsv", ROWS, ("text", header))
    found = load(tmp_path)
    assert (found.task, found.labels) == (MULTI, ("x", "y"))
    assert sets(found) == [("x", "y"), (), ("y",), ("x", "y")]
    assert isinstance(found.split("hau", "train")[0], MultiLabelExample)
    note = next(note for note in found.notes if MULTI in note)
    assert ("is called labels" if header == "labels" else "train.tsv:2") in note and f"--task {SINGLE}" in note
    assert "1.2 labels to a text; 1 text without any" in list(lines(found))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_of_0_and_1_for_each_label(tmp_path, ending):
    rows = [{"id": 17, "text": "a b", "y": 1, "x": 0}, {"id": 18, "text": "c", "y": 0, "x": 0}]
    text = "id,text,y,x\n17,a b,1,0\n18,c,0,0\n" if ending == "csv" else "\n".join(map(json.dumps, rows))
    (tmp_path / "hau").mkdir()
    (tmp_path / "hau" / f"train.{ending}").write_text(text, encoding="utf-8")
    found = load(tmp_path)
    assert (found.task, found.labels, sets(found)) == (MULTI, ("y", "x"), [("y",), ()])
    assert any("the columns y, x hold 0 or 1" in note for note in found.notes)


def test_lists_of_labels_in_json_and_a_table_of_languages(tmp_path):
    rows = [{"text": "a", "lang": "hau", "labels": ["x"]}, {"text": "b", "lang": "swa", "labels": ["y", "x"]}]
    rows += [{"text": "c", "lang": "hau", "labels": []}]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = load(tmp_path / "mine.jsonl")
    assert (sets(found), sets(found, "swa")) == ([("x",), ()], [("x", "y")])


def test_a_language_with_columns_and_one_with_a_column(tmp_path):
    tsv(tmp_path / "hau" / "train.tsv", [("a", "1", "0"), ("b", "1", "1")], ("text", "y", "x"))
    tsv(tmp_path / "swa" / "train.tsv", [("a", "z|x"), ("b", "y|w")])
    found = load(tmp_path)
    assert found.labels == ("y", "x", "w", "z") and sets(found, "swa") == [("x", "z"), ("y", "w")]


def test_the_task_may_be_named(tmp_path):
    tsv(tmp_path / "hau" / "train.tsv", [("a", "x|y"), ("b", "z")], ("text", "label"))
    whole = load(tmp_path, task=SINGLE)
    assert (whole.task, whole.labels) == (SINGLE, ("x|y", "z")) and not any(MULTI in note for note in whole.notes)
    tsv(tmp_path / "swa" / "train.tsv", [("a", "x"), ("b", "")], ("text", "label"))
    tsv(tmp_path / "hau" / "train.tsv", [("a", "y")], ("text", "label"))
    with pytest.raises(DataError, match=r"swa/train\.tsv:3: the label is empty"):
        load(tmp_path)
    assert sets(load(tmp_path, task=MULTI), "swa") == [("x",), ()]


def test_what_is_held_out_has_its_share_of_rare_labels(tmp_path):
    tiny_labels.write(tmp_path)
    for path in tmp_path.glob("*/dev.tsv"):
        path.unlink()
    found = load(tmp_path, held_out=0.2)
    held, kept = (sets(found, "hau", split) for split in ("dev", "train"))
    assert (len(held), len(kept)) == (12, 48)
    assert all(any(label in own for own in part) for label in tiny_labels.LABELS for part in (held, kept))
    assert found.fingerprint() == load(tmp_path, held_out=0.2).fingerprint() != load(tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("a", "x|y"), ("b", "x||y")], ("text", "labels"), r"train\.tsv:3: an empty label in 'x\|\|y'"),
        ([("a", "x|y"), ("", "x")], ("text", "labels"), r"train\.tsv:3: the text is empty"),
        ([("a", "x|y"), ("b", "")], ("words", "labels"), r"train\.tsv:1: no column for the text: found 'words'"),
        ([("a", "x"), ("b", "x")], ("text", "labels"), r"the train splits hold 1 label"),
        ([("a", "1", "0"), ("b", "1", "2")], ("text", "x", "y"), r"train\.tsv:3: '2' in the column y; .*0 or 1"),
        ([("a", "5", "0"), ("b", "1", "1")], ("text", "x", "y"), r"no column for the label: found 'text', 'x', 'y'"),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path, rows, header, message):
    tsv(tmp_path / "hau" / "train.tsv", rows, header)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_labels_and_columns_that_train_has_not_are_refused(tmp_path):
    tsv(tmp_path / "hau" / "train.tsv", ROWS)
    tsv(tmp_path / "hau" / "dev.tsv", [("a", "x|z")])
    with pytest.raises(DataError, match=r"dev\.tsv:2: unknown label 'z'; .*allowed: x, y"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"train\.tsv:2: no column 'p'; found 'text', 'labels'"):
        load(tmp_path, label_columns=["p"])
    tsv(tmp_path / "hau" / "dev.tsv", [("a", "x")])
    with pytest.raises(SettingsError, match=r"data_options\.label_columns: the files are for text_classification"):
        load(tmp_path, task=SINGLE, label_columns=["x"])


def test_a_setting_that_is_no_task():
    with pytest.raises(ValueError, match="task"):
        Columns(task="sentiment")
