"""Models on disk: mini and a pre-trained directory load through transformers; what is missing says what to do."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification

from gradsim_offline.core.training_settings import Pretraining
from gradsim_offline.models.loading import from_pretrained, is_there, load_tokenizer
from gradsim_offline.tasks import text_classification
from gradsim_offline.training.batching import pad
from gradsim_offline.training.encoders import mini, pretrained
from gradsim_offline.training.trained import TrainedModel
from gradsim_shared.decode import text_classification as decoder
from gradsim_shared.errors import ModelError

LABELS = ("negative", "neutral", "positive")
TEXTS = ["Ina kwana", "", "A much longer text, with more pieces than the others have! 👍🏽", "ƙ"]
every_encoder = pytest.mark.parametrize("encoder", ["tiny_mini", "tiny_xlmr"])


@pytest.fixture
def path(request, encoder):
    return request.getfixturevalue(encoder)


def logits(model, path, texts=TEXTS):
    tokenizer, pad_id = load_tokenizer(path, maximum_length=64)
    reader = decoder.Reader(tokenizer, 64)
    return np.concatenate(TrainedModel(model, decoder, reader, LABELS, pad_id, torch.device("cpu")).logits(texts))


@every_encoder
def test_saved_and_loaded_gives_the_same_logits(path, tmp_path):
    torch.manual_seed(0)
    model = text_classification.load_model(path, LABELS)
    model.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert (logits(loaded, path) == logits(model, path)).all()
    assert loaded.config.id2label == dict(enumerate(LABELS))


@every_encoder
def test_white_space_and_unseen_marks_change_no_logits(path):
    model = text_classification.load_model(path, LABELS)
    odd = [f"\n{text}\u200f".replace(" ", "\u2028\u200b\t").replace("m", "m\u00ad") for text in TEXTS]
    assert (logits(model, path, odd) == logits(model, path)).all()


def test_a_mini_of_texts_with_unseen_marks_is_that_of_the_plain_texts(texts, training_context, tmp_path):
    odd = [f"\u200f{text}\n".replace(" ", "\u00a0\u200b ").replace("a", "a\u00ad") for text in texts]
    made = []
    for name, mine in (("plain", texts), ("odd", odd)):
        (tmp_path / name).mkdir()
        mini.make(
            {"hau": mine},
            tmp_path / name,
            settings=Pretraining(vocabulary=300, hidden_size=32, layers=1, ngram_buckets=64, ngram_size=4, epochs=0),
            context=training_context(),
        )
        made.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir() if file.is_file()})
    assert made[0] == made[1]


@every_encoder
def test_the_encoder_is_what_was_saved_and_the_head_is_new(path):
    models = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        models.append(text_classification.load_model(path, LABELS))
    first, second = (model.state_dict() for model in models)
    prefix = models[0].base_model_prefix + "."
    for name in first:
        if name.startswith(prefix):
            assert torch.equal(first[name], second[name]), name
    assert not torch.equal(first["classifier.out_proj.weight"], second["classifier.out_proj.weight"])


@every_encoder
def test_the_head_depends_on_the_seed_only(path):
    heads = []
    for _ in range(2):
        torch.manual_seed(5)
        heads.append(text_classification.load_model(path, LABELS).classifier.dense.weight)
    assert torch.equal(*heads)


def test_a_mini_directory(tiny_mini):
    names = {file.name for file in tiny_mini.iterdir() if file.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert AutoConfig.from_pretrained(tiny_mini).model_type == "gradsim-mini"
    model = from_pretrained(AutoModelForMaskedLM, tiny_mini)
    tokenizer, pad_id = load_tokenizer(tiny_mini, maximum_length=64)
    batch = pad(decoder.Reader(tokenizer, 64).read(TEXTS).ids, pad_id)
    assert model(**batch).logits.shape == (*batch["input_ids"].shape, tokenizer.get_vocab_size())
    with safe_open(tiny_mini / "model.safetensors", "pt") as kept:
        assert kept.get_tensor("mini.ngrams.spelling").any()


def test_pre_training_leaves_the_ngrams_to_fine_tuning(tiny_mini):
    model = text_classification.load_model(tiny_mini, LABELS)
    assert all(parameter.requires_grad for parameter in model.parameters())


@every_encoder
def test_texts_are_cut_to_the_maximum_length(path):
    tokenizer, _ = load_tokenizer(path, maximum_length=7)
    ids = tokenizer.encode("a b c d e f g h i j").ids
    assert len(ids) == 7 and ids[-1] == 2


def test_a_directory_is_told_from_another_by_its_files(tiny_xlmr, quiet, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_xlmr, copy, copy_function=shutil.copy2)
    assert pretrained.find(str(copy), quiet).digest == pretrained.find(str(tiny_xlmr), quiet).digest
    (copy / "config.json").write_text((copy / "config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert pretrained.find(str(copy), quiet).digest != pretrained.find(str(tiny_xlmr), quiet).digest


def test_a_head_that_was_saved_for_other_labels_is_not_kept(tiny_xlmr, tmp_path):
    saved = text_classification.load_model(tiny_xlmr, ("bad", "good"))
    saved.save_pretrained(tmp_path / "classifier")
    kept = text_classification.load_model(tmp_path / "classifier", ("bad", "good"))
    assert torch.equal(kept.classifier.out_proj.weight, saved.classifier.out_proj.weight)
    renewed = text_classification.load_model(tmp_path / "classifier", ("bad", "good"), new_head=True)
    assert not torch.equal(renewed.classifier.dense.weight, saved.classifier.dense.weight)
    other = text_classification.load_model(tmp_path / "classifier", ("a", "b", "c"), new_head=True)
    assert other.classifier.out_proj.weight.shape[0] == 3
    assert torch.equal(other.roberta.embeddings.word_embeddings.weight, saved.roberta.embeddings.word_embeddings.weight)


def test_an_unknown_model_name_is_refused_with_three_remedies():
    with pytest.raises(ModelError) as caught:
        is_there("no-such/afro-model")
    message = str(caught.value)
    assert "\n" not in message and "'no-such/afro-model' is neither a directory" in message
    for way in ("--model mini", "--model DIRECTORY", "HF_HOME"):
        assert way in message


@pytest.mark.parametrize("path", ["no/such/directory/at/all", "/no/such/directory", "with space"])
def test_a_path_that_is_nowhere_names_them_too(path):
    with pytest.raises(ModelError, match="--model mini"):
        is_there(path)


def test_a_directory_without_a_model(tmp_path):
    for call in (is_there, lambda path: text_classification.load_model(path, LABELS)):
        with pytest.raises(ModelError, match=r"holds no model: config\.json is missing"):
            call(tmp_path)


def test_a_directory_without_weights(tiny_xlmr, tmp_path):
    shutil.copytree(tiny_xlmr, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model_type xlm-roberta\) cannot be loaded: .*model\.safetensors"):
        text_classification.load_model(tmp_path / "model", LABELS)


def test_weights_that_are_pickled_are_refused(tiny_xlmr, tmp_path):
    shutil.copytree(tiny_xlmr, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        text_classification.load_model(tmp_path / "model", LABELS)


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_weights_that_are_broken(tiny_xlmr, tmp_path, content):
    shutil.copytree(tiny_xlmr, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be loaded"):
        text_classification.load_model(tmp_path / "model", LABELS)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model_type": "no-such-type"}'])
def test_a_configuration_that_is_broken(tiny_xlmr, tmp_path, content):
    shutil.copytree(tiny_xlmr, tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(content)
    with pytest.raises(ModelError) as caught:
        is_there(tmp_path / "model")
    assert str(tmp_path / "model") in str(caught.value)


def test_a_tokenizer_without_padding(tiny_xlmr, tmp_path):
    shutil.copytree(tiny_xlmr, tmp_path / "model")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        file = tmp_path / "model" / name
        content = json.loads(file.read_text())
        content.pop("pad_token", None)
        file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="has no padding token"):
        load_tokenizer(tmp_path / "model", maximum_length=8)


def test_a_model_that_reads_fewer_tokens_than_asked(tiny_xlmr):
    with pytest.raises(ModelError, match=r"reads at most 64 tokens.*maximum_length = 128"):
        load_tokenizer(tiny_xlmr, maximum_length=128)
