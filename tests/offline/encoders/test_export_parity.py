"""ONNX against torch, on texts of all lengths; a model that is not the trained one stops the build."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from gradsim_offline.bundle.export import RESULT, Terms, dev_texts, export_group, read_export
from gradsim_offline.bundle.onnx import MODEL_FILE, export
from gradsim_offline.bundle.parity import compare
from gradsim_offline.bundle.precisions import lost
from gradsim_offline.core.dataset import Example
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.models.loading import copy_tokenizer, load_tokenizer
from gradsim_offline.tasks import text_classification
from gradsim_offline.training.batching import pad
from gradsim_offline.training.trained import open_trained
from gradsim_runtime.loading import load_group_model
from gradsim_shared.errors import ModelError

TEXTS = ["", "a", "👍🏽", "🙄 🙄", "ጤና ይስጥልኝ", "Ina kwana?", " ", "<s>", *("ba kyau " * n for n in (1, 3, 9, 30, 200))]
EXACT = 1e-4


@pytest.fixture(scope="module", params=["tiny_mini", "tiny_xlmr"])
def trained(request, small, tmp_path_factory):
    """A directory with a classifier (its head is new, but of large weights) and its tokenizer."""
    encoder = request.getfixturevalue(request.param)
    directory = tmp_path_factory.mktemp("trained")
    torch.manual_seed(2)
    model = text_classification.load_model(encoder, small.labels)
    model.classifier.out_proj.weight.data *= 20
    model.save_pretrained(directory)
    copy_tokenizer(encoder, directory)
    return directory


@pytest.fixture(scope="module")
def exported(trained, small, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / MODEL_FILE
    return path, export(text_classification.load_model(trained, small.labels), path, task=text_classification.PLUGIN)


GROUP = LanguageGroup("g1", ("eng", "hau", "tur"), ("eng", "hau"), {"eng": 0.1, "hau": 0.2, "tur": 0.3})


def write(directory, small, trained, quiet, **options):
    export_group(
        small,
        GROUP,
        trained,
        directory,
        task=text_classification.PLUGIN,
        maximum_length=64,
        progress=quiet,
        **{"tolerance": 1e-3, "most_texts": 8, **options},
    )


def test_the_graph_is_one_file_with_named_dynamic_inputs(exported):
    path, inputs = exported
    assert inputs == ["input_ids", "attention_mask"]
    assert [file.name for file in path.parent.iterdir()] == [MODEL_FILE]
    graph = onnx.load(str(path)).graph
    for entry in [*graph.input, *graph.output]:
        assert entry.type.tensor_type.shape.dim[0].dim_param, f"the batch of {entry.name} is fixed"
    assert graph.input[0].type.tensor_type.shape.dim[1].dim_param


def test_every_batch_equals_torch(exported, trained, small):
    session = onnxruntime.InferenceSession(str(exported[0]), providers=["CPUExecutionProvider"])
    model = text_classification.load_model(trained, small.labels).eval()
    tokenizer, pad_id = load_tokenizer(trained, maximum_length=64)
    ids = text_classification.decoder.Reader(tokenizer, 64).read(TEXTS).ids
    for chosen in ([0], [1], [12], [0, 12], [2, 4, 8], list(range(len(TEXTS))), [12] * 3):
        batch = pad([ids[i] for i in chosen], pad_id)
        with torch.no_grad():
            expected = model(**batch).logits.numpy()
        found = session.run(None, {name: tensor.numpy() for name, tensor in batch.items()})[0]
        np.testing.assert_allclose(found, expected, atol=EXACT, err_msg=str(chosen))


def test_a_group_as_it_is_served(trained, small, quiet, tmp_path, monkeypatch):
    write(tmp_path, small, trained, quiet)
    entry = read_export(tmp_path, "g7")
    assert entry.id == "g7" and entry.tokenizer == "groups/g7/tokenizer.json"
    assert entry.precisions["fp32"].file == "groups/g7/model.onnx"
    parity = entry.precisions["fp32"].parity
    assert parity.texts == 8 and parity.max_difference < EXACT and parity.label_agreement == 1
    assert entry.precisions["fp32"].latency_milliseconds > 0
    assert {file.name for file in tmp_path.iterdir()} == {MODEL_FILE, "tokenizer.json", RESULT}

    contract = Terms(small.task, small.labels, 64)
    served = load_group_model(lambda file: tmp_path / Path(file).name, entry, contract)
    model = open_trained(
        trained, small.labels, task=text_classification.PLUGIN, maximum_length=64, device=torch.device("cpu")
    )
    monkeypatch.setattr("gradsim_offline.training.trained._BATCH", 4)
    expected = np.stack(model.logits(TEXTS))
    assert expected.shape == (len(TEXTS), 1, 3)
    np.testing.assert_allclose(served.logits(TEXTS), expected, atol=EXACT)
    assert [found.answer for found in served.answers(TEXTS)] == model.answers(TEXTS)
    alone = np.stack([served.logits([text])[0] for text in TEXTS])
    np.testing.assert_allclose(alone, expected, atol=EXACT)


def test_the_saved_tokenizer_does_not_cut_or_pad(trained, small, quiet, tmp_path):
    write(tmp_path, small, trained, quiet)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    assert content["truncation"] is None and content["padding"] is None


def test_the_texts_compared_are_dev_texts_of_the_served_languages(small):
    chosen = dev_texts(small, GROUP, 8)
    dev = {code: [e.text for e in small.split(code, "dev")] for code in GROUP.served}
    assert [text in dev["eng"] for text in chosen] == [True] * 4 + [False] * 4
    assert all(text in dev["hau"] for text in chosen[4:]) and len(set(chosen)) == 8
    assert len(dev_texts(small, GROUP, 10_000)) == 9 + 12


def test_tampered_weights_stop_the_build(exported, trained, small, quiet, tmp_path, monkeypatch):
    def tampered(model, path, *, task):
        inputs = export(model, path, task=task)
        graph = onnx.load(str(path))
        weight = max(
            (tensor for tensor in graph.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT),
            key=lambda tensor: tensor.name.endswith("out_proj.bias"),
        )
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32([0, 0.01, 0]), weight.name))
        onnx.save(graph, str(path))
        return inputs

    monkeypatch.setattr("gradsim_offline.bundle.export.export", tampered)
    with pytest.raises(ModelError, match=r"group g1: the exported model is not the trained one: .* up to 0\.01 "):
        write(tmp_path, small, trained, quiet)
    assert not (tmp_path / RESULT).exists()


@pytest.mark.parametrize("flaw", ["one position too few", "other last positions"])
def test_a_model_that_fails_at_its_full_length_only_stops_the_build(trained, small, quiet, tmp_path, monkeypatch, flaw):
    def flawed(model, path, *, task):
        inputs = export(model, path, task=task)
        graph = onnx.load(str(path))
        table = next(tensor for tensor in graph.graph.initializer if "position_embeddings" in tensor.name)
        rows = numpy_helper.to_array(table).copy()
        rows[-30:, ::2] += 100
        table.CopyFrom(numpy_helper.from_array(rows[:-1] if "too few" in flaw else rows, table.name))
        onnx.save(graph, str(path))
        return inputs

    monkeypatch.setattr("gradsim_offline.bundle.export.export", flawed)
    found = "cannot run 1 x 64 tokens: " if "too few" in flaw else r"not the trained one: .*\(seen with 1 x 64 tokens\)"
    with pytest.raises(ModelError, match=f"group g1: the .*model .*{found}") as caught:
        write(tmp_path, small, trained, quiet, tolerance=EXACT)
    assert "\n" not in str(caught.value) and not (tmp_path / RESULT).exists()


def test_another_model_stops_the_build(exported, trained, small, quiet, tmp_path, monkeypatch):
    other = tmp_path / "other"
    torch.manual_seed(99)
    model = text_classification.load_model(trained, small.labels)
    torch.nn.init.normal_(model.classifier.dense.weight)

    def exchanged(_, path, *, task):
        return export(model, path, task=task)

    monkeypatch.setattr("gradsim_offline.bundle.export.export", exchanged)
    other.mkdir()
    with pytest.raises(ModelError, match=r"exporting\.tolerance"):
        write(other, small, trained, quiet)


@pytest.fixture
def logits():
    """Of 50 texts, [1, labels] each; an array, so that tests can change one."""
    return np.random.default_rng(0).normal(size=(50, 1, 3)).astype(np.float32)


def test_compare_accepts_rounding_and_ties(logits):
    logits[3, 0] = [0.5, 0.5, -1]
    noisy = logits.copy()
    noisy[3, 0, 1] += 1e-6
    found = compare(list(noisy), list(logits), name="g", tolerance=1e-3)
    assert found.texts == 50 and found.max_difference == pytest.approx(1e-6, rel=0.1)
    assert found.label_agreement == pytest.approx(49 / 50)


@pytest.mark.parametrize("wrong", [0.01, -3.0, np.nan, np.inf])
def test_compare_refuses_one_wrong_logit(logits, wrong):
    broken = logits.copy()
    broken[17, 0, 2] += wrong
    with pytest.raises(ModelError, match="not the trained one"):
        compare(list(broken), list(logits), name="g", tolerance=1e-3)
    if np.isnan(wrong):
        with pytest.raises(ModelError, match="outputs are not numbers"):
            compare(list(broken), list(broken), name="g", tolerance=1e-3)


def test_an_architecture_that_optimum_does_not_know(small, tmp_path):
    class Unknown(torch.nn.Module):
        class config:  # noqa: N801 - the attribute that is read
            model_type = "nothing-known"

    with pytest.raises(ModelError, match="nothing-known cannot be exported to ONNX"):
        export(Unknown(), tmp_path / MODEL_FILE, task=text_classification.PLUGIN)
    shutil.rmtree(tmp_path)


def test_eight_bits_take_the_place_where_dev_loses_nothing(trained, small, quiet, tmp_path):
    write(tmp_path, small, trained, quiet, precision="int8")
    entry = read_export(tmp_path, "g7")
    form = entry.precisions["int8"]
    assert list(entry.precisions) == ["int8"] and not entry.refused
    assert {file.name for file in tmp_path.iterdir()} == {Path(form.file).name, "tokenizer.json", RESULT}
    assert form.parity.max_difference > EXACT and form.parity.label_agreement > 0.5 and form.latency_milliseconds > 0
    served = load_group_model(lambda file: tmp_path / Path(file).name, entry, Terms(small.task, small.labels, 64))
    assert np.isfinite(np.concatenate(served.logits(TEXTS))).all()


def test_eight_bits_that_lose_are_refused_with_the_reason(trained, small, quiet, tmp_path, monkeypatch):
    def spoilt(model, smaller):
        graph = onnx.load(model)
        for weight in graph.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT:
                weight.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(weight)), weight.name))
        onnx.save(graph, smaller)

    monkeypatch.setattr("gradsim_offline.bundle.export.quantise", spoilt)
    texts = {code: [replace(e, label=a) for e, a in labelled(small, trained, code)] for code in small.languages}
    answered = replace(small, examples={code: {**small.examples[code], "dev": dev} for code, dev in texts.items()})
    write(tmp_path, answered, trained, quiet, precision="auto")
    entry = read_export(tmp_path, "g7")
    assert list(entry.precisions) == ["fp32"]
    assert re.fullmatch(r"(eng|hau) loses \d+\.\d points of weighted_f1 on dev", entry.refused["int8"])
    assert {file.name for file in tmp_path.iterdir()} == {MODEL_FILE, "tokenizer.json", RESULT}


def labelled(small, trained, code):
    """Return the dev texts of a language with what the model answers: they are then its gold."""
    model = open_trained(
        trained, small.labels, task=text_classification.PLUGIN, maximum_length=64, device=torch.device("cpu")
    )
    examples = small.split(code, "dev")
    answers = model.answers([example.text for example in examples])
    other = {label: small.labels[(i + 1) % 3] for i, label in enumerate(small.labels)}
    return [(e, other[a] if i == 0 else a) for i, (e, a) in enumerate(zip(examples, answers, strict=True))]


@pytest.mark.parametrize(
    ("texts", "wrong", "refused"), [(10, 2, False), (10, 3, True), (400, 3, False), (400, 5, True)]
)
def test_two_texts_or_a_hundredth_may_be_lost(texts, wrong, refused):
    """One language of so many dev texts, of which the smaller form answers some wrongly, another loses nothing."""
    dev = {code: [Example(f"{code} {i}", "ab"[i % 2]) for i in range(texts)] for code in ("eng", "hau", "swa", "yor")}
    spoilt = {example.text for example in dev["hau"][:wrong]}

    class Answering:
        def __init__(self, wrong):
            self.wrong = wrong

        def answers(self, inputs):
            gold = {example.text: example.label for examples in dev.values() for example in examples}
            return [SimpleNamespace(answer="c" if text in self.wrong else gold[text]) for text in inputs]

    task = replace(text_classification.PLUGIN, metric=lambda _: "accuracy")
    reason = lost(Answering(set()), Answering(spoilt), dev, task, ("a", "b", "c"))
    mean_lost = wrong / texts / 4 > 0.003
    assert bool(reason) == (refused or mean_lost)
