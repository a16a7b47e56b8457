"""The user's own files: all three forms are read alike, what is wrong is named by file, line and what is allowed."""

from __future__ import annotations

import json
import re

import pytest

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.sources import files
from gradsim_offline.datasets.tables import read_table
from gradsim_shared.errors import DataError

TRAIN = [("Ina son wannan", "positive"), ("Ban ji daɗi ba", "negative"), ("Yau Litinin ne", "neutral")]
DEV = [("To", "neutral")]
ENDINGS = ("tsv", "csv", "jsonl")
every_form = pytest.mark.parametrize("ending", ENDINGS)
tables = pytest.mark.parametrize("ending", ["tsv", "csv"])


def content(rows, ending, columns=("text", "label"), newline="\n"):
    """Lay rows of strings out in one of the three forms."""
    if ending == "jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows]
    elif ending == "csv":
        lines = [",".join(f'"{field}"'.replace("\n", " ") for field in row) for row in [columns, *rows]]
    else:
        lines = ["\t".join(row) for row in [columns, *rows]]
    return newline.join(lines) + newline


def line_of(index, ending):
    """Return the line of a row: tables have a header."""
    return index + (1 if ending == "jsonl" else 2)


@every_form
@pytest.mark.parametrize("column", ["text", "Tweet", "sentence", "REVIEW", "content", "headline"])
def test_valid_files_of_every_form_are_read(root, put, ending, column):
    put(f"hau/train.{ending}", content(TRAIN, ending, (column, "label")))
    put(f"hau/dev.{ending}", content(DEV, ending, (column, "label")))
    put(f"yo/train.{ending}", content(TRAIN[:2], ending, (column, "label")))
    found = files.load(root)
    assert found.languages == ("hau", "yor") and found.labels == ("negative", "neutral", "positive")
    assert found.split("hau", "train") == [Example(*row) for row in TRAIN]
    assert found.split("hau", "dev") == [Example(*row) for row in DEV]
    assert list(found.split("yor", "test")) == []
    assert found.aliases == {"yor": ("yo",)}


def test_the_three_forms_may_stand_side_by_side(root, put):
    for code, ending in zip(("hau", "ibo", "yor"), ENDINGS, strict=True):
        put(f"{code}/train.{ending}", content(TRAIN, ending))
    found = files.load(root)
    assert found.split("hau", "train") == found.split("ibo", "train") == found.split("yor", "train")
    assert files.load(root, ["yo", "ha"]).languages == ("hau", "yor")


@every_form
def test_other_columns_and_another_order_do_no_harm(root, put, ending):
    put(f"hau/train.{ending}", content([("7", label, text) for text, label in TRAIN], ending, ("id", "label", "text")))
    assert files.load(root).split("hau", "train") == [Example(*row) for row in TRAIN]


@every_form
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
def test_line_ends_and_byte_order_marks(root, put, ending, newline, mark):
    put(f"hau/train.{ending}", mark + content(TRAIN, ending, newline=newline).encode())
    assert files.load(root).split("hau", "train") == [Example(*row) for row in TRAIN]


@every_form
def test_no_newline_at_the_end(root, put, ending):
    put(f"hau/train.{ending}", content(TRAIN, ending).rstrip("\n"))
    assert files.load(root).split("hau", "train") == [Example(*row) for row in TRAIN]


def test_quotation_marks_and_spaces_in_tsv_are_text(root, put):
    texts = ['"Ina kwana"', "ya ce \"a'a", '"', "  bakwai ", "a, b", "\\n"]
    put("hau/train.tsv", content([(text, f"l{i % 2}") for i, text in enumerate(texts)], "tsv"))
    assert [example.text for example in files.load(root).split("hau", "train")] == texts


def test_quotation_marks_in_csv_are_csvs(root, put):
    put("hau/train.csv", 'text,label\n"a, ""b""",x\n"two\nlines",y\n')
    assert [example.text for example in files.load(root).split("hau", "train")] == ['a, "b"', "two\nlines"]


@every_form
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_label_that_no_train_split_has(root, put, ending, split, refused):
    put(f"hau/train.{ending}", content(TRAIN, ending))
    put(f"hau/{split}.{ending}", content([*DEV, ("Kai", "Positive")], ending))
    where = f"hau/{split}.{ending}:{line_of(1, ending)}: "
    refused(root, where, "unknown label 'Positive'", "positive?", "allowed: negative, neutral, positive")


