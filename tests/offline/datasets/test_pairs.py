"""Pairs of texts: own files with two columns, and XNLI, PAWS-X and SICK, whose rows are parallel."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.columns import Columns
from gradsim_offline.datasets.parallel_pairs import linked
from gradsim_offline.datasets.sources import files, pawsx, sick, xnli
from gradsim_offline.pipeline.recipes import resolve
from gradsim_shared.columns import PAIR_COLUMNS
from gradsim_shared.errors import DataError
from gradsim_shared.segments import Pair

LABELS = ("yes", "no")


def table(first="text_a", second="text_b", rows=24, between="\t"):
    lines = [between.join((first, second, "label"))]
    return "\n".join([*lines, *(between.join((f"a {i}", f"b {i}", LABELS[i % 2])) for i in range(rows))]) + "\n"


@pytest.mark.parametrize("names", PAIR_COLUMNS)
def test_two_columns_of_usual_names_are_a_pair(root, put, names):
    put("hau/train.tsv", table(*names))
    put("swa/train.csv", table(*(name.title() for name in names), between=","))
    put("ibo/train.jsonl", '{"%s": "a", "%s": "b", "label": 1}\n{"%s": "a", "%s": "b", "label": 0}\n' % (names * 2))
    put("ibo/train.jsonl", "".join(f'{{"{names[0]}": "a {i}", "{names[1]}": "b", "label": "yes"}}\n' for i in range(3)))
    found = files.load(root)
    assert (found.task, found.labels) == ("pair_classification", ("no", "yes"))
    assert found.split("hau", "train")[0] == Example(Pair("a 0", "b 0"), "yes")
    assert found.split("ibo", "train")[1].text == ("a 1", "b")
    assert found.texts("ibo", "train")[:3] == ["a 0", "b", "a 1"]
    assert files.task_in(root) == "pair_classification"


def test_other_names_are_given(root, put):
    put("hau/train.tsv", table("one", "two"))
    columns = Columns(text_column="one", second_column="two")
    found = files.load(root, None, columns)
    assert found.task == "pair_classification" and found.split("hau", "train")[0].text == Pair("a 0", "b 0")
    assert files.task_in(root, {"text_column": "one", "second_column": "two"}) == "pair_classification"
    given = {"data": str(root), "model": "e5-small", "data_options.text_column": "one"}
    assert resolve(None, {**given, "data_options.second_column": "two"}).training.trained_blocks == 4
    assert resolve(None, given).training.trained_blocks == 0, "one column is a text: heads over a frozen encoder"


@pytest.mark.parametrize("split", [None, "train"])
@pytest.mark.parametrize("between", [",", "\t"])
def test_pairs_of_all_languages_in_one_table(root, put, between, split):
    rows = [between.join([code, f"{code} {i}", f"b {i}", LABELS[i % 2]]) for code in ("ha", "sw") for i in range(100)]
    name = f"{split or 'pairs'}.{'csv' if between == ',' else 'tsv'}"
    put(name, "\n".join([between.join(("language", "premise", "hypothesis", "label")), *rows]) + "\n")
    found = files.load(root if split else root / name)
    assert found.task == "pair_classification" and found.languages == ("hau", "swa")
    assert found.counts("train") == ({"hau": 90, "swa": 90} if split else {"hau": 72, "swa": 72})
    assert found.split("hau", "train")[0].text.first.startswith("ha ")


def test_a_text_column_beside_them_makes_them_no_pair(root, put):
    put("hau/train.tsv", "text\tsentence1\tsentence2\tlabel\nx\ta\tb\tyes\ny\ta\tb\tno\n")
    assert files.load(root).task == "text_classification"
    assert files.load(root, None, Columns(text_column="sentence1")).split("hau", "train")[0].text == "a"


def test_what_is_held_out_shares_no_first_text_with_train(root, put):
    rows = [f"premise {i // 3}\thypothesis {i}\t{LABELS[i % 2]}" for i in range(150)]
    put("hau/train.tsv", "\n".join(["premise\thypothesis\tlabel", *rows]) + "\n")
    put("swa/train.tsv", "\n".join(["premise\thypothesis\tlabel", *rows]) + "\n")
    found = files.load(root)
    train, dev = ([example.text for example in found.split("hau", split)] for split in ("train", "dev"))
    assert len(dev) == 15 and len(train) == 135
    assert {pair.first for pair in train}.isdisjoint(pair.first for pair in dev)
    assert found.split("swa", "dev") == found.split("hau", "dev"), "parallel rows: the same ones"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("text_a\ttext_b\tlabel\na\t\tyes\n", ":2: text_b is empty"),
        ("text_a\ttext_b\tlabel\n \tb\tyes\n", ":2: text_a is empty"),
        ("text_a\ttext_b\tlabel\na\tb\t\n", ":2: the label is empty"),
        ("text_a\ttext_b\tlabel\na\tyes\n", ":2: 2 tab-separated fields; the header has 3"),
        ("text_a\ttext_b\tlabel\na\tb\tyes\ntext_a\ttext_b\tlabel\n", ":3: the header again"),
        ("text_a\tother\tlabel\na\tb\tyes\n", "no column for the text: found 'text_a', 'other', 'label'"),
    ],
)
def test_bad_lines_are_named(root, put, refused, text, said):
    put("hau/train.tsv", text)
    refused(root, "hau/train.tsv", said)


def test_numbers_and_missing_fields_are_refused(root, put, refused):
    put("hau/train.jsonl", '{"premise": "a", "hypothesis": 5, "label": "yes"}\n')
    refused(root, "hau/train.jsonl:1: hypothesis is not a string")
    put("hau/train.jsonl", '{"premise": "a", "hypothesis": "b", "label": "yes"}\n{"premise": "a", "label": "yes"}\n')
    refused(root, "hau/train.jsonl:2: no column for the text")


def test_pairs_and_texts_in_one_directory_are_refused(root, put, refused):
    put("hau/train.tsv", table())
    put("swa/train.tsv", "text\tlabel\na\tyes\n")
    refused(root, "swa/train.tsv holds labelled texts and ", "hau/train.tsv labelled pairs of texts", "one task")


def test_rows_that_share_a_text_are_one_set():
    tables = [
        [Example(Pair(*pair), "x") for pair in (("a", "b"), ("c", "d"), ("b", "e"), ("f", "g"))],
        [Example(Pair(*pair), "x") for pair in (("A", "B"), ("C", "NS"), ("E", "NS"), ("C", "G"))],
    ]
    assert linked(tables, ("NS",)) == [0, 1, 0, 1]
    assert linked(tables[:1]) == [0, 1, 0, 2]


def xnli_rows(code, count):
    labels = ("entailment", "neutral", "contradiction")
    return [(f"{code} premise {i // 3}", f"{code} hypothesis {i}", labels[i % 3]) for i in range(count)]


def write(path, rows, header=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(row) for row in ([header] if header else []) + list(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_xnli_divides_dev_by_premise_alike_in_every_language(tmp_path):
    for code in ("en", "sw"):
        write(tmp_path / code / "dev.tsv", xnli_rows(code, 60))
        write(tmp_path / code / "test.tsv", xnli_rows(f"{code} test", 6))
    found = xnli.load(tmp_path)
    assert found.languages == ("eng", "swa") and found.aliases == {"eng": ("en",), "swa": ("sw",)}
    assert found.labels == xnli.LABELS and found.task == "pair_classification"
    assert found.counts("train") == {"eng": 54, "swa": 54} and found.counts("dev") == {"eng": 6, "swa": 6}
    assert [e.text.first for e in found.split("eng", "dev")] == ["en premise 9"] * 3 + ["en premise 19"] * 3
    assert [e.text.first for e in found.split("swa", "dev")] == ["sw premise 9"] * 3 + ["sw premise 19"] * 3
    assert found.split("swa", "test")[0] == Example(Pair("sw test premise 0", "sw test hypothesis 0"), "entailment")
    assert xnli.load(tmp_path, ["en"]).split("eng", "dev") == found.split("eng", "dev"), "whatever is read beside"
    assert "divided by row, the same rows in every language, into train (90 %), dev (10 %)" in found.notes[0]


def pawsx_rows(code, count):
    return [(f"{code} {i}", f"{code} {i} b", str(i % 2)) for i in range(count)]


def test_pawsx_names_its_labels_and_leaves_out_what_is_missing(tmp_path):
    rows = pawsx_rows("de", 20)
    rows[0] = ("NS", *rows[0][1:])
    write(tmp_path / "de" / "dev.tsv", rows)
    write(tmp_path / "fr" / "dev.tsv", pawsx_rows("fr", 20))
    tests = [(str(i), *row) for i, row in enumerate(pawsx_rows("de test", 4))]
    write(tmp_path / "de" / "test.tsv", tests, ("id", "sentence1", "sentence2", "label"))
    found = pawsx.load(tmp_path)
    assert found.labels == ("different", "paraphrase")
    assert [found.counts(split) for split in ("train", "dev", "test")] == [
        {"deu": 13, "fra": 14},
        {"deu": 2, "fra": 2},
        {"deu": 4, "fra": 4},
    ]
    assert found.split("fra", "train")[1] == Example(Pair("fr 1", "fr 1 b"), "paraphrase")
    assert found.split("deu", "test")[0].text.first == "de test 0", "its labelled test file is its test split"
    assert found.notes[-1] == "pawsx: 1 pairs of which a text is missing were left out"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a\tb", "dev.tsv:2: 2 fields between tabs; expected 3"),
        ("a\tb\t2", "dev.tsv:2: unknown label '2'; allowed: 0, 1"),
        ("a\t \t1", "dev.tsv:2: a text is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path, line, said):
    write(tmp_path / "de" / "dev.tsv", [*pawsx_rows("de", 1), line.split("\t")])
    with pytest.raises(DataError, match=said):
        pawsx.load(tmp_path)


def test_rows_that_are_not_parallel_are_refused(tmp_path):
    write(tmp_path / "de" / "dev.tsv", pawsx_rows("de", 20))
    write(tmp_path / "fr" / "dev.tsv", pawsx_rows("fr", 21))
    with pytest.raises(DataError, match="the rows of dev are parallel, but not as many in every language"):
        pawsx.load(tmp_path)
    with pytest.raises(DataError, match=r"holds no data; expected <lang>/dev\.tsv"):
        pawsx.load(tmp_path / "de")


def make_hub(root, columns):
    """Write parquet files per language and the README.md that names them, as on the Hub."""
    lines = ["---", "configs:"]
    for code in ("en", "sw"):
        lines += [f"- config_name: {code}", "  data_files:"]
        for split, count in (("validation", 30), ("test", 3)):
            rows = [(a, b, xnli.LABELS.index(label)) for a, b, label in xnli_rows(code, count)]
            (root / code).mkdir(parents=True, exist_ok=True)
            arrays = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
            pq.write_table(pa.table(arrays), root / code / f"{split}-00000-of-00001.parquet")
            lines += [f"  - split: {split}", f"    path: {code}/{split}-*"]
    (root / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


@pytest.mark.usefixtures("hub_cache")
def test_the_hub_is_read_where_there_are_no_files(tmp_path, monkeypatch):
    make_hub(tmp_path / "hub", xnli.DATA.columns)
    local = replace(xnli.DATA, hub=(str(tmp_path / "hub"), None))
    found = local.load(None, ["sw"])
    assert found.languages == ("swa",) and found.aliases == {"swa": ("sw",)}
    assert found.counts("train") == {"swa": 27} and found.counts("dev") == {"swa": 3}
    assert found.split("swa", "test")[0] == Example(Pair("sw premise 0", "sw hypothesis 0"), "entailment")
    for source in (xnli, pawsx):
        name, revision = source.DATA.hub
        assert len(revision) == 40 and int(revision, 16)
        with pytest.raises(DataError, match=f"{name}.*Hugging Face Hub.*--data-dir"):
            source.load(None, ["en"])
    with pytest.raises(DataError, match=r"sick: name a directory of .*--data-dir"):
        sick.load()


def test_sick_has_splits_of_its_own(tmp_path):
    for split in ("train", "dev", "test"):
        row = [("1", f"{split} one", f"{split} two", "neutral", "3.5")]
        write(tmp_path / "eng" / f"{split}.tsv", row, ("pair_id", "sentence1", "sentence2", "label", "relatedness"))
    found = sick.load(tmp_path)
    assert found.split("eng", "dev") == [Example(Pair("dev one", "dev two"), "neutral")]
    (tmp_path / "eng" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"eng/dev\.tsv is missing"):
        sick.load(tmp_path)


def test_the_counts_of_the_real_data(data_root):
    found = xnli.load(data_root / "xnli")
    assert found.languages == ("eng", "swa", "tur", "urd") and set(found.counts("test").values()) == {5010}
    assert set(found.counts("train").values()) == {2244} and set(found.counts("dev").values()) == {246}
    found = pawsx.load(data_root / "pawsx", ["en", "fr"])
    texts = {
        split: {text for code in found.languages for text in found.texts(code, split)} for split in ("train", "test")
    }
    assert texts["train"].isdisjoint(texts["test"]), "no sentence is trained on and judged on"
    assert sum(sick.load(data_root / "sick").counts("train").values()) == 17_817
