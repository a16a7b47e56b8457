"""The stage that trims a pre-trained encoder before a build trains it: its line, its settings, what it refuses."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from ..program import arguments, gradsim

LETTERS = {"hau": "kyau sosai yau gobe", "rus": "очень хорошо сегодня завтра"}


@pytest.fixture(scope="module")
def encoder(tiny_xlmr, tmp_path_factory):
    """The tiny XLM-R with a tokenizer that knows Latin and Cyrillic letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=special, unk_token="<unk>", show_progress=False, max_piece_length=6
    )
    tokenizer.train_from_iterator([word for text in LETTERS.values() for word in text.split() * 9], trainer)
    directory = tmp_path_factory.mktemp("letters")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=32
    ).save_pretrained(directory)
    config = XLMRobertaConfig.from_pretrained(tiny_xlmr, vocab_size=tokenizer.get_vocab_size())
    torch.manual_seed(0)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(directory)
    return directory


@pytest.fixture
def run(tmp_path, encoder):
    """A function that runs ``encoder`` over hau, with dev texts of a language: exit code, output, errors."""

    def call(*words, dev="hau", dev_rows=4, **settings):
        place = tmp_path / "data" / "hau"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for split, language, rows in (("train", "hau", 30), ("dev", dev, dev_rows), ("test", "hau", 4)):
            lines = [f"{LETTERS['hau' if i else language]} {i}\t{'yes' if i % 2 else 'no'}" for i in range(rows)]
            (place / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
        options = {"data": tmp_path / "data", "model": encoder, "groups": 1, "out": tmp_path / "run"}
        usual = {"maximum_length": 16, "common_pieces": 0}
        return gradsim("encoder", *arguments(options, {**usual, **settings}), *words)

    return call


def test_pieces_of_other_scripts_go_and_one_line_says_so(run, tmp_path, encoder):
    code, _, said = run()
    assert code == 0, said
    result = json.loads((tmp_path / "run" / "trim" / "trimming.json").read_text(encoding="utf-8"))
    line = f"vocabulary: {result['kept']} of {result['of']} pieces kept, those of the training texts and common ones"
    assert said.count(line) == 1 and "0.0% of the dev texts" in said and "0.0% of the test texts" in said
    assert result["kept"] < result["of"] and result["judged"]["dev hau"]["texts"] == 4
    vocabulary = json.loads((tmp_path / "run" / "trim" / "tokenizer.json").read_text(encoding="utf-8"))["model"][
        "vocab"
    ]
    lowest = min(score for _, score in vocabulary)  # the piece of the lowest score stays, whatever its script
    cyrillic = [score for piece, score in vocabulary if any("\u0400" < character < "\u0500" for character in piece)]
    assert set(cyrillic) <= {lowest} and len(cyrillic) <= 1
    _, _, again = run()
    assert "trim the vocabulary: up to date, skipped" in again and again.count(line) == 1


def test_a_script_of_dev_that_would_be_lost_is_refused_and_the_ways_on_work(run, tmp_path):
    code, shown, said = run(dev="rus")
    assert (code, shown) == (1, "")
    error = said.strip().splitlines()[-1]
    assert error.startswith("Error: 1 of 4 dev texts of hau hold characters (Cyrillic) that the training texts do not")
    assert "--extra-texts DIR" in error and "--set trim_vocabulary=false" in error
    code, _, said = run(dev="rus", trim_vocabulary="false")
    assert code == 0 and "vocabulary:" not in said
    code, _, said = run(dev="rus", common_pieces=10_000)
    assert code == 1, "common pieces of other scripts are not kept"
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "rus.txt").write_text(f"{LETTERS['rus']}\n", encoding="utf-8")
    code, _, said = run("--extra-texts", tmp_path / "more", dev="rus")
    assert code == 0 and "vocabulary:" in said, said


def test_strays_in_dev_are_no_reason(run):
    code, _, said = run(dev="rus", dev_rows=200)
    assert code == 0 and "0.5% of the dev texts (most in hau: 0%)" in said, said


def test_extra_texts_that_cannot_be_read_are_one_line(run, tmp_path):
    code, _, said = run("--extra-texts", tmp_path / "nowhere")
    assert code == 1 and said.strip().splitlines()[-1].startswith(f"Error: --extra-texts {tmp_path / 'nowhere'} is not")


def test_an_encoder_that_cannot_be_trimmed_stays_as_it_is(run, tmp_path, encoder):
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    changed = tmp_path / "same"
    shutil.copytree(encoder, changed)
    content = config | {"unused_size": config["vocab_size"]}
    (changed / "config.json").write_text(json.dumps(content), encoding="utf-8")
    code, _, said = run("--model", changed)
    assert code == 0 and "all pieces are kept: the vocabulary of" in said
    assert f"its unused_size is as large as its vocabulary, {config['vocab_size']}" in said
