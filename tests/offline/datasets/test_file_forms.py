"""The forms of a user's files beside the plain ones: compressed, JSON, Parquet, other encodings, line ends, quotes."""

from __future__ import annotations

import csv
import gzip
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.sources import afrisenti, files

TEXTS = [{"text": "Ina son wannan", "label": "positive"}, {"text": "Ban ji daɗi ba", "label": "negative"}]
WORDS = [
    {"words": ["Aisha", "tana", "Kano"], "tags": ["B-PER", "O", "B-LOC"]},
    {"words": ["To"], "tags": ["O"]},
]
both_tasks = pytest.mark.parametrize("rows", [TEXTS, WORDS], ids=["texts", "words"])
PLAIN = {
    "tsv": "text\tlabel\nIna son wannan\tpositive\nBan ji daɗi ba\tnegative\n",
    "csv": 'text,label\n"Ina son wannan",positive\nBan ji daɗi ba,negative\n',
    "jsonl": "".join(json.dumps(row) + "\n" for row in TEXTS),
    "json": json.dumps(TEXTS, indent=1),
    "conll": "Aisha\tB-PER\ntana\tO\nKano\tB-LOC\n\nTo\tO\n",
    "conllu": "".join(
        "".join(f"{i}\t{word}\t_\t{row['tags'][i - 1]}" + "\t_" * 6 + "\n" for i, word in enumerate(row["words"], 1))
        + "\n"
        for row in WORDS
    ),
}
every_form = pytest.mark.parametrize("ending", PLAIN)


@pytest.fixture
def put(tmp_path):
    """A function that writes the train file of Hausa, and returns the data directory."""

    def write(name, content):
        (tmp_path / "hau").mkdir(exist_ok=True)
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "hau" / name).write_bytes(content)
        return tmp_path

    return write


def golds(root, split="train"):
    """Return what each example says, in plain objects."""
    return [
        {"text": one.text, "label": one.label}
        if isinstance(one, Example)
        else {"words": list(one.words), "tags": list(one.tags)}
        for one in files.load(root).split("hau", split)
    ]


def expected(ending):
    return WORDS if ending.startswith("conll") else TEXTS


@every_form
def test_compressed_files(put, ending):
    root = put(f"Train.{ending.upper()}.GZ", gzip.compress(PLAIN[ending].encode()))
    assert golds(root) == expected(ending)


def test_invalid_gzip_is_refused(put, refused):
    refused(put("train.tsv.gz", PLAIN["tsv"]), "hau/train.tsv.gz: not valid gzip: Not a gzipped file")
    refused(put("train.tsv.gz", gzip.compress(PLAIN["tsv"].encode())[:-9]), "hau/train.tsv.gz: not valid gzip: ")
    refused(put("train.tsv.gz", gzip.compress(b"text\tlabel\n\xe9\tx\n")), "hau/train.tsv.gz:2: the byte 0xe9")


@every_form
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_with_a_mark_and_named_without(put, ending, encoding, refused):
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    assert golds(put(f"train.{ending}", (mark + PLAIN[ending]).encode(encoding))) == expected(ending)
    if mark:
        refused(put(f"train.{ending}", PLAIN[ending].encode(encoding)), f"hau/train.{ending}:1: a NUL byte", "UTF-8")


def test_half_a_character_of_utf_16(put, refused):
    refused(put("train.tsv", PLAIN["tsv"].encode("utf-16")[:-1]), "hau/train.tsv: not valid UTF-16")


@every_form
def test_lines_that_end_in_carriage_returns_alone(put, ending):
    assert golds(put(f"train.{ending}", PLAIN[ending].replace("\n", "\r"))) == expected(ending)


def test_a_carriage_return_among_other_line_ends_is_text(put):
    root = put("train.tsv", "text\tlabel\na\rb\tx\nc\ty\n")
    assert golds(root)[0] == {"text": "a\rb", "label": "x"}


@both_tasks
@pytest.mark.parametrize(
    "lay_out",
    [
        json.dumps,
        lambda rows: json.dumps(rows, indent=2) + "\n",
        lambda rows: json.dumps({key: [row[key] for row in rows] for key in rows[0]}),
        lambda rows: json.dumps({key: {str(i): row[key] for i, row in enumerate(rows)} for key in rows[0]}),
        lambda rows: "\n".join(map(json.dumps, rows)),
    ],
    ids=["list", "indented", "columns", "pandas", "lines"],
)
def test_json_forms_are_read(put, rows, lay_out):
    assert golds(put("train.json", lay_out(rows))) == rows


@both_tasks
def test_parquet_is_read(put, rows):
    import pyarrow
    import pyarrow.parquet

    root = put("train.parquet", b"")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), root / "hau" / "train.parquet")
    assert golds(root) == rows


