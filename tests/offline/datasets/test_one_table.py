"""One table for all languages, in every form: read as folders are, by the columns of language and split."""

from __future__ import annotations

import csv
import json

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from gradsim_offline.cli import cli
from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.columns import Columns
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.datasets.sources import files
from gradsim_shared.errors import DataError, SettingsError

LANGUAGES = {"Hausa": "hau", "Nigerian Pidgin": "pcm", "sw": "swa"}
SPLITS = {"train": "train", "validation": "dev", "Test": "test"}
ROWS = [
    {"review": f"{name} {split} {number}", "Sentiment": label, "lang": name, "split": split}
    for name in LANGUAGES
    for split in SPLITS
    for number, label in enumerate(("good", "bad"))
]
FORMS = ("csv", "tsv", "jsonl", "json", "parquet", "saved", "classes", "dict", "tables")


def write(directory, form, rows=ROWS):
    """Write rows in one of the forms, and return what ``--data`` names."""
    path = directory / f"my reviews.{form}"
    if form in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter={"csv": ",", "tsv": "\t"}[form])
            writer.writeheader()
            writer.writerows(rows)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif form == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif form == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif form == "tables":
        path.mkdir()
        for split in SPLITS:
            part = write(directory, "csv", [row for row in rows if row["split"] == split])
            part.rename(path / f"{split}.csv")
    else:
        saved = datasets.Dataset.from_list(rows)
        saved = saved.class_encode_column("Sentiment") if form == "classes" else saved
        parts = {split: saved.filter(lambda row, split=split: row["split"] == split) for split in SPLITS}
        (datasets.DatasetDict(parts) if form == "dict" else saved).save_to_disk(path)
    return path


@pytest.fixture(autouse=True)
def no_bars():
    datasets.disable_progress_bars()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_alike(tmp_path, form):
    path = write(tmp_path, form)
    found = load_dataset(str(path), None, None)
    assert found.languages == tuple(LANGUAGES.values()) and found.labels == ("bad", "good")
    assert found.aliases == {"hau": ("Hausa",), "pcm": ("Nigerian Pidgin",), "swa": ("sw",)}
    for name, code in LANGUAGES.items():
        for written, split in SPLITS.items():
            assert found.split(code, split) == [
                Example(f"{name} {written} 0", "good"),
                Example(f"{name} {written} 1", "bad"),
            ]
    (note,) = found.notes
    assert note == (
        "files: by the column of the language, Hausa is hau (Hausa), Nigerian Pidgin is pcm (Nigerian Pidgin)"
    )
    assert found.name == ("my-reviews" if path.is_file() else f"my-reviews.{form}")


def test_a_language_may_have_a_folder_that_datasets_saved(tmp_path):
    for name, code in LANGUAGES.items():
        (tmp_path / "own").mkdir(exist_ok=True)
        mine = [row for row in ROWS if row["lang"] == name]
        write(tmp_path, "dict", mine).rename(tmp_path / "own" / code)
    found = load_dataset(str(tmp_path / "own"), None, None)
    assert found.fingerprint() == load_dataset(str(write(tmp_path, "csv")), None, None).fingerprint()
    assert found.notes == ()


def test_only_languages_that_are_named_are_read(tmp_path):
    rows = [*ROWS, {**ROWS[0], "lang": "no language"}]
    path = write(tmp_path, "csv", rows)
    assert load_dataset(str(path), None, ["pidgin nigerian", "ha"]).languages == (
        "hau",
        "pcm",
    )
    with pytest.raises(DataError, match=r"my reviews\.csv: unknown language 'yor'.* Known: hau, pcm, swa"):
        load_dataset(str(path), None, ["yo"])
    with pytest.raises(DataError, match=r"my reviews\.csv:20: unknown language code 'no language'.*--languages CODES"):
        load_dataset(str(path), None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lang": " "}, r"my reviews\.jsonl:19: the language is empty"),
        ({"lang": None}, r"my reviews\.jsonl:19: the language is empty"),
        ({"split": "held"}, r"my reviews\.jsonl:19: 'held' in the column split is no split; splits are called train"),
        ({"Sentiment": "ok", "split": "test"}, r"my reviews\.jsonl:19: unknown label 'ok'"),
        ({"language": "hau"}, r"each of 'lang', 'language' may hold the language; say which it is: --language-column"),
    ],
)
def test_a_row_that_is_wrong_is_named_by_its_line(tmp_path, change, message):
    path = write(tmp_path, "jsonl", [*ROWS, {**ROWS[0], **change}])
    with pytest.raises(DataError, match=message):
        load_dataset(str(path), None, None)


