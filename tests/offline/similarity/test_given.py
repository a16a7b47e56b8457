"""A matrix of the user's own: every form it may come in, and one message for everything that is wrong with it."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.measures import given
from gradsim_offline.similarity.measures.given import Options
from gradsim_shared.errors import DataError, SettingsError

CODES = ("hau", "kin", "yor")
S = [[1.0, 0.2, -0.3], [0.4, 0.9, 0.5], [0.0, 2.5, 1.0]]


def measured(path, **options):
    data = Dataset("afrisenti", "text_classification", ("a", "b"), {code: {} for code in CODES}, {"kin": ("kr",)})
    return given.measure(SimpleNamespace(dataset=data, options=Options(path=str(path), **options)))


def written(tmp_path, text, name="s.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_and_columns_in_any_order_with_aliases_and_other_languages(tmp_path):
    found = measured(
        written(
            tmp_path,
            "\ufefflanguage,yo,xx-any,ha,kr\n"  # a byte-order mark; kr: the data set's own alias before ISO 639-1's kau
            "kr,0.5,not looked at,0.4,0.9\n\n"
            "swa,nan,,,\n"
            " ha , -0.3 ,1,1,2e-1\n"
            "yor,1,1,0,2.5\n",
        )
    )
    np.testing.assert_array_equal(found.matrix, S)
    assert found.measure == "given" and found.languages == CODES and found.split_half is None
    assert len(found.settings["sha256"]) == 64 and found.settings["path"] == "s.csv"  # without its folder


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_csv_and_tsv_are_read(tmp_path, delimiter):
    rows = [["", *CODES], *([code, *row] for code, row in zip(CODES, S, strict=True))]
    path = tmp_path / ("s.csv" if delimiter == "," else "s.TSV")
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    np.testing.assert_array_equal(measured(path).matrix, S)


def test_both_forms_of_json_and_a_builds_similarity_json_are_read(tmp_path):
    lists = {"languages": ["ha", "kr", "yor"], "similarity": S}
    nested = {a: {b: S[i][j] for j, b in enumerate(CODES)} | {"swa": None} for i, a in enumerate(CODES)}
    for name, content in (("lists.json", lists), ("nested.json", nested | {"swa": {}})):
        np.testing.assert_array_equal(measured(written(tmp_path, json.dumps(content), name)).matrix, S)
    Measured("gradient", CODES, np.array(S), None, (), {}, {}, 1.0).save(tmp_path / "similarity.json")
    np.testing.assert_array_equal(measured(tmp_path / "similarity.json").matrix, S)


def test_distances_become_similarities(tmp_path):
    path = written(tmp_path, json.dumps({"languages": CODES, "similarity": S}), "d.json")
    np.testing.assert_array_equal(measured(path, distances=True).matrix, 1 - np.array(S))


def test_the_fingerprint_is_of_the_content(tmp_path):
    first = given.fingerprint(Options(path=str(written(tmp_path, "a"))))
    assert first == given.fingerprint(Options(path=str(written(tmp_path, "a", "other.csv"))))
    assert first != given.fingerprint(Options(path=str(written(tmp_path, "b"))))


@for_all(
    matrix=arrays(np.float64, (5, 5), elements=st.floats(allow_nan=False, allow_infinity=False)),
    rows=st.permutations(range(5)),
    columns=st.permutations(range(5)),
)
@settings(max_examples=40)
def test_any_matrix_comes_back_whatever_the_order_in_the_file(matrix, rows, columns):
    names = [*CODES, "fra", "deu"]
    with tempfile.TemporaryDirectory() as folder:
        lines = [["", *(names[j] for j in columns)]]
        lines += [[names[i], *(repr(float(matrix[i, j])) for j in columns)] for i in rows]
        path = written(Path(folder), "\n".join(",".join(line) for line in lines))
        np.testing.assert_array_equal(measured(path).matrix, matrix[:3, :3])


TABLE = ",hau,kin,yor\nhau,1,2,3\nkin,4,5,6\nyor,7,8,9\n"
LISTS = '{"languages": ["hau", "kin", "yor"], "similarity": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLE.replace("6", "nan"), r"s\.csv:3, row kin, column yor: 'nan' is not a finite number"),
        (TABLE.replace("6", "-inf"), r"s\.csv:3, row kin, column yor: '-inf' is not a finite number"),
        (TABLE.replace("6", "six"), r"s\.csv:3, row kin, column yor: 'six' is not a number"),
        (TABLE.replace("5", " "), r"s\.csv:3, row kin, column kin: there is no value; .* the diagonal too"),
        (TABLE.replace("yor,7,8,9\n", ""), r"s\.csv: no row for yor; it needs .* hau, kin, yor"),
        (TABLE.replace(",yor\n", ",swa\n"), r"s\.csv:2: row hau has no column for yor"),
        (TABLE + "yo,7,8,9\n", r"s\.csv:5: a second row for yor; the first is .*s\.csv:4"),
        (",hau,kin,yor,kr\nhau,1,2,3,4\n", r"s\.csv:2: a second column for kin"),
        (TABLE.replace(",6", ""), r"s\.csv:3: 3 comma-separated fields; the header has 4"),
        (TABLE.replace(",", ";"), r"s\.csv:1: the header must name the columns' languages, comma-separated"),
        ('a,"b\n', r"s\.csv:\d: not valid CSV"),
        ("", r"s\.csv: no row for hau"),
    ],
)
def test_a_wrong_table_is_one_message_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        measured(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LISTS.replace("6", "NaN"), r"s\.json: similarity\[1\], row kin, column yor: nan is not a finite number"),
        (LISTS.replace("6", "1" + 400 * "0"), r"similarity\[1\], row kin, column yor: .* is not a number"),
        (LISTS.replace("6", "null"), r"similarity\[1\], row kin, column yor: None is not a number"),
        (LISTS.replace("6", "true"), r"similarity\[1\], row kin, column yor: True is not a number"),
        (LISTS.replace(", 6", ""), r'similarity\[1\]: 2 values; "languages" has 3'),
        (LISTS.replace(", [7, 8, 9]", ""), r'"similarity" is 2 rows; "languages" has 3'),
        (LISTS.replace('"kin"', "7"), r'"languages" must be the list'),
        (LISTS.replace('"kin"', '"hau"'), r"similarity\[0\]: a second column for hau"),
        ('{"similarity": 3}', r'"languages" must be the list'),
        ('{"languages": [], "similarity": 3}', r'"similarity" is no list'),
        ('{"hau": {"hau": 1, "kin": 1, "hau": 2}}', r"'hau' stands twice"),
        ('{"hau": {"hau": 1, "kin": 1}}', r"row hau has no column for yor|no row for kin"),
        ("[[1, 2], [3, 4]]", r's\.json: expected \{"languages"'),
        ("{", r"s\.json: not valid JSON"),
        ("[" * 100_000, r"s\.json: not valid JSON"),
    ],
)
def test_wrong_json_is_one_message_with_its_place(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        measured(written(tmp_path, text, "s.json"))


def test_other_file_types_and_encodings_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"read from \.csv, \.tsv or \.json"):
        measured(written(tmp_path, TABLE, "s.xlsx"))
    (tmp_path / "latin.csv").write_bytes(b",hau\nhau,\xe9\n")
    with pytest.raises(DataError, match=r"latin\.csv:2: the byte 0xe9 is not UTF-8"):
        measured(tmp_path / "latin.csv")


def test_the_path_must_be_given_and_be_a_file(tmp_path):
    with pytest.raises(SettingsError, match=r"name the file with the matrix: --set similarity\.path=FILE"):
        plugins.options("similarity", "given", {})
    for path in (tmp_path, tmp_path / "nothing.csv"):
        with pytest.raises(SettingsError, match="there is no such file"):
            plugins.options("similarity", "given", {"path": str(path)})
