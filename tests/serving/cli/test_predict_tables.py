"""``gradsim-serve predict`` on tables: CSV and TSV in, CSV or JSON lines out."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from gradsim_serving.cli import main

TEXTS = ["Wannan fim yana da kyau sosai", "Filamu hii, ni mbaya\nsana", 'Ya ce "a\'a"']


@pytest.fixture
def predict(tiny, tmp_path):
    """A function that answers a table, and returns the result and the rows of its output."""

    def run(content, *arguments, name="texts.csv", target="answers.csv"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        files = ["--input", str(tmp_path / name), "--output", str(tmp_path / target)]
        result = CliRunner().invoke(main, ["predict", str(tiny), "--threads", "1", *files, *arguments])
        written = (tmp_path / target).read_text(encoding="utf-8") if (tmp_path / target).exists() else ""
        if target.endswith(".csv"):
            return result, list(csv.DictReader(io.StringIO(written)))
        return result, [json.loads(line) for line in written.splitlines()]

    return run


def table(rows, header=("id", "text", "language")):
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def test_rows_are_kept_and_answered_as_json_lines_are(predict, tiny):
    rows = [("7", TEXTS[0], ""), ("8", TEXTS[1], "sw"), ("9", TEXTS[2], "ha")]
    result, found = predict(table(rows), "--batch", "2")
    assert (result.exit_code, result.output) == (0, "")
    assert [(row["id"], row["text"], row["language"]) for row in found] == rows
    lines = "".join(json.dumps({"text": text, "language": code or None}) + "\n" for _, text, code in rows)
    answered = CliRunner().invoke(main, ["predict", str(tiny), "--threads", "1"], input=lines)
    expected = [json.loads(line)["prediction"] for line in answered.stdout.splitlines()]
    for row, prediction in zip(found, expected, strict=True):
        assert row["prediction"] == prediction["label"]
        assert float(row["prediction_score"]) == pytest.approx(prediction["score"], abs=1e-5)
        assert row["prediction_language"] == prediction["route"]["language"]
        assert row["prediction_group"] == prediction["route"]["group"]
        assert (row["prediction_truncated"], row["error"]) == ("false", "")


def test_json_lines_come_out_of_a_table_and_a_table_out_of_json_lines(predict):
    result, found = predict(table([("7", TEXTS[0], "hau")]), target="answers.jsonl")
    assert result.exit_code == 0 and found[0]["id"] == "7" and found[0]["prediction"]["route"]["language"] == "hau"
    lines = json.dumps({"text": TEXTS[0], "of": {"a": [1]}}) + "\n" + json.dumps({"text": TEXTS[1]}) + "\n"
    result, rows = predict(lines, name="texts.jsonl")
    assert result.exit_code == 0 and [row["of"] for row in rows] == ['{"a": [1]}', ""]
    later = lines + json.dumps({"text": "a", "new": 1}) + "\n"
    result, rows = predict(later, "--batch", "2", name="texts.jsonl")
    assert result.exit_code == 1 and "the field 'new' is not in the first lines; write JSON lines" in result.output
    assert len(rows) == 2


@pytest.mark.parametrize("header", [("Review", "Lang"), ("body", "tongue")])
def test_columns_of_other_names(predict, header):
    named = ["--text-column", "body", "--language-column", "tongue"] if header[0] == "body" else []
    result, found = predict(table([(TEXTS[0], "ha")], header), *named)
    assert result.exit_code == 0 and found[0]["prediction_language"] == "hau" and found[0][header[0]] == TEXTS[0]


def test_a_field_of_json_lines_may_be_named_too(predict):
    line = json.dumps({"body": TEXTS[0], "tongue": "ha"})
    names = ["--text-column", "body", "--language-column", "tongue"]
    result, found = predict(line, *names, name="a.jsonl", target="b.jsonl")
    assert result.exit_code == 0 and found[0]["prediction"]["route"]["language"] == "hau"
    result, found = predict(line, name="a.jsonl", target="b.jsonl")
    assert found[0]["error"]["message"] == 'the field "text" is missing'


def test_a_pipe_says_its_form_and_marks_in_tsv_are_text(tiny):
    words = ["predict", str(tiny), "--threads", "1", "--input-format", "tsv", "--output-format", "csv"]
    result = CliRunner().invoke(main, words, input='\ufefftext\tid\n"Ina kwana\t1\n')
    assert result.exit_code == 0
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert (row["text"], row["id"]) == ('"Ina kwana', "1") and row["prediction"]


def test_bad_rows_become_errors_in_place(predict):
    content = table([("1", TEXTS[0], "hau"), ("2", " ", ""), ("3", TEXTS[0], "xyz")]) + "4\n5,a,,b\n\n6,Wannan fim,\n"
    result, found = predict(content)
    assert result.exit_code == 1 and "4 of 6 lines could not be answered" in result.output
    assert [bool(row["error"]) for row in found] == [False, True, True, True, True, False]
    assert found[3]["error"] == "1 fields; the header has 3" and not found[3]["prediction"]
    result, found = predict(content.encode() + b"7,Kai\xe9,\n")
    assert found[6]["error"] == "the row is not UTF-8" and result.exit_code == 1
    result, found = predict(content, target="answers.jsonl")
    assert [line["error"]["line"] for line in found if "error" in line] == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,body\n1,a\n", "Error: the header: no column for the text: found 'id', 'body'; name it text or tweet"),
        (
            "text,tweet\na,b\n",
            "Error: the header: each of 'text', 'tweet' may hold the text; say which it is: --text-co",
        ),
        ('text\na\n"b', "Error: line 3 of the input is not valid CSV: unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line(predict, content, message):
    result, _ = predict(content)
    assert result.exit_code == 1 and result.stderr.startswith(message) and result.stderr.count("\n") == 1


def test_no_rows_and_a_flag_that_does_not_go_with_a_table(predict):
    assert predict("")[0].exit_code == 0
    result, _ = predict("text\n", "--plain", "--input-format", "csv")
    assert result.exit_code == 2 and "--plain: the lines of a table are no plain texts" in result.stderr
