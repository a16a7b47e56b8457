"""Where the user's own data has no dev split, or no splits at all, a share of train is held out, and said."""

from __future__ import annotations

from collections import Counter

import pytest

from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.datasets.sources import files


@pytest.fixture
def put(tmp_path):
    """A function that writes labelled texts of languages as folders, and returns the directory."""

    def write(split="train", **languages):
        for code, rows in languages.items():
            (tmp_path / code).mkdir(exist_ok=True)
            lines = ["text\tlabel", *("\t".join(row) for row in rows)]
            (tmp_path / code / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path

    return write


def texts(number, label_of=lambda place: "rare" if place % 10 == 0 else "usual", word="text"):
    return [(f"{word} {place}", label_of(place)) for place in range(number)]


def test_a_tenth_of_each_label_is_held_out_as_dev_and_said(put):
    found = files.load(put(hau=texts(200), ibo=texts(300), yor=texts(50)))
    put("dev", ibo=texts(7, word="dev"))
    sizes = {code: [found.counts(split)[code] for split in ("train", "dev", "test")] for code in found.languages}
    assert sizes == {"hau": [180, 20, 0], "ibo": [270, 30, 0], "yor": [45, 5, 0]}
    assert Counter(example.label for example in found.split("hau", "dev")) == {"usual": 18, "rare": 2}
    both = {example.text for example in found.split("hau", "train")} | {e.text for e in found.split("hau", "dev")}
    assert len(both) == 200
    (note,) = found.notes
    assert note.startswith("files: without a dev split, 10% of train is held out as dev (hau 20, ibo 30, yor 5)")
    with_dev = files.load(put())
    assert with_dev.counts("dev") == {"hau": 20, "ibo": 7, "yor": 5} and with_dev.counts("train")["ibo"] == 300
    assert with_dev.split("hau", "dev") == found.split("hau", "dev")


def test_few_texts_and_a_share_of_nought_are_kept_whole(put):
    root = put(hau=texts(19), ibo=texts(200))
    assert files.load(root).counts("dev") == {"hau": 0, "ibo": 20}
    found = load_dataset(str(root), None, None, {"held_out": 0})
    assert found.counts("dev") == {"hau": 0, "ibo": 0} and found.notes == ()


def test_copies_of_a_text_stay_together_and_a_label_stays_in_train(put):
    rows = [(f"text {place % 40}", "one" if place == 39 else "other") for place in range(120)]
    found = files.load(put(hau=rows, ibo=texts(30, lambda place: f"label {place}")))
    train, dev = ({example.text for example in found.split("hau", split)} for split in ("train", "dev"))
    assert dev and not train & dev
    assert found.counts("dev")["ibo"] == 0  # each label stands there once


def held_out_pairs(root, rows):
    (root / "hau").mkdir()
    lines = [("premise", "hypothesis", "label"), *rows]
    (root / "hau" / "train.tsv").write_text("\n".join("\t".join(row) for row in lines) + "\n", encoding="utf-8")
    found = files.load(root)
    return found, *([example.text for example in found.split("hau", split)] for split in ("train", "dev"))


def test_pairs_held_out_share_neither_text_with_train(tmp_path):
    rows = [(f"a {place}", f"b {place // 2}", "xy"[place % 4 // 2]) for place in range(196)]
    rows += [(f"c {place}", "often", "x") for place in range(24)]  # more than are held out: they stay
    found, train, dev = held_out_pairs(tmp_path, rows)
    assert len(train) + len(dev) == 220 and len(dev) == 22
    assert {text for pair in train for text in pair}.isdisjoint(text for pair in dev for text in pair)
    assert len(found.notes) == 1


def test_where_all_pairs_hang_together_first_texts_are_apart_and_it_is_said(tmp_path):
    rows = [(f"a {place // 3}", f"b {place % 3}", "xyz"[place % 3]) for place in range(150)]
    found, train, dev = held_out_pairs(tmp_path, rows)
    assert len(dev) == 15 and {pair.first for pair in train}.isdisjoint(pair.first for pair in dev)
    assert found.notes[-1] == (
        "files: most pairs of hau hang together by the texts that they share, so what is held out as dev shares no "
        "first text with train, but second ones"
    )


def test_of_parallel_texts_the_same_are_held_out_in_every_language(put):
    found = files.load(put(hau=texts(100, word="rubutu"), ibo=texts(100, word="ederede")))
    places = [{example.text.split()[1] for example in found.split(code, "dev")} for code in found.languages]
    assert places[0] == places[1] and len(places[0]) == 10


def test_a_table_without_splits_has_test_and_dev_held_out_and_is_scored_on_the_same(tmp_path):
    rows = [
        f"{word} {place},{'ab'[place % 2]},{code}" for code, word in (("ha", "x"), ("ig", "y")) for place in range(100)
    ]
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(["text,label,language", *rows]) + "\n")
    found = load_dataset(str(path), None, None)
    assert [found.counts(split) for split in ("train", "dev", "test")] == [{"hau": n, "ibo": n} for n in (72, 8, 20)]
    assert [note.partition(" is held")[0] for note in found.notes] == [
        "files: without a test split, 20% of train",
        "files: without a dev split, 10% of train",
    ]
    for split in ("dev", "test"):
        scored = files.load_split(path, ["hau"], split)
        assert scored.split("hau", split) == found.split("hau", split)


def test_sentences_with_tags_are_held_out_too(tmp_path):
    (tmp_path / "hau").mkdir()
    sentences = [f"Ann{place} B-PER\nlives O\n" for place in range(60)]
    (tmp_path / "hau" / "train.conll").write_text("\n".join(sentences))
    found = files.load(tmp_path)
    assert [found.counts(split)["hau"] for split in ("train", "dev")] == [54, 6]
