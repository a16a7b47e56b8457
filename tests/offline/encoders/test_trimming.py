"""Trimmed vocabularies: texts of kept pieces read and answer as before, and every other text is still read."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.models.trimming import trim
from gradsim_shared.errors import ModelError

KINDS = ("Unigram", "BPE", "WordPiece")
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
NAMES = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def tokenizer_of(kind, texts):
    """Return a tokenizer of 500 pieces, trained on the texts."""
    if kind == "Unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=500, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        )
    elif kind == "BPE":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=500, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if kind == "BPE":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    else:
        around = [("<s>", 0), ("</s>", 2)]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=around)
    return tokenizer


def write_encoder(kind, texts, directory):
    """Write a tiny encoder with a masked-language-modelling head, its embeddings a few rows longer than needed."""
    tokenizer = tokenizer_of(kind, texts)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **NAMES).save_pretrained(directory)
    sizes = {
        "vocab_size": tokenizer.get_vocab_size() + 7,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 70,
        "pad_token_id": 1,
    }
    torch.manual_seed(0)
    model = RobertaForMaskedLM(RobertaConfig(**sizes)) if kind == "BPE" else BertForMaskedLM(BertConfig(**sizes))
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def encoders(texts, tmp_path_factory):
    """An encoder of each kind of tokenizer, and what is left of it for every third text."""
    made = {}
    for kind in KINDS:
        whole, small = (tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("small"))
        write_encoder(kind, texts, whole)
        made[kind] = (whole, small, trim(whole, texts[::3], small))
    return made


@pytest.fixture(params=KINDS)
def pair(request, encoders):
    """Tokenizer and model, before and after."""
    whole, small, _ = encoders[request.param]
    return [
        (load_tokenizer(path, maximum_length=64)[0], AutoModelForMaskedLM.from_pretrained(path).eval())
        for path in (whole, small)
    ]


def reads_alike(pair, text):
    """Compare what both make of a text of kept pieces: pieces, places in the text, logits of the kept pieces."""
    (whole, model), (small, trimmed) = pair
    old, new = whole.encode(text), small.encode(text)
    assert (new.tokens, new.offsets) == (old.tokens, old.offsets)
    assert new.ids == [small.token_to_id(whole.id_to_token(number)) for number in old.ids]
    there = [whole.token_to_id(small.id_to_token(number)) for number in range(small.get_vocab_size())]
    with torch.inference_mode():
        before = model(torch.tensor([old.ids])).logits[0][:, there]
        after = trimmed(torch.tensor([new.ids])).logits[0]
    assert torch.allclose(after, before, atol=1e-5, rtol=0)


def test_the_texts_it_was_made_for_are_read_as_before(pair, texts):
    for text in texts[::3]:
        reads_alike(pair, text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_text_of_kept_pieces_is_read_as_before_and_any_other_is_read(pair, texts, data):
    words = sorted({word for text in texts for word in text.split()})
    either = st.one_of(st.sampled_from(words), st.text(max_size=6), st.text("aeiou bdknrstIƙɗ.!👍ü", max_size=12))
    text = "".join(data.draw(st.lists(st.one_of(either, st.just(" ")), max_size=12)))
    (whole, _), (small, _) = pair
    kept = small.get_vocab()
    if all(whole.id_to_token(number) in kept for number in whole.encode(text).ids):
        reads_alike(pair, text)
    encoding = small.encode(text)
    assert encoding.ids[0] == 0 and encoding.ids[-1] == 2 and max(encoding.ids) < len(kept)


@pytest.mark.parametrize("kind", KINDS)
def test_special_pieces_and_single_characters_stay_and_pieces_are_counted(encoders, kind):
    whole, small, trimmed = encoders[kind]
    before, after = (Tokenizer.from_file(str(path / "tokenizer.json")).get_vocab() for path in (whole, small))
    assert (trimmed.kept, trimmed.of) == (len(after), len(before)) and len(after) < len(before)
    assert {piece: after[piece] for piece in SPECIAL} == {piece: before[piece] for piece in SPECIAL}
    singles = {piece for piece in before if len(piece.removeprefix("##")) == 1}
    assert singles <= set(after)
    assert sorted(after.values()) == list(range(len(after)))
    config = json.loads((small / "config.json").read_text(encoding="utf-8"))
    assert config["vocab_size"] == len(after)
    assert (small / "model.safetensors").stat().st_size < (whole / "model.safetensors").stat().st_size
    assert AutoTokenizer.from_pretrained(small).mask_token_id == after["<mask>"]


def test_unigram_weighs_unknown_characters_as_before(tmp_path):
    """With the rarest piece gone, an unknown character would cost less, and another path would be the best."""
    vocabulary = [("<unk>", 0.0), ("<pad>", 0.0), ("ab", -14.0), ("cd", -14.0), ("bcd", -2.0), ("zz", -20.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 0))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(tmp_path)
    BertForMaskedLM(
        BertConfig(vocab_size=6, hidden_size=12, num_hidden_layers=1, num_attention_heads=1, intermediate_size=24,
                   pad_token_id=1)
    ).save_pretrained(tmp_path)  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    assert tokenizer.encode("abcd").tokens == ["ab", "cd"]
    trim(tmp_path, ["abcd", "bcd"], out)
    assert Tokenizer.from_file(str(out / "tokenizer.json")).encode("abcd").tokens == ["ab", "cd"]


def test_changed_and_lost_texts_are_counted(texts, encoders, tmp_path):
    whole, _, _ = encoders["WordPiece"]
    tokenizer, _ = load_tokenizer(whole, maximum_length=64)
    vocabulary = tokenizer.get_vocab()
    kept = [text for text in texts if text.isascii()]
    judged = {"same": kept, "other": texts, "words": [text.split() for text in kept], "none": []}
    trimmed = trim(whole, kept, tmp_path, judged=judged)
    assert trimmed.judged["same"].changed == trimmed.judged["same"].lost == 0
    assert trimmed.judged["words"].texts == len(kept) and trimmed.judged["none"].changed_share == 0
    after = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    changed = sum(not set(tokenizer.encode(text).tokens) <= set(after.get_vocab()) for text in texts)
    assert trimmed.judged["other"].changed == changed > 0 and len(after.get_vocab()) < len(vocabulary)


def test_scripts_of_strays_go_and_common_pieces_stay(tmp_path):
    latin, cyrillic = [f"kyau sosai {i}" for i in range(3000)], ["очень хорошо"]
    write_encoder("WordPiece", latin + cyrillic * 300, tmp_path)
    for texts, there in ((latin + cyrillic, False), (latin + cyrillic * 4, True)):
        out = tmp_path / str(there)
        out.mkdir()
        trimmed = trim(tmp_path, texts, out, judged={"dev": ["шо", "kyau"]})
        vocabulary = Tokenizer.from_file(str(out / "tokenizer.json")).get_vocab()
        assert ("##ш" in vocabulary) is there
        dev = trimmed.judged["dev"]
        assert (dev.lost, dev.lost_scripts) == ((0, ()) if there else (1, ("CYRILLIC",)))
    sizes = []
    for texts in (latin, latin + cyrillic * 4):
        out = tmp_path / f"common-{len(texts)}"
        out.mkdir()
        sizes.append(trim(tmp_path, texts, out, common=10_000))
    assert sizes[0].kept < sizes[1].kept == sizes[1].of


def test_what_cannot_be_trimmed_is_said(texts, tmp_path):
    write_encoder("Unigram", texts, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    changed = config | {"max_position_embeddings": config["vocab_size"]}
    (tmp_path / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match="its max_position_embeddings is as large as its vocabulary"):
        trim(tmp_path, texts, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