def test_invalid_parquet_is_refused(put, monkeypatch, refused):
    import pyarrow
    import pyarrow.parquet

    root = put("train.parquet", b"PAR1 and nothing else")
    refused(root, "hau/train.parquet: not valid Parquet: ")
    file = root / "hau" / "train.parquet"
    column = pyarrow.array(["a", "b"])
    pyarrow.parquet.write_table(pyarrow.table([column] * 3, names=["text", "label", "label"]), file)
    refused(root, "hau/train.parquet: two columns are named 'label'; keep one of them")
    pyarrow.parquet.write_table(pyarrow.table([column, pyarrow.array([0.5, 1])], names=["text", "label"]), file)
    refused(root, "hau/train.parquet, row 1: the label is not a string")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(root, "hau/train.parquet: Parquet is read with pyarrow; run: pip install pyarrow")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a", "label": "x"},\n\n 7]', "train.json:3: each entry is a JSON object such as"),
        ('[{"text": "a", "label": "x"},\n {"text": "", "label": "y"}]', "train.json:2: the text is empty"),
        (
            '[{"text": "a", "label": "x"}\n {"text": "b", "label": "y"}]',
            "train.json:1: not valid JSON: expected , or ]",
        ),
        ('[{"text": "a", "label": "x"},\n]', "train.json:2: not valid JSON: "),
        ('[{"text": "a", "label": "x"}', "train.json:1: not valid JSON: expected , or ]"),
        ('[{"text": "a", "label": "x"}] 7', "train.json: not valid JSON: there is more after the list"),
        ('{"text": "a", "label": "x"}', "train.json: expected a list of objects, or an object of columns"),
        ('{"data": [1], "version": "2"}', "train.json: expected a list of objects, or an object of columns"),
        (
            '{"text": ["a", "b"], "label": ["x"]}',
            "train.json: columns of one length are expected; found 2 in 'text', 1",
        ),
        ('{"text": ["a", " "], "label": ["x", "y"]}', "train.json, row 2: the text is empty"),
        ('{"words": [["a", "b"]], "tags": [["O"]]}', "train.json, row 1: 2 words and 1 tags"),
        ('{"words": [["a"], ["b"]], "tags": [["O"], ["B-X"]], "tags": []}', "train.json: the key 'tags' stands twice"),
        ("7", "train.json: expected a list of objects, or an object of columns"),
        ("nonsense", "train.json: not valid JSON: "),
        ("[" * 100_000, "train.json:1: not valid JSON: "),
        ("", "the train splits hold 0 label"),
        ("[]", "the train splits hold 0 label"),
    ],
)
def test_invalid_json_is_refused(put, content, message, refused):
    refused(put("train.json", content), message)


@pytest.mark.parametrize(
    ("ending", "content", "message"),
    [
        ("csv", "text,label,label\na,x,y\n", "train.csv:1: two columns are named 'label'; keep one of them"),
        ("tsv", "text\tlabel\ttext\na\tx\tb\n", "train.tsv:1: two columns are named 'text'"),
        ("csv", "text,id,label,id\na,1,x,2\n", "train.csv:1: two columns are named 'id'"),
        ("jsonl", '{"text": "a", "label": "x", "label": "y"}\n', "train.jsonl:1: the key 'label' stands twice"),
        (
            "jsonl",
            '{"text":"a","label":"x"}\n{"text":"a","text":"b","label":"y"}',
            "train.jsonl:2: the key 'text' stands twice",
        ),
        ("jsonl", '{"words": ["a"], "tags": ["O"], "tags": ["B-X"]}\n', "train.jsonl:1: the key 'tags' stands twice"),
        ("json", '[{"text": "a", "label": "x", "label": "y"}]', "train.json:1: the key 'label' stands twice"),
    ],
)
def test_two_columns_or_keys_of_one_name(put, ending, content, message, refused):
    refused(put(f"train.{ending}", content), message)


def test_columns_without_a_name_may_be_several(put):
    assert golds(put("train.csv", "text,label,,\na,x,,\nb,y,,\n"))[0] == {"text": "a", "label": "x"}


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u200b\u200b", "\ufeff \u2060"])
def test_a_label_or_a_tag_of_blanks(put, blank, refused):
    rows = [*TEXTS, {"text": "Kai", "label": blank}]
    table = "text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in rows)
    for ending, content in [
        ("tsv", table),
        ("csv", table.replace("\t", ",")),
        ("json", json.dumps({key: [row[key] for row in rows] for key in rows[0]})),
    ]:
        root = put(f"train.{ending}", content)
        refused(root, f"train.{ending}{', row 3' if ending == 'json' else ':4'}: the label is empty")
        (root / "hau" / f"train.{ending}").unlink()
    words = [*WORDS, {"words": ["Kai"], "tags": [blank]}]
    root = put("train.jsonl", "".join(json.dumps(row) + "\n" for row in words))
    refused(root, "train.jsonl:3: a tag is empty")
    (root / "hau" / "train.jsonl").unlink()
    refused(put("train.conll", PLAIN["conll"] + f"Kai\t{blank}\n"), "train.conll:6: the tag is empty")


