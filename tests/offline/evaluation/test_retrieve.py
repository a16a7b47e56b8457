"""Retrieval: accuracy beside the whole matrix, reading of both forms, the command with two encoders side by side."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from gradsim_offline.experiments.retrieve.nearest import accuracies
from gradsim_offline.experiments.retrieve.parallel_texts import read_pairs
from gradsim_offline.experiments.retrieve.retrieve import RESULT

from ..program import gradsim

SHORT = ("--maximum-length", 64)


def whole(first, second):
    """Return the accuracies by the whole matrix, as the formulas stand in the papers."""
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (first, second))
    cosines, k = one @ other.T, min(4, len(one))
    near = [np.sort(each, axis=1)[:, -k:].sum(axis=1) / (2 * k) for each in (cosines, cosines.T)]
    margins = cosines / (near[0][:, None] + near[1][None])
    right = np.arange(len(one))
    shares = [((m.argmax(axis=1) == right).mean(), (m.argmax(axis=0) == right).mean()) for m in (cosines, margins)]
    return tuple(shares)


@given(st.integers(1, 40), st.integers(1, 17), st.integers(0, 200))
@settings(max_examples=60)
def test_blocks_of_rows_give_what_the_whole_matrix_gives(many, block, seed):
    random = np.random.default_rng(seed)
    first = random.normal(size=(many, 5)) + 2
    second = first + random.normal(size=(many, 5))
    found, expected = accuracies(first, second, block), whole(first, second)
    assert (found.cosine, found.margin) == tuple(map(pytest.approx, expected))


def test_where_neighbours_lie_apart_the_margin_does_not_turn_round():
    first, depth = np.eye(3)[:2], np.sqrt(1 - 0.1**2 - 0.9**2)
    second = np.array([[-0.1, -0.9, depth], [-0.9, -0.1, depth]])  # cosines -0.1 with the translation, else -0.9
    found = accuracies(first, second)
    assert found.cosine == found.margin == (1.0, 1.0)


@pytest.fixture
def lines(small, tmp_path):
    """Texts beside themselves, and beside the others in another order, in the form of Tatoeba."""
    texts = [example.text for example in small.split("hau", "train")[:12]]
    pairs = {"hau-eng": (texts, texts), "swh-eng": (texts, texts[::-1])}
    for name, sides in pairs.items():
        for side, content in zip(name.split("-"), sides, strict=True):
            (tmp_path / f"own.{name}.{side}").write_text("".join(f"{text}\n" for text in content), encoding="utf-8")
    return tmp_path


def test_encoders_stand_side_by_side(lines, tiny_xlmr, tiny_mini, tmp_path):
    models = ("--model", tiny_xlmr, "--model", tiny_mini)
    code, shown, said = gradsim("retrieve", *models, *SHORT, "--data", lines, "--out", tmp_path / "out")
    assert code == 0, said
    found = json.loads((tmp_path / "out" / RESULT).read_text())
    assert found["pairs"] == [["hau", "eng", 12], ["swh", "eng", 12]]
    assert found["layers"] == {str(tiny_xlmr): 1, str(tiny_mini): 0}, "7 of 12 is 1 of 2"
    for each in found["found"].values():
        assert each[0]["cosine"] == each[0]["margin"] == [1.0, 1.0] and max(each[1]["cosine"]) == 0.0
    header = next(line for line in shown.splitlines() if line.startswith("pair"))
    assert header.count("cosine to") == 2 and "mini: margin from" in header and "mean" in shown


@torch.inference_mode()
def test_a_text_is_the_mean_of_a_blocks_outputs(lines, tiny_xlmr, tmp_path):
    (pair,) = read_pairs(str(lines), None, ["hau"], "eng", 5)
    sides = [pair.texts[0], pair.texts[1][::-1]]
    (tmp_path / "own.hau-eng.eng").write_text("\n".join(sides[1]), encoding="utf-8")
    (tmp_path / "own.hau-eng.hau").write_text("\n".join(sides[0]), encoding="utf-8")
    words = ("--model", tiny_xlmr, "--data", tmp_path, "--languages", "hau", "--layer", 2, "--prefix", "q: ")
    code, _, said = gradsim("retrieve", *words, *SHORT, "--out", tmp_path / "out")
    assert code == 0, said
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_xlmr), AutoModel.from_pretrained(tiny_xlmr).eval()
    vectors = [
        [
            model(**tokenizer(f"q: {text}", return_tensors="pt"), output_hidden_states=True).hidden_states[2][0].mean(0)
            for text in side
        ]
        for side in sides
    ]
    expected = accuracies(*(torch.stack(side).double().numpy() for side in vectors))
    (found,) = json.loads((tmp_path / "out" / RESULT).read_text())["found"][str(tiny_xlmr)]
    assert tuple(found["cosine"]) == expected.cosine and tuple(found["margin"]) == expected.margin


def test_numbered_rows_go_together(tmp_path):
    rows = {"eng": {1: "one", 2: "two", 3: "three"}, "hau": {3: "uku", 1: "daya"}, "swa": {2: "mbili", 1: "moja"}}
    for code, texts in rows.items():
        (tmp_path / code).mkdir()
        for number, (split, (key, text)) in enumerate(zip(("train", "dev", "test"), texts.items(), strict=False)):
            content = f"index_id\tlabel\ttext\n{key}\tx{number}\t{text}\n"
            (tmp_path / code / f"{split}.tsv").write_text(content, encoding="utf-8")
    pairs = read_pairs(str(tmp_path), None, None, "eng", None)
    assert {pair.languages: list(zip(*pair.texts, strict=True)) for pair in pairs} == {
        ("hau", "eng"): [("daya", "one"), ("uku", "three")],
        ("swa", "eng"): [("moja", "one"), ("mbili", "two")],
    }
    pairs = read_pairs(str(tmp_path), None, ["hau", "swa"], None, None)
    assert [(pair.languages, *map(list, pair.texts)) for pair in pairs] == [(("hau", "swa"), ["daya"], ["moja"])]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda d: (d / "own.hau-eng.eng").unlink(), (), r"own.hau-eng.hau: own.hau-eng.eng, .* is missing"),
        (
            lambda d: (d / "own.hau-eng.eng").write_text("one\n"),
            (),
            r"own.hau-eng.hau: 12 lines, and 1 in own.hau-eng.eng",
        ),
        (None, ("--languages", "hua"), r"unknown language 'hua'.*hau"),
        (None, ("--pivot", "fra"), r"unknown language 'fra'"),
        (None, ("--layer", "9"), r"--layer 9: .* has the blocks 1 to 2"),
    ],
)
def test_what_is_wrong_is_said(lines, tiny_xlmr, change, options, message, tmp_path):
    if change:
        change(lines)
    code, _, said = gradsim("retrieve", "--model", tiny_xlmr, "--data", lines, "--out", tmp_path / "out", *options)
    assert code == 1 and re.search(message, said), said


def test_data_that_is_nowhere(tiny_xlmr, tmp_path, monkeypatch):
    monkeypatch.delenv("GRADSIM_DATA", raising=False)
    for data, message in (("tatoeba", "--data-dir, or $GRADSIM_DATA"), ("nowhere", "is no directory")):
        code, _, said = gradsim("retrieve", "--model", tiny_xlmr, "--data", data, "--out", tmp_path / "out")
        assert code == 1 and message in said
    (tmp_path / "empty").mkdir()
    code, _, said = gradsim("retrieve", "--model", tiny_xlmr, "--data", tmp_path / "empty", "--out", tmp_path / "out")
    assert code == 1 and "no parallel texts: expected NAME.hau-eng.hau" in said
