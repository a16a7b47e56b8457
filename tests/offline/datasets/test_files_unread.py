"""No language and no split is lost in silence: names of splits, what is named as not read, what is refused."""

from __future__ import annotations

import gzip

import pytest

from gradsim_offline.datasets.sources import files, masakhaner, ud, wikiann

ROWS = "text\tlabel\na\tx\nb\ty\n"


@pytest.fixture
def put(tmp_path):
    """A function that writes files below the data directory, which it returns."""

    def write(*names, content=ROWS):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
        return tmp_path

    return write


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("dev", ["dev", "valid", "validation", "VAL", "development"])
@pytest.mark.parametrize("test", ["test", "testing"])
def test_names_of_splits(put, train, dev, test):
    found = files.load(put(f"hau/{train}.tsv", f"hau/{dev}.tsv.gz", f"hau/{test}.tsv"))
    assert [found.counts(split)["hau"] for split in ("train", "dev", "test")] == [2, 2, 2] and found.notes == ()


@pytest.mark.parametrize(
    "pair",
    [
        ("dev.tsv", "validation.tsv"),
        ("train.tsv", "train.tsv.gz"),
        ("dev.tsv", "val.csv"),
        ("train.json", "train.jsonl"),
    ],
)
def test_two_files_for_one_split(put, pair, refused):
    root = put("yor/train.tsv", *(f"hau/{name}" for name in pair))
    refused(root, "/hau: ", pair[0], pair[1], "keep one of them")
    assert files.load(root, ["yor"]).languages == ("yor",)


def test_what_is_not_read_is_named(put):
    names = ("README.md", "hau.tsv", "raw data/train.xlsx", "hau/train.xlsx", "hau/train/1.tsv", "yor/train-2.tsv")
    root = put("hau/train.tsv", "yor/train.tsv", ".git/config", "__MACOSX/x", "hau/.DS_Store", *names)
    found = files.load(root)
    assert found.languages == ("hau", "yor")
    assert found.notes == (
        "files: not read: README.md, hau.tsv, raw data/, hau/train/, hau/train.xlsx, yor/train-2.tsv",
    )
    assert files.load(root, ["hau"]).notes == ("files: not read: hau/train/, hau/train.xlsx",)


def test_of_many_files_the_first_are_named(put):
    (note,) = files.load(put("hau/train.tsv", *(f"hau/part-{i:04}.tsv" for i in range(1000)))).notes
    assert note.startswith("files: not read: hau/part-0000.tsv, ") and note.endswith(" more") and len(note) < 500


@pytest.mark.parametrize("name", ["train.xlsx", "train/1.tsv", "train-2.tsv", "notes.md"])
def test_a_language_of_which_nothing_is_read(put, name, refused):
    root = put("hau/train.tsv", f"yor/{name}")
    refused(
        root, "/yor: no train split, nor any other; expected train.tsv", f"found {name.split('/')[0]}", "--languages"
    )
    assert files.load(root, ["hau"]).notes == ()


def test_a_stray_folder_does_not_hide_the_task(put):
    root = put("notes/readme.md")
    put("hau/train.conll", content="a O\nb B-X\n")
    assert files.task_in(root) == "token_classification"


def test_public_data_names_the_folders_that_it_passes_over(put):
    root = put("old/x", "hausa/x")
    for split in ("train", "dev", "test"):
        put(f"hau/{split}.txt", content="Kano B-LOC\n\n")
        put(f"hau/{split}.conllu", content="1\tKano\t_\tPROPN" + "\t_" * 6 + "\n\n")
    (root / "old").rename(root / "old data")
    for source in (masakhaner, wikiann, ud):
        notes = source.load(root).notes
        assert [note for note in notes if "not read" in note] == [
            f"{source.__name__.rpartition('.')[2]}: not read: hausa/, old data/"
        ]
        assert not any("not read" in note for note in source.load(root, ["hau"]).notes)