def test_a_table_without_languages_or_of_another_form_says_what_to_do(tmp_path):
    without = [{"text": "a", "label": "x"}]
    with pytest.raises(DataError, match="no column for the language: found 'text', 'label'; name it language or lang"):
        load_dataset(str(write(tmp_path, "csv", without)), None, None)
    (tmp_path / "x.xlsx").write_text("")
    with pytest.raises(DataError, match=r"x\.xlsx: a table for all languages is one of \.tsv, \.csv"):
        load_dataset(str(tmp_path / "x.xlsx"), None, None)
    with pytest.raises(DataError, match=r"none\.csv: there is no such file or directory"):
        load_dataset(str(tmp_path / "none.csv"), None, None)
    with pytest.raises(SettingsError, match="is a file; leave out --data-dir"):
        load_dataset(str(tmp_path / "x.xlsx"), tmp_path, None)
    only_test = [row for row in ROWS if row["split"] == "Test"]
    with pytest.raises(DataError, match=r"no train examples of hau \(Hausa\)"):
        load_dataset(str(write(tmp_path, "csv", only_test)), None, None)


def test_class_numbers_of_a_saved_data_set_are_read_by_name_and_those_of_none_refused(tmp_path):
    features = datasets.Features(
        {key: datasets.Value("string") for key in ROWS[0]} | {"Sentiment": datasets.ClassLabel(names=["bad", "good"])}
    )
    rows = [{**row, "Sentiment": place % 2} for place, row in enumerate(ROWS)]
    for form, save in (("saved", "save_to_disk"), ("parquet", "to_parquet")):
        path = tmp_path / f"reviews.{form}"
        getattr(datasets.Dataset.from_list(rows, features=features), save)(path)
        assert load_dataset(str(path), None, None).split("hau", "train")[1].label == "good"
        none = tmp_path / f"none.{form}"
        getattr(datasets.Dataset.from_list([{**rows[0], "Sentiment": -1}], features=features), save)(none)
        with pytest.raises(DataError, match=r"row 1: the label is empty"):
            load_dataset(str(none), None, None)


def test_a_saved_data_set_that_is_not_whole_is_refused(tmp_path):
    path = write(tmp_path, "saved")
    (part,) = path.glob("*.arrow")
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(DataError, match=r"my reviews\.saved: not a valid saved data set: "):
        load_dataset(str(path), None, None)
    part.unlink()
    with pytest.raises(DataError, match=r"my reviews\.saved: not a valid saved data set: "):
        load_dataset(str(path), None, None)


def test_tagged_words_in_one_table(tmp_path):
    rows = [
        {"words": ["Aisha", "lives"], "tags": ["B-PER", "O"], "language": code, "split": split}
        for code in ("hau", "sw")
        for split in ("train", "test")
    ]
    path = write(tmp_path, "jsonl", rows)
    found = load_dataset(str(path), None, None)
    assert (found.task, found.languages) == ("token_classification", ("hau", "swa"))
    assert found.split("swa", "test")[0].tags == ("B-PER", "O") and files.task_in(path) == found.task


def test_the_command_line_names_columns_and_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"body": row["review"], "kind": row["Sentiment"], "tongue": row["lang"], "text": "x"} for row in ROWS]
    write(tmp_path, "csv", rows)
    words = ["encoder", "--data", "my reviews.csv", "--set", "pretraining.epochs=0", "--device", "cpu", "--groups", "1"]
    answer = CliRunner().invoke(cli, [*words, "--text-column", "body", "--label-column", "kind"])
    assert "no column for the language" in str(answer.exception) and "--language-column NAME" in str(answer.exception)
    columns = ["--text-column", "body", "--label-column", "Kind", "--language-column", "tongue"]
    answer = CliRunner().invoke(cli, [*words, *columns])
    assert answer.exit_code == 0 and answer.output.splitlines()[-1] == "runs/my-reviews"
    assert "my-reviews: 3 languages, 18/0/0 texts (train/dev/test): hau 6/0/0, pcm 6/0/0, swa 6/0/0" in answer.output
    refused = CliRunner().invoke(cli, ["encoder", "--data", "demo", "--text-column", "body"])
    assert "the data set demo has no settings, not text_column" in str(refused.exception)


def test_one_language_of_a_table_is_read_whole_for_a_bundle_with_other_columns(tmp_path):
    rows = [{"body": f"text {place}", "label": "good", "lang": "Hausa"} for place in range(30)]
    path = write(tmp_path, "csv", [*rows, {"body": "x", "label": "other", "lang": "sw"}])
    found = files.load_language(path, "hau", ("bad", "good"), files.TASK, Columns(text_column="body"))
    assert found.counts("train") == {"hau": 30} and found.counts("dev") == {"hau": 0}
    with pytest.raises(DataError, match=r":32: unknown label 'other'; allowed: bad, good"):
        files.load_language(path, "swa", ("bad", "good"), files.TASK, Columns(text_column="body"))
