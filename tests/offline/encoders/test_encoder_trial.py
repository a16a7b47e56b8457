"""An encoder that cannot do what a build asks of it is refused in one line before anything is trained."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from gradsim_offline import cli
from gradsim_offline.pipeline.encoder_trial import try_encoder
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import ModelError

LABELS = ("negative", "neutral", "positive")
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
both_tasks = pytest.mark.parametrize("task", ["text_classification", "token_classification"])


@pytest.fixture
def make(tiny_xlmr, tmp_path):
    """A function that saves a random model of an architecture, with a tokenizer that names no limit of its own."""

    def call(kind, model="Model", tokenizer=True, **sizes):
        tokens = AutoTokenizer.from_pretrained(tiny_xlmr)
        tokens.model_max_length = 10**30
        sizes = {"vocab_size": len(tokens), "pad_token_id": 1, **sizes}
        config = getattr(transformers, f"{kind}Config")(**sizes)
        torch.manual_seed(0)
        getattr(transformers, f"{kind}{model}")(config).save_pretrained(tmp_path / "model")
        if tokenizer:
            tokens.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return call


def attempt(path, length=32, task="text_classification"):
    try_encoder(path, LABELS, task=load_task(task), maximum_length=length)


def refused(path, *, length=32, match):
    with pytest.raises(ModelError, match=match) as caught:
        attempt(path, length)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@both_tasks
@pytest.mark.parametrize(
    ("kind", "positions"),
    [
        ("Roberta", {"max_position_embeddings": 34}),  # two less can be used: positions begin behind the padding's
        ("Bert", {"max_position_embeddings": 32}),
        ("IBert", {"max_position_embeddings": 34}),  # found by trial: its embeddings are of a class of their own
    ],
)
def test_the_limit_is_that_of_the_positions_where_the_tokenizer_names_none(make, kind, positions, task):
    path = make(kind, **SMALL, **positions)
    attempt(path, 32, task)
    refused(path, length=33, match=r"reads at most 32 tokens; maximum_length = 33 .*--set maximum_length=32")


def test_an_architecture_that_reads_some_lengths_only(make):
    path = make("Nystromformer", **SMALL, max_position_embeddings=32, segment_means_seq_len=8, num_landmarks=4)
    refused(path, match=r"\(model_type nystromformer\) cannot read texts of any length: ")


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # of transformers, at import
@both_tasks
def test_relative_positions_have_no_limit(make, task):
    sizes = {"type_vocab_size": 0, "relative_attention": True, "position_biased_input": False, "position_buckets": 8}
    attempt(make("DebertaV2", **SMALL, **sizes, max_position_embeddings=16, pos_att_type=["c2p", "p2c"]), 64, task)


@pytest.mark.parametrize(
    ("kind", "model", "sizes", "found"),
    [
        ("GPT2", "Model", {"n_embd": 8, "n_layer": 1, "n_head": 1}, r"\(model_type gpt2\) is a decoder"),
        ("Bert", "Model", {**SMALL, "is_decoder": True}, r"\(model_type bert\) is a decoder"),
        ("T5", "Model", T5, r"\(model_type t5\) is an encoder with a decoder"),
        ("T5", "EncoderModel", T5, r"\(model_type t5\) is an encoder with a decoder"),
    ],
)
def test_a_model_that_is_no_encoder(make, kind, model, sizes, found):
    refused(make(kind, model, **sizes), match=found)


def test_an_encoder_that_cannot_be_exported(make):
    path = make("Funnel", block_sizes=[1], d_model=16, n_head=2, d_head=8, d_inner=16, num_decoder_layers=1)
    with pytest.raises(ModelError, match="architecture funnel cannot be exported to ONNX, which serving needs"):
        attempt(path)


def test_an_encoder_without_a_tokenizer(make):
    refused(make("Bert", tokenizer=False, **SMALL), match=r"holds no tokenizer that can be read: tokenizer\.json is")


def test_a_tokenizer_of_another_model(make, tiny_xlmr):
    last = len(AutoTokenizer.from_pretrained(tiny_xlmr)) - 1
    path = make("Bert", **SMALL, vocab_size=100)
    refused(path, match=rf"has ids up to {last}, and the model embeddings for 100 ids only")


def test_a_tokenizer_without_a_fast_form(make):
    path = make("Bert", tokenizer=False, **SMALL, vocab_size=384)
    transformers.ByT5Tokenizer().save_pretrained(path)
    refused(path, match=r"has no fast form \(tokenizer\.json\), which serving needs")


def test_weights_of_another_model_are_not_taken_for_the_encoders(make):
    path = make("Bert", **SMALL)
    weights = load_file(path / "model.safetensors")
    renamed = {name.replace("encoder.layer", "encoder.block"): tensor for name, tensor in weights.items()}
    save_file(renamed, path / "model.safetensors", {"format": "pt"})
    refused(path, match=r"is not whole: 16 of its encoder's weights .* such as bert\.encoder\.layer\.0\.")
    save_file(weights | {"embeddings.word_embeddings.weight": torch.zeros(9, 16)}, path / "model.safetensors")
    refused(path, match="1 of its encoder's weights .* such as bert.embeddings.word_embeddings.weight")


def test_a_head_that_was_trained_for_other_labels_is_replaced(make):
    attempt(make("Bert", "ForSequenceClassification", **SMALL, num_labels=5))


def test_weights_in_several_files(make, capfd):
    path = make("Bert", **SMALL)
    transformers.AutoModel.from_pretrained(path).save_pretrained(path, max_shard_size="5KB")
    (path / "model.safetensors").unlink()
    assert len(list(path.glob("*.safetensors"))) > 1
    attempt(path)
    assert capfd.readouterr() == ("", "")  # no progress of loading


@pytest.fixture
def build(tmp_path, monkeypatch, capsys):
    """A function that builds up to the encoder, on texts of two languages: exit code and standard error."""
    for code in ("eng", "hau"):
        (tmp_path / "data" / code).mkdir(parents=True)
        for split, count in (("train", 6), ("dev", 2)):
            texts = "".join(f"{'one more word ' * 2 ** (i % 5)}\t{LABELS[i % 2]}\n" for i in range(count))
            (tmp_path / "data" / code / f"{split}.tsv").write_text("text\tlabel\n" + texts, encoding="utf-8")

    def call(command, path, *words):
        data = ["--data", "files", "--data-dir", str(tmp_path / "data"), "--groups", "2", "--device", "cpu"]
        words = [command, *data, "--model", str(path), "--out", str(tmp_path / "run"), *words]
        monkeypatch.setattr(sys, "argv", ["gradsim-offline", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return call


@pytest.mark.parametrize("command", ["encoder", "build"])
def test_a_build_stops_before_it_trains(make, build, tmp_path, command):
    code, said = build(command, make("Roberta", **SMALL, max_position_embeddings=34), "-q")
    assert code == 1 and said.startswith("Error: ") and said.count("\n") == 1
    assert "reads at most 32 tokens" in said and not (tmp_path / "run" / "measure").exists()


def test_a_build_says_how_many_texts_are_cut(make, build, tmp_path):
    path = make("Roberta", **SMALL, max_position_embeddings=34)
    code, said = build("encoder", path, "--set", "maximum_length=32")
    line = " ".join(said.split())
    assert (
        code == 0
        and "texts longer than maximum_length = 32 tokens are cut: 4 of 12 train (33%; most in eng: 33%);" in line
    )
    cut = json.loads((tmp_path / "run" / "reading" / "cut.json").read_text())
    assert cut["cut"] == {"train": {"eng": 2, "hau": 2}}
    tokens = len(AutoTokenizer.from_pretrained(path)("one more word " * 16).input_ids)  # 2 of the 16 texts: over 5 %
    assert tokens <= cut["covering"] < tokens + 8
    assert f"--set maximum_length={cut['covering']} reads 95% of the texts whole" in line
    assert "are cut: 4 of 12 train" in " ".join(build("encoder", path, "--set", "maximum_length=32")[1].split())
    shutil.rmtree(tmp_path / "run")
    code, said = build("encoder", make("Roberta", **SMALL, max_position_embeddings=514), "--set", "maximum_length=512")
    assert code == 0 and "are cut" not in said
