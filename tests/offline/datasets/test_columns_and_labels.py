"""Labelled texts as spreadsheets hold them: columns of other names, labels with spaces, a header that stands twice."""

from __future__ import annotations

import json

import pytest

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.datasets.sources import files
from gradsim_shared.errors import DataError, SettingsError

ROWS = [("good", "positive"), ("bad", "negative")]
READ = [Example(*row) for row in ROWS]


@pytest.fixture(params=["tsv", "csv", "jsonl"])
def put(request, tmp_path):
    """A function that writes rows as English train split, in each of the forms in turn, and returns the directory."""

    def write(rows, columns=("text", "label")):
        separator = "\t" if request.param == "tsv" else ","
        lines = [separator.join(row) for row in [columns, *rows]]
        if request.param == "jsonl":
            lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
        (tmp_path / "eng").mkdir(exist_ok=True)
        (tmp_path / "eng" / f"train.{request.param}").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("label", ["positive ", "\u00a0positive", " positive\u2003"])
def test_white_space_around_a_label_is_no_part_of_it(put, label):
    found = files.load(put([("good", label), *ROWS]))
    assert found.labels == ("negative", "positive")
    assert found.split("eng", "train") == [Example("good", "positive"), *READ]


def test_a_label_of_nothing_but_white_space_is_empty(put):
    with pytest.raises(DataError, match=r"train\.\w+:\d: the label is empty$"):
        files.load(put([("good", "\u00a0 "), *ROWS]))


def test_a_header_that_stands_twice_is_refused_with_its_line(put):
    directory = put([*ROWS, ("Text", "Label")], ("Text", "Label"))
    line = 3 if (directory / "eng" / "train.jsonl").exists() else 4
    with pytest.raises(DataError, match=rf"train\.\w+:{line}: the header again; remove this line$"):
        files.load(directory)


@pytest.mark.parametrize(
    "columns",
    [("Text", "LABEL"), ("tweet", " Label "), ("Review", "Sentiment"), ("content", "class"), ("headline", "TOPIC")],
)
def test_capitals_and_spaces_in_the_header_make_no_difference(put, columns):
    assert files.load(put(ROWS, columns)).split("eng", "train") == READ


def test_columns_of_other_names_are_read_where_they_are_named(put):
    directory = put([("x", text, label) for text, label in ROWS], ("text", "body", "Kind"))
    options = {"text_column": "Body", "label_column": "Kind"}
    assert load_dataset("files", directory, None, options).split("eng", "train") == READ


@pytest.mark.parametrize(("columns", "setting"), [(("body", "label"), "text"), (("text", "kind"), "label")])
def test_a_column_that_is_missing_names_those_there_and_the_setting(put, columns, setting):
    with pytest.raises(DataError) as caught:
        files.load(put(ROWS, columns))
    assert f"found '{columns[0]}', '{columns[1]}'" in str(caught.value)
    assert str(caught.value).endswith(f"say which it is: --{setting}-column NAME")


def test_columns_that_differ_in_spelling_only_are_not_chosen_from(put):
    rows = [("a", "b", "x")]
    for columns in (("Text", "TEXT", "label"), ("text", "Text", "label"), ("text", "tweet", "label")):
        with pytest.raises(
            DataError,
            match=rf"each of '{columns[0]}', '{columns[1]}' may hold the text; say which it is: --text-column",
        ):
            files.load(put(rows, columns))
    for columns in (("text", "label", "Label"), ("text", "topic", "sentiment")):
        with pytest.raises(DataError, match=rf"each of '{columns[1]}', '{columns[2]}' may .*: --label-column NAME"):
            files.load(put(rows, columns))


def test_of_columns_alike_the_one_that_is_named_is_read(put):
    directory = put([(text, "x", label) for text, label in ROWS], ("Text", "text", "label"))
    assert load_dataset("files", directory, None, {"text_column": "Text"}).split("eng", "train") == READ


def test_settings_that_the_data_set_has_not(put):
    with pytest.raises(SettingsError, match="the data set demo has no settings, not text_column"):
        load_dataset("demo", None, None, {"text_column": "x"})
    with pytest.raises(SettingsError, match=r"data_options\.tag_column: the files are for text_classification"):
        load_dataset("files", put(ROWS), None, {"tag_column": 2})
