"""An exported tagger gives the tags of the trained one: on every dev sentence, in any batch, given as words or raw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from gradsim_offline.bundle.export import RESULT, Terms, export_group, read_export
from gradsim_offline.bundle.onnx import export
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.models.loading import copy_tokenizer
from gradsim_offline.models.mini_tagging import shape_codes
from gradsim_offline.tasks.token_classification import PLUGIN as task
from gradsim_offline.training.trained import open_trained
from gradsim_runtime.loading import load_group_model
from gradsim_shared.errors import ModelError
from gradsim_shared.segmentation import join

EXACT = 1e-4
LENGTH = 48
POS = ("ADJ", "NOUN", "VERB")
GROUP = LanguageGroup("g1", ("eng", "hau", "tur"), ("eng", "hau", "tur"), {"eng": 0.1, "hau": 0.2, "tur": 0.3})
ODD = [
    (),
    ("a",),
    ("👍🏽",),
    ("ጤና", "ይስጥልኝ"),
    ("\x00",),
    ("<s>", "</s>"),
    ("x" * 300,),
    ("new york", "ta\u0301"),
    ("Kano",) * 500,
]


def trained_at(encoder, labels, directory):
    """Write a tagger with its tokenizer; its head is new, but of large weights, so that it is sure of its tags."""
    torch.manual_seed(2)
    model = task.load_model(encoder, labels, new_head=True)
    [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1].weight.data *= 20
    model.save_pretrained(directory)
    copy_tokenizer(encoder, directory)
    return directory


@pytest.fixture(scope="module", params=["tiny_mini", "tiny_xlmr"])
def encoder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def trained(encoder, tagged, tmp_path_factory):
    return trained_at(encoder, tagged.labels, tmp_path_factory.mktemp("tagger"))


def write(directory, tagged, trained, quiet):
    export_group(
        tagged,
        GROUP,
        trained,
        directory,
        task=task,
        maximum_length=LENGTH,
        tolerance=1e-3,
        most_texts=15,
        progress=quiet,
    )


@pytest.fixture(scope="module")
def exported(trained, tagged, quiet, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported")
    write(directory, tagged, trained, quiet)
    return directory


def opened(exported, trained, tagged, segmentation="words"):
    """Return the exported model, as the service opens it, and the trained one."""
    contract = Terms(tagged.task, tagged.labels, LENGTH, segmentation)
    served = load_group_model(lambda file: exported / Path(file).name, read_export(exported, "g1"), contract)
    return served, open_trained(trained, tagged.labels, task=task, maximum_length=LENGTH, device=torch.device("cpu"))


def test_the_same_tags_on_every_dev_sentence(exported, trained, tagged):
    served, model = opened(exported, trained, tagged)
    inputs = [example.input for code in tagged.languages for example in tagged.split(code, "dev")]
    tags = [found.answer for found in served.answers(inputs)]
    assert tags == model.answers(inputs)
    assert [len(mine) for mine in tags] == list(map(len, inputs)) and max(map(len, inputs)) > LENGTH
    assert len({tag for mine in tags for tag in mine}) > 1, "a model that says one thing only would show nothing"
    for mine, theirs in zip(served.logits(inputs), model.logits(inputs), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=EXACT)


def test_any_words_in_any_batch(exported, trained, tagged, monkeypatch):
    served, model = opened(exported, trained, tagged)
    expected = model.logits(ODD)
    assert [mine.shape for mine in expected] == [(len(words), len(tagged.labels)) for words in ODD]
    alone = [served.logits([words])[0] for words in ODD[1:]]
    for mine, single, theirs in zip(served.logits(ODD)[1:], alone, expected[1:], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=EXACT)
        np.testing.assert_allclose(single, theirs, atol=EXACT)
    assert [found.answer for found in served.answers(ODD)] == model.answers(ODD)
    assert served.answers([()])[0].answer == model.answers([()])[0] == ()
    monkeypatch.setattr("gradsim_offline.training.trained._BATCH", 2)
    monkeypatch.setattr("gradsim_shared.token_model.CHUNK_TOKENS", 100)
    for mine, theirs in zip([*served.logits(ODD), *model.logits(ODD)], expected * 2, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=EXACT)


def test_raw_text_is_tagged_as_its_words(exported, trained, tagged):
    """The data's words are those of the rule ``words``, so that a client who sends text gets what was scored."""
    served, _ = opened(exported, trained, tagged)
    examples = [example for code in tagged.languages for example in tagged.split(code, "dev")]
    raw, words = (served.answers([getattr(e, name) for e in examples]) for name in ("text", "words"))
    assert [found.answer for found in raw] == [found.answer for found in words]
    for example, found, given in zip(examples, raw, words, strict=True):
        assert all(example.text[e.start : e.end] == e.text for e in found.prediction.entities)
        assert all(join(example.words)[e.start : e.end] == e.text for e in given.prediction.entities)
        assert [e.type for e in found.prediction.entities] == [e.type for e in given.prediction.entities]