@every_form
@pytest.mark.parametrize("columns", [("words", "label"), ("text", "kind")])
def test_a_missing_column(root, put, ending, columns, refused):
    put(f"hau/train.{ending}", content(TRAIN, ending, columns))
    missing = "no column for the text" if "label" in columns else "no column for the label"
    known = "text or tweet or sentence or review" if "label" in columns else "found 'text', 'kind'"
    refused(root, f"hau/train.{ending}:1: {missing}", known)


@every_form
@pytest.mark.parametrize("text", ["", "  ", "\u00a0"])
def test_an_empty_text(root, put, ending, text, refused):
    put(f"hau/train.{ending}", content([*TRAIN, (text, "neutral")], ending))
    refused(root, f"hau/train.{ending}:{line_of(3, ending)}: the text is empty")


@every_form
def test_an_empty_label(root, put, ending, refused):
    put(f"hau/train.{ending}", content([TRAIN[0], ("Kai", "")], ending))
    refused(root, f"hau/train.{ending}:{line_of(1, ending)}: the label is empty")


@every_form
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
@pytest.mark.parametrize("row", [0, 2])
def test_another_encoding(root, put, ending, mark, row, refused):
    rows = [*TRAIN]
    rows[row] = ("café", "neutral")
    put(f"hau/train.{ending}", mark + content(rows, ending).encode().replace("é".encode(), b"\xe9"))
    where = f"hau/train.{ending}:{line_of(row, ending)}: "
    refused(root, where, "the byte 0xe9 is not UTF-8", "save the file as UTF-8")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
def test_another_encoding_right_after_a_line_end(root, put, mark, refused):
    put("hau/train.tsv", mark + b"text\tlabel\na\tx\n\xe9\tx\n")
    refused(root, "hau/train.tsv:3: the byte 0xe9")


@every_form
def test_a_language_without_a_train_split(root, put, ending, refused):
    put(f"hau/train.{ending}", content(TRAIN, ending))
    put(f"yor/dev.{ending}", content(DEV, ending))
    refused(root, "mine/yor: no train split", "expected train.tsv, train.csv or train.jsonl")


@pytest.mark.parametrize(
    ("code", "nearest"), [("haussa", "hau (Hausa)"), ("yorr", "yor (Yoruba)"), ("zz9", "ISO 639-3")]
)
def test_an_unknown_language_code_names_the_nearest_and_the_directory(root, put, code, nearest, refused):
    put("ibo/train.tsv", content(TRAIN, "tsv"))
    put(f"{code}/train.tsv", content(TRAIN, "tsv"))
    refused(root, f"unknown language code {code!r}", nearest, f"mine/{code}")


def test_a_directory_of_no_language_names_the_languages_option(root, put, refused):
    put("hau/train.tsv", content(TRAIN, "tsv"))
    put("yor/train.tsv", "nonsense")
    put("old files/train.tsv", content(TRAIN, "tsv"))
    refused(root, "mine/old files: ", "Rename the folder, or read only those that you name: --languages CODES")
    assert files.load(root, ["ha"]).languages == ("hau",)
    refused(root, "unknown language 'ibo'", "Known: hau, yor.", languages=["ibo"])


def test_a_named_language_whose_directory_holds_nothing(root, put, refused):
    put("hau/train.tsv", content(TRAIN, "tsv"))
    put("yor/readme.txt", "nothing")
    refused(root, "mine/yor: no train split, nor any other; expected train.tsv", "found readme.txt", "--languages")
    refused(root, "mine/yor: no train split", languages=["yor"])
    assert files.load(root, ["hau"]).languages == ("hau",)


@every_form
def test_capitals_in_the_names_of_files(root, put, ending):
    put(f"hau/Train.{ending.upper()}", content(TRAIN, ending))
    put(f"hau/dev.{ending.upper()}", content(DEV, ending))
    found = files.load(root)
    assert found.split("hau", "train") == [Example(*row) for row in TRAIN]
    assert found.split("hau", "dev") == [Example(*row) for row in DEV]


def test_two_directories_of_one_language(root, put, refused):
    put("ha/train.tsv", content(TRAIN, "tsv"))
    put("hau/train.tsv", content(DEV, "tsv"))
    refused(root, "mine/ha", "mine/hau", "same language")


def test_a_language_that_is_not_there(root, put, refused):
    put("hau/train.tsv", content(TRAIN, "tsv"))
    refused(root, "unknown language 'yor'", "Known: hau", languages=["hau", "yo"])


@pytest.mark.parametrize("pair", [("tsv", "csv"), ("csv", "jsonl"), ("tsv", "jsonl")])
def test_two_files_for_one_split(root, put, pair, refused):
    for ending in pair:
        put(f"hau/train.{ending}", content(TRAIN, ending))
    refused(root, f"mine/hau: train.{pair[0]} and train.{pair[1]}: keep one of them")


