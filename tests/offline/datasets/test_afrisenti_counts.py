"""AfriSenti as its authors' files hold it: every count, every text, its own language codes, where it is found."""

from __future__ import annotations

import shutil

import pytest

from gradsim_offline.core.dataset import SPLITS
from gradsim_offline.datasets.sources import afrisenti
from gradsim_shared.errors import DataError

COUNTS = {  # train, dev, test: ../shared/data/README.md
    "amh": (5984, 1497, 1999),
    "arq": (1651, 414, 958),
    "ary": (5583, 494, 2961),
    "hau": (14172, 2677, 5303),
    "ibo": (10192, 1841, 3682),
    "kin": (3302, 827, 1026),
    "pcm": (5121, 1281, 4154),
    "por": (3063, 767, 3662),
    "swa": (1810, 453, 748),
    "tso": (804, 203, 254),
    "twi": (3481, 388, 949),
    "yor": (8522, 2090, 4515),
}
TRAIN_LABELS = {  # negative, neutral, positive
    "amh": (1548, 3104, 1332),
    "pcm": (3241, 72, 1808),
    "swa": (191, 1072, 547),
    "yor": (1872, 3108, 3542),
}


@pytest.fixture(scope="module")
def whole(data_root):
    return afrisenti.load(data_root / "afrisenti")


@pytest.mark.parametrize("code", COUNTS)
def test_counts(whole, code):
    assert tuple(len(whole.split(code, split)) for split in SPLITS) == COUNTS[code]


def test_totals(whole):
    assert whole.languages == tuple(COUNTS)
    assert tuple(sum(whole.counts(split).values()) for split in SPLITS) == (63_685, 12_932, 30_211)


@pytest.mark.parametrize("code", TRAIN_LABELS)
def test_labels(whole, code):
    labels = [example.label for example in whole.split(code, "train")]
    assert tuple(map(labels.count, afrisenti.LABELS)) == TRAIN_LABELS[code]


@pytest.mark.parametrize("code", COUNTS)
def test_every_text_is_what_stands_in_the_file(whole, data_root, code):
    for split in SPLITS:
        raw = (data_root / "afrisenti" / code / f"{split}.tsv").read_bytes().decode().split("\n")
        assert raw[-1] == "" and raw[0] == "tweet\tlabel"
        assert [f"{example.text}\t{example.label}" for example in whole.split(code, split)] == raw[1:-1]


@pytest.mark.parametrize(("code", "minimum"), [("por", 107), ("kin", 42), ("tso", 31), ("ary", 19), ("arq", 11)])
def test_quotation_marks_are_kept(whole, code, minimum):
    quoted = [e.text for split in SPLITS for e in whole.split(code, split) if '"' in e.text]
    assert len(quoted) >= minimum


def test_spaces_at_the_ends_are_kept(whole):
    assert sum(e.text != e.text.strip(" ") for split in SPLITS for e in whole.split("swa", split)) == 368


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dz", "arq"),
        ("kr", "kin"),
        ("ma", "ary"),
        ("am", "amh"),
        ("HA", "hau"),
        ("pt", "por"),
        ("pcm", "pcm"),
        ("rw", "kin"),
    ],
)
def test_the_data_sets_own_codes(data_root, written, meant):
    found = afrisenti.load(data_root / "afrisenti", [written, "tso"])
    assert found.languages == tuple(sorted([meant, "tso"]))
    assert set(found.aliases) <= set(found.languages)


def test_a_language_named_twice_is_read_once(data_root):
    assert afrisenti.load(data_root / "afrisenti", ["sw", "swa", "swa"]).languages == ("swa",)


def test_an_unknown_language_names_the_nearest(data_root):
    with pytest.raises(DataError, match=r"unknown language .haus.\. Did you mean hau\?"):
        afrisenti.load(data_root / "afrisenti", ["haus"])
    with pytest.raises(DataError, match=r"afrisenti: unknown language 'eng'\..*Known: amh, arq, ary, hau"):
        afrisenti.load(data_root / "afrisenti", ["eng"])


def make_directory(root):
    for split, label in zip(SPLITS, afrisenti.LABELS, strict=True):
        (root / "tso").mkdir(parents=True, exist_ok=True)
        (root / "tso" / f"{split}.tsv").write_text(f"tweet\tlabel\nminjhani {split}\t{label}\n", encoding="utf-8")
    return root


def test_the_option_wins_over_the_environment(tmp_path, monkeypatch):
    own = make_directory(tmp_path / "own")
    make_directory(tmp_path / "data" / "afrisenti")
    (tmp_path / "data" / "afrisenti" / "tso" / "train.tsv").write_text(
        "tweet\tlabel\nkule\tneutral\n", encoding="utf-8"
    )
    monkeypatch.setenv("GRADSIM_DATA", str(tmp_path / "data"))
    assert afrisenti.load(None, ["tso"]).split("tso", "train")[0].text == "kule"
    assert afrisenti.load(own, ["tso"]).split("tso", "train")[0].text == "minjhani train"


def test_an_environment_without_afrisenti_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(afrisenti, "read_hub", lambda code: pytest.fail("it went to the Hub"))
    monkeypatch.setenv("GRADSIM_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        afrisenti.load(None, ["tso"])
    assert f"GRADSIM_DATA is set to {tmp_path}, but {tmp_path / 'afrisenti'} is not a directory" in str(caught.value)


def test_a_missing_split_names_its_path(tmp_path):
    root = make_directory(tmp_path / "afrisenti")
    (root / "tso" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"tso/dev\.tsv is missing"):
        afrisenti.load(root, ["tso"])
    shutil.rmtree(root)
    with pytest.raises(DataError, match=r"afrisenti is not a directory"):
        afrisenti.load(root, ["tso"])


def test_an_unknown_label_names_file_and_line(tmp_path):
    root = make_directory(tmp_path / "afrisenti")
    (root / "tso" / "train.tsv").write_text("tweet\tlabel\na\tneutral\nb\tpositiv\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.tsv:3: unknown label 'positiv'; did you mean positive\? allowed: neg"):
        afrisenti.load(root, ["tso"])