def test_cells_of_any_length_and_the_limit_of_the_process_is_as_before(put, refused):
    before = csv.field_size_limit()
    text = "kalma " * 27_000
    assert golds(put("train.csv", f"text,label\n{text},x\nb,y\n"))[0]["text"] == text
    refused(put("train.csv", f'text,label\n{text},x\n"b,y\n'), "train.csv:3: not valid CSV")
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("ending", "content", "start"),
    [
        ("tsv", "x" * 50_000 + "\n", "train.tsv:1: no column for the text: found 'xxx"),
        ("csv", ",".join(f"column {i}" for i in range(9000)) + "\n", "train.csv:1: no column for the text: found 'col"),
        ("jsonl", json.dumps(dict.fromkeys(map(str, range(9000)), 0)), "train.jsonl:1: no column for the text"),
        ("jsonl", '{"words": ["a"], "' + "x" * 9000 + '": 2}', "train.jsonl:1: no field tags"),
        ("conllu", "x" * 9000 + "\t_" * 9, "train.conllu:1: 'xxx"),
        ("conllu", "1" * 9000 + "\t_" * 9, "train.conllu:1: '111"),
    ],
)
def test_errors_do_not_grow_with_the_file(put, ending, content, start, refused):
    refused(put(f"train.{ending}", content), start)


def test_an_unknown_label_among_thousands(put, refused):
    many = "".join(f"text {i}\tlabel {i}\n" for i in range(3000))
    put("train.tsv", "text\tlabel\n" + many)
    root = put("dev.tsv", "text\tlabel\na\t" + "label 0" * 700 + "\n")
    refused(root, "dev.tsv:2: unknown label 'label 0label", "allowed: label 0, label 1, ", " more")


QUOTED = 'text\tlabel\n"She said ""great"" twice"\tpositive\nbad\tnegative\n'


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (QUOTED, ['She said "great" twice', "bad"]),
        (QUOTED.replace("\n", "\r\n"), ['She said "great" twice', "bad"]),
        ('"text"\t"label"\n"good"\t"positive"\n"bad"\t"negative"\n', ["good", "bad"]),
        ('text\tlabel\n"two\nlines"\tpositive\n"a\ttab"\tnegative', ["two\nlines", "a\ttab"]),
    ],
)
def test_tables_that_are_quoted_throughout(put, content, texts):
    root = put("train.tsv", content)
    assert [row["text"] for row in golds(root)] == texts
    (note,) = files.load(root).notes
    assert note.startswith("files: quotation marks around fields") and note.endswith(": hau/train.tsv")
    read = files.load_language(root, "hau", ("negative", "positive"), files.TASK)
    assert [example.text for example in read.split("hau", "train")] == texts and read.notes == (note,)


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"good"\tpositive\n"bad"\tnegative\n',  # no mark is doubled
        QUOTED + 'ya ce "a\'a"\tnegative\n',  # one text has marks of its own
        QUOTED + '"\tnegative\n',
        'text\tlabel\n"good\tpositive\nbad"\tnegative\n',  # would be one text over two lines
        'text\tlabel\n""good""\tpositive\nbad\tnegative\n',
    ],
)
def test_quotation_marks_that_are_text(put, content):
    root = put("train.tsv", content)
    texts = [line.split("\t")[0] for line in content.splitlines()[1:]]
    assert [row["text"] for row in golds(root)] == texts and files.load(root).notes == ()


def test_afrisenti_is_read_literally(put):
    for split in ("train", "dev", "test"):
        root = put(f"{split}.tsv", QUOTED)
    assert afrisenti.load(root, ["hau"]).split("hau", "train")[0].text == '"She said ""great"" twice"'


def test_words_that_an_export_quoted(put):
    root = put("train.conll", 'Aisha\tB-PER\n""""\tO\n"a""b"\tO\n\nKano\tB-LOC\n')
    assert golds(root)[0]["words"] == ["Aisha", '"', 'a"b']
    assert files.load(root).notes == (
        "files: 2 words were read without the quotation marks that an export put around them (hau train 2)",
    )
    root = put("train.conll", 'Aisha\tB-PER\n""""\tO\n"\tO\n\nKano\tB-LOC\n')
    assert golds(root)[0]["words"] == ["Aisha", '""""', '"']


@given(st.lists(st.text(alphabet='ab", \n'), min_size=2, max_size=6))
@settings(deadline=None)
def test_quoted_tables_survive_a_round_trip(tmp_path_factory, texts):
    root = tmp_path_factory.mktemp("quoted")
    (root / "hau").mkdir()
    rows = [(f"x{text}", f"label {i % 2}") for i, text in enumerate(texts)]
    with (root / "hau" / "train.tsv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows([("text", "label"), *rows])
    assert golds(root) == [{"text": text, "label": label} for text, label in rows]
