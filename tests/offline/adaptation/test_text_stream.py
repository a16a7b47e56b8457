"""Unlabelled texts: streamed from files as they are in memory, held out by a seed, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.training.text_folders import data_texts, folder_texts, hold_out
from gradsim_offline.training.text_stream import Listed, Streamed
from gradsim_shared.errors import DataError


def everything(texts):
    return [texts[i] for i in range(len(texts))]


def test_streamed_texts_are_those_in_memory(folder, lines, listed):
    found = folder_texts(folder)
    assert list(found) == ["eng", "hau", "tur"]
    for code, own in found.items():
        assert everything(own) == [" ".join(line.split()) for line in lines[code]] == everything(listed[code])
        assert np.array_equal(own.sizes, listed[code].sizes)


@given(
    texts=st.lists(st.text(max_size=12), max_size=12), ending=st.sampled_from(["\n", "\r\n"]), cut=st.integers(0, 12)
)
@settings(max_examples=60, deadline=None)
def test_any_text_in_any_number_of_files(tmp_path_factory, texts, ending, cut):
    directory = tmp_path_factory.mktemp("any")
    usable = [text for text in texts if not set(text) & {"\n", "\r"} and "\ufeff" not in text and _encodes(text)]
    for name, part in (("a", usable[:cut]), ("b", usable[cut:])):
        (directory / f"{name}.txt").write_bytes(ending.join(part).encode())
    found = Streamed([directory / "a.txt", directory / "b.txt"])
    assert everything(found) == everything(Listed(usable))


def test_texts_are_normalised_and_those_of_which_nothing_is_left_are_left_out(tmp_path):
    lines = ["\u200fIna\u00adkwana \u2003 Kano\u200b", "\u200b\u200e", "sai\u00a0anjima"]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    assert everything(Streamed([tmp_path / "a.txt"])) == ["Inakwana Kano", "sai anjima"] == everything(Listed(lines))


def _encodes(text):
    return not any("\ud800" <= character <= "\udfff" for character in text)


def test_only_the_languages_that_are_asked_for(folder):
    (folder / "notes.txt").write_text("no language\n")
    assert list(folder_texts(folder, ["tr", "ha"])) == ["hau", "tur"]
    with pytest.raises(DataError, match=r"notes.txt: unknown language code 'notes'.*--languages"):
        folder_texts(folder)
    with pytest.raises(DataError, match="unknown language 'yor'"):
        folder_texts(folder, ["yor"])
    with pytest.raises(DataError, match="unknown language code 'xxx'"):
        folder_texts(folder, ["xxx"])


def test_invalid_text_folders_are_refused(folder, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no text: expected"):
        folder_texts(tmp_path / "none")
    with pytest.raises(DataError, match="is not a directory"):
        folder_texts(tmp_path / "missing")
    (folder / "yor.txt").write_text(" \n\n\t\n")
    with pytest.raises(DataError, match=r"yor.txt: no text for yor"):
        folder_texts(folder)
    (folder / "yor.txt").write_bytes("one\ntwo \u1eb9\n".encode() + "x\u00e9\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"yor.txt, line 3: not UTF-8 \(byte 2 of the line\)"):
        folder_texts(folder)
    (folder / "yor.txt").write_bytes(b"one\rtwo\r")
    with pytest.raises(DataError, match=r"yor.txt: its lines end in carriage returns alone"):
        folder_texts(folder)
    (folder / "yor.txt").unlink()
    (folder / "tur.txt").write_text("iki\n")
    with pytest.raises(DataError, match="are the same language, tur"):
        folder_texts(folder)


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=3), most=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_held_out_texts(counts, most, seed):
    texts = {
        code: Listed([f"{code} {i}" for i in range(n)]) for code, n in zip(("eng", "hau", "tur"), counts, strict=False)
    }
    split = hold_out(texts, most, seed)
    for code, own in texts.items():
        train, held = everything(split.train[code]), everything(split.held_out[code])
        assert sorted(train + held) == sorted(everything(own))
        assert len(held) == (min(most, max(1, len(own) // 10)) if len(own) > 1 else 0)
        assert held == everything(hold_out({code: own}, most, seed).held_out[code])


def test_a_data_set_is_judged_on_its_dev_texts(small):
    found = data_texts(small, 8, 0)
    assert {code: len(own) for code, own in found.train.items()} == {"eng": 17, "hau": 30, "tur": 9}
    assert {code: len(own) for code, own in found.held_out.items()} == {"eng": 8, "hau": 8, "tur": 6}
    dev = {example.text for example in small.split("hau", "dev")}
    assert set(everything(found.held_out["hau"])) <= dev