def test_what_the_manifest_says_of_it(exported):
    precision = read_export(exported, "g1").precisions["fp32"]
    assert precision.parity.texts == 15 and precision.parity.max_difference < EXACT
    assert precision.parity.label_agreement == 1 and precision.latency_milliseconds > 0


def test_parts_of_speech(encoder, tagged, quiet, tmp_path):
    examples = {
        code: {
            "dev": [replace(e, tags=tuple(POS[len(word) % 3] for word in e.words)) for e in tagged.split(code, "dev")]
        }
        for code in tagged.languages
    }
    data = replace(tagged, labels=POS, examples=examples)
    trained_at(encoder, POS, tmp_path)
    write(tmp_path, data, tmp_path, quiet)
    served, model = opened(tmp_path, tmp_path, data)
    inputs = [example.input for code in data.languages for example in data.split(code, "dev")]
    found = served.answers(inputs)
    assert [one.answer for one in found] == model.answers(inputs)
    assert all([word.tag for word in one.prediction.words] == list(one.answer) for one in found)
    assert {tag for one in found for tag in one.answer} == set(POS)


def test_tampered_weights_stop_the_build(trained, tagged, quiet, tmp_path, monkeypatch):
    def tampered(model, path, *, task):
        inputs = export(model, path, task=task)
        graph = onnx.load(str(path))
        bias = next(t for t in graph.graph.initializer if t.name.endswith("bias") and t.dims == [len(tagged.labels)])
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.01), bias.name))
        onnx.save(graph, str(path))
        return inputs

    monkeypatch.setattr("gradsim_offline.bundle.export.export", tampered)
    with pytest.raises(ModelError, match=r"the exported model is not the trained one: .* up to 0\.01 "):
        write(tmp_path, tagged, trained, quiet)
    assert not (tmp_path / RESULT).exists()


def test_shapes_are_computed_when_a_saved_encoder_has_none(tiny_mini):
    model = task.load_model(tiny_mini, ("O", "B-PER", "I-PER"), new_head=True)
    assert torch.equal(model.words.shapes, shape_codes())
    assert [chr(model.words.shapes[ord(sign)]) for sign in "Kk7-ka"] == ["X", "x", "9", "-", "x", "x"]
    assert chr(model.words.shapes[ord("አ")]) == "o"


def test_a_tagger_that_cannot_run_its_longest_windows_stops_the_build(trained, tagged, quiet, tmp_path, monkeypatch):
    def flawed(model, path, *, task):
        inputs = export(model, path, task=task)
        graph = onnx.load(str(path))
        table = next(tensor for tensor in graph.graph.initializer if "position_embeddings" in tensor.name)
        rows = numpy_helper.to_array(table)
        table.CopyFrom(numpy_helper.from_array(rows[: LENGTH - 1], table.name))
        onnx.save(graph, str(path))
        return inputs

    monkeypatch.setattr("gradsim_offline.bundle.export.export", flawed)
    with pytest.raises(ModelError, match=rf"group g1: the model cannot run 1 x {LENGTH} tokens: "):
        write(tmp_path, tagged, trained, quiet)
