"""Continued pre-training: perplexity falls, streaming and interruptions change nothing, mistakes are told."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gradsim_offline.core.training_settings import Adapting
from gradsim_offline.training import loop, masked_language_modelling
from gradsim_offline.training.adapt import ADAPTED, adapt, batches, perplexities, read_perplexities
from gradsim_offline.training.batching import IGNORED
from gradsim_offline.training.encoders.pretrained import find
from gradsim_offline.training.masked_language_modelling import open_masked
from gradsim_offline.training.text_folders import Unlabelled, folder_texts
from gradsim_offline.training.text_stream import Listed
from gradsim_shared.errors import ModelError

SETTINGS = Adapting(epochs=2, batch_size=16, learning_rate=3e-3, held_out=5)
STEPS = 4  # an epoch of 56 texts
NAMES = ("input_ids", "attention_mask", "labels")


@pytest.fixture
def run(training_context):
    def adapted(texts, encoder, directory, progress=None, **changes):
        directory.mkdir(exist_ok=True)
        held_out = {code: Listed([lines[0], lines[1]]) for code, lines in texts.items()}
        given = {"progress": progress} if progress else {}
        return adapt(
            Unlabelled(texts, held_out),
            str(encoder),
            directory,
            settings=SETTINGS.model_copy(update=changes),
            context=training_context(seed=1, **given),
        )

    return adapted


@pytest.fixture(params=["tiny_mini", "tiny_xlmr"])
def encoder(request):
    return request.getfixturevalue(request.param)


def equal(first, second):
    one, other = (load_file(directory / "model.safetensors") for directory in (first, second))
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_perplexity_falls_and_the_encoder_can_be_taken_as_a_model(run, lines, encoder, tmp_path, quiet):
    from transformers import AutoModelForSequenceClassification

    from gradsim_offline.models.loading import from_pretrained, load_tokenizer

    few = {code: Listed(own[:2] * 16) for code, own in lines.items()}  # the two that it is judged on
    found = run(few, encoder, tmp_path / "adapted", quiet, epochs=20, learning_rate=1e-2)
    assert list(found) == ["eng", "hau", "tur"]
    assert all(one.texts == 2 and one.after < 0.8 * one.before for one in found.values()), found
    assert read_perplexities(tmp_path / "adapted") == found
    tokenizer, _ = load_tokenizer(tmp_path / "adapted", maximum_length=64)
    assert tokenizer.to_str() == load_tokenizer(encoder, maximum_length=64)[0].to_str()
    model = from_pretrained(AutoModelForSequenceClassification, tmp_path / "adapted", new_head=True)
    saved = load_file(tmp_path / "adapted" / "model.safetensors")
    same = [name for name, value in model.state_dict().items() if name in saved and torch.equal(value, saved[name])]
    assert sum("encoder" in name for name in same) > 10
    before = load_file(encoder / "model.safetensors")
    assert all(torch.equal(before[name], saved[name]) for name in before if ".ngrams." in name)


@pytest.mark.parametrize("often", [True, False], ids=["step", "epoch"])
@pytest.mark.parametrize("stop", [1, STEPS + 2])
def test_an_interrupted_adaptation_ends_where_an_uninterrupted_one_does(
    run, counting, listed, encoder, tmp_path, quiet, stop, often, monkeypatch
):
    if often:
        monkeypatch.setattr(masked_language_modelling, "train", functools.partial(loop.train, save_every_seconds=-1.0))
    run(listed, encoder, tmp_path / "whole", quiet)
    with pytest.raises(KeyboardInterrupt):
        run(listed, encoder, tmp_path / "broken", counting(stop))
    assert not (tmp_path / "broken" / ADAPTED).exists()
    run(listed, encoder, tmp_path / "broken", quiet)
    assert equal(tmp_path / "whole", tmp_path / "broken")
    assert (tmp_path / "whole" / ADAPTED).read_text() == (tmp_path / "broken" / ADAPTED).read_text()


def test_streamed_texts_give_the_weights_of_texts_in_memory(run, listed, folder, tiny_mini, tmp_path, quiet):
    run(listed, tiny_mini, tmp_path / "listed", quiet, most_texts=7)
    run(folder_texts(folder), tiny_mini, tmp_path / "streamed", quiet, most_texts=7)
    assert equal(tmp_path / "listed", tmp_path / "streamed")
    assert (tmp_path / "listed" / ADAPTED).read_text() == (tmp_path / "streamed" / ADAPTED).read_text()
    assert json.loads((tmp_path / "listed" / ADAPTED).read_text())["texts_per_epoch"] == 21


def test_batches_hold_every_text_once_or_a_new_draw_of_each_language(listed):
    whole = [i for batch in batches(listed, 8, most=None, seed=3, epoch=0) for i in batch]
    assert sorted(whole) == list(range(56))
    draws = [sorted(i for batch in batches(listed, 8, most=10, seed=3, epoch=e) for i in batch) for e in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    for drawn in draws:
        assert len(set(drawn)) == 29  # 10 of 17 eng, 10 of 30 hau, 9 tur
        assert [sum(low <= i < high for i in drawn) for low, high in ((0, 17), (17, 47), (47, 56))] == [10, 10, 9]


def test_perplexity_is_that_of_the_model_text_by_text(training_context, listed, encoder, quiet):
    masked = open_masked(encoder, maximum_length=64, seed=0)
    found = perplexities(masked, listed, share=0.3, batch_size=4, context=training_context())
    order = np.argsort(listed["tur"].sizes, kind="stable").tolist()
    collate = masked.collate([listed["tur"]], share=0.3, seed=7919)
    losses = []
    for step, start in enumerate(range(0, len(order), 4)):
        batch = collate(order[start : start + 4], 0, step)
        for ids, mask, labels in zip(*(batch[name] for name in NAMES), strict=True):
            keep, asked = mask.bool(), labels[mask.bool()] != IGNORED
            logits = masked.model(input_ids=ids[keep][None], attention_mask=mask[keep][None]).logits[0]
            answers = labels[keep][asked]
            losses += (-torch.log_softmax(logits[asked], dim=1)[range(len(answers)), answers]).tolist()
    assert found["tur"] == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-4)
    alone = {"tur": listed["tur"], "eng": Listed([])}
    assert perplexities(masked, alone, share=0.3, batch_size=4, context=training_context()) == {"tur": found["tur"]}


def test_texts_of_unknown_pieces_alone_do_no_harm(run, encoder, tmp_path, quiet):
    texts = {"jpn": Listed(["\u6f22\u5b57", "\u4eee\u540d", "\u6587"])}
    run(texts, encoder, tmp_path / "adapted", quiet)
    saved = load_file(tmp_path / "adapted" / "model.safetensors")
    assert all(value.isfinite().all() for value in saved.values() if value.is_floating_point())


def test_a_language_without_held_out_texts_has_no_perplexity(training_context, listed, tiny_mini, tmp_path, quiet):
    texts = Unlabelled({"eng": Listed(["one text"]), "hau": listed["hau"]}, {"eng": Listed([]), "hau": listed["tur"]})
    found = adapt(
        texts,
        str(tiny_mini),
        tmp_path,
        settings=Adapting(epochs=1),
        context=training_context(),
    )
    assert list(found) == ["hau"]


def test_a_model_without_a_head_or_a_mask_is_refused(run, tiny_xlmr, tmp_path, quiet, listed):
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    GPT2LMHeadModel(GPT2Config(vocab_size=400, n_embd=8, n_layer=1, n_head=1, n_positions=64)).save_pretrained(
        tmp_path / "gpt"
    )
    AutoTokenizer.from_pretrained(tiny_xlmr).save_pretrained(tmp_path / "gpt")
    with pytest.raises(ModelError, match=r"gpt \(model_type gpt2\) has no masked-language-modelling head; take an"):
        run(listed, tmp_path / "gpt", tmp_path / "out", quiet)
    from transformers import AutoModel

    AutoModel.from_pretrained(tiny_xlmr).save_pretrained(tmp_path / "maskless")
    backend = AutoTokenizer.from_pretrained(tiny_xlmr).backend_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", model_max_length=64).save_pretrained(
        tmp_path / "maskless"
    )
    with pytest.raises(ModelError, match=r"tokenizer of .*maskless has no mask token"):
        run(listed, tmp_path / "maskless", tmp_path / "out", quiet)
    with pytest.raises(ModelError, match="mini is made by a build: run `gradsim-offline encoder"):
        find("mini", quiet)
    with pytest.raises(ModelError, match="neither a directory nor"):
        run(listed, "no/such", tmp_path / "out", quiet)