@pytest.mark.parametrize("line", ["{text: 1}", '{"text": "a", "label": "b"', "nonsense", '{"text": "a"} {}'])
def test_a_line_that_is_not_json(root, put, line, refused):
    put("hau/train.jsonl", content(TRAIN, "jsonl") + line + "\n")
    refused(root, "hau/train.jsonl:4: not valid JSON")


def test_a_json_line_that_is_no_object(root, put, refused):
    put("hau/train.jsonl", content(TRAIN, "jsonl") + "\n[1, 2]\n")
    refused(root, "hau/train.jsonl:5: each line is a JSON object")


@pytest.mark.parametrize(
    ("field", "value"), [("text", 7), ("text", None), ("label", 1.5), ("label", True), ("label", ["positive"])]
)
def test_json_values_that_are_no_strings(root, put, field, value, refused):
    row = {"text": "a", "label": "positive", field: value}
    put("hau/train.jsonl", content(TRAIN, "jsonl") + json.dumps(row) + "\n")
    refused(root, f"hau/train.jsonl:4: the {field} is not a string")


@pytest.mark.parametrize("field", ["text", "label"])
def test_half_a_character_in_json(root, put, field, refused):
    row = {"text": "a", "label": "positive", field: "a\ud83d"}
    put("hau/train.jsonl", content(TRAIN, "jsonl") + json.dumps(row) + "\n")
    refused(root, f"hau/train.jsonl:4: the {field} holds a lone surrogate")


@tables
@pytest.mark.parametrize(("extra", "found"), [("Kai", 1), ("a{0}b{0}c", 3)])
def test_another_number_of_fields(root, put, ending, extra, found, refused):
    separator = {"tsv": "\t", "csv": ","}[ending]
    put(f"hau/train.{ending}", content(TRAIN, ending) + extra.format(separator) + "\n")
    refused(root, f"hau/train.{ending}:5: {found} ", "separated fields; the header has 2")


@every_form
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_empty_lines_are_skipped_and_counted(root, put, ending, newline, refused):
    first, *rest = content(TRAIN, ending, newline=newline).splitlines(keepends=True)
    spread = first + newline + newline.join(rest) + 2 * newline
    put(f"hau/train.{ending}", spread)
    assert files.load(root).split("hau", "train") == [Example(*row) for row in TRAIN]
    bad = content([("", "neutral")], ending, newline=newline).splitlines(keepends=True)[-1]
    put(f"hau/train.{ending}", spread + bad)
    refused(root, f"hau/train.{ending}:{(spread + bad).count(newline)}: the text is empty")


@tables
def test_a_line_of_spaces_is_not_empty(root, put, ending, refused):
    put(f"hau/train.{ending}", content(TRAIN, ending) + "  \n")
    refused(root, f"hau/train.{ending}:5: 1 ", "separated fields; the header has 2")


def test_csv_that_ends_inside_quotation_marks(root, put, refused):
    put("hau/train.csv", 'text,label\na,b\n"c,d\n')
    refused(root, "hau/train.csv:3: not valid CSV")


@tables
def test_a_header_only(root, put, ending, refused):
    put(f"hau/train.{ending}", content([], ending))
    put(f"ibo/train.{ending}", content(TRAIN, ending))
    refused(root, f"hau/train.{ending}: no examples")


@every_form
def test_an_empty_file_is_refused(root, put, ending, refused):
    put(f"hau/train.{ending}", "")
    put(f"ibo/train.{ending}", content(TRAIN, ending))
    refused(root, f"hau/train.{ending}")


def test_a_single_label_is_refused(root, put, refused):
    put("hau/train.tsv", content(TRAIN[:1], "tsv"))
    refused(root, "mine: the train splits hold 1 label")


def test_empty_directories_are_refused(root, put, tmp_path, refused):
    refused(None, "needs --data-dir")
    refused(tmp_path / "nowhere", "nowhere: there is no such file or directory")
    refused(put("a file", ""), "mine/a file: a table for all languages is one of .tsv, .csv, ")
    (root / "a file").unlink()
    put("notes/readme.txt", "nothing")
    refused(root, "mine holds no data")


def test_a_bad_file_is_named_by_its_whole_path(put):
    path = put("hau/train.tsv", "text\tlabel\n\tx\n")
    with pytest.raises(DataError, match=re.escape(f"{path}:2: ")):
        read_table(path, None)
