"""An exported ensemble is one graph that answers as torch does; a build puts it into a bundle that answers."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from quick_builds import quickly
from scipy.special import softmax

import gradsim_offline.pipeline.build as building
from gradsim_offline.bundle import ensemble_graph
from gradsim_offline.bundle.onnx import MODEL_FILE, export
from gradsim_offline.bundle.scoring import golds
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.evaluate.answers_here import open_here
from gradsim_offline.training.ensemble import Ensemble, read_members
from gradsim_offline.training.task import load_task
from gradsim_offline.training.trained import open_trained
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import ModelError

EXACT = 1e-4
CPU = torch.device("cpu")
CASES = [
    ("small", "tiny_mini", "probabilities"),
    ("small", "tiny_xlmr", "logits"),
    ("tagged", "tiny_mini", "logits"),
    ("tagged", "tiny_xlmr", "probabilities"),
]


def new_models(dataset, encoder, count=3):
    """Return models with heads of large weights, so that they are sure of different labels."""
    task, models = load_task(dataset.task), []
    for seed in range(count):
        torch.manual_seed(seed)
        models.append(task.load_model(str(encoder), dataset.labels, new_head=True).eval())
        with torch.no_grad():
            for name, parameter in models[-1].named_parameters():
                parameter.mul_(20 if "classifier" in name else 1 + 0.1 * seed)
    return models


@pytest.fixture(params=CASES, ids=["-".join(case) for case in CASES])
def scene(request):
    dataset, encoder = (request.getfixturevalue(name) for name in request.param[:2])
    return dataset, request.param[2], new_models(dataset, encoder)


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path.with_suffix(".optimised"))
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def test_one_graph_answers_as_torch(scene, tmp_path):
    dataset, average, models = scene
    task = load_task(dataset.task)
    inputs = export(Ensemble(models, average), tmp_path / MODEL_FILE, task=task)
    assert inputs == ["input_ids", "attention_mask"]
    graph = onnx.load(str(tmp_path / MODEL_FILE)).graph
    onnx.checker.check_model(str(tmp_path / MODEL_FILE))
    for entry in [*graph.input, *graph.output]:
        assert entry.type.tensor_type.shape.dim[0].dim_param, f"the batch of {entry.name} is fixed"
    served, single = session(tmp_path / MODEL_FILE), tmp_path / "single.onnx"
    export(models[0], single, task=task)
    for batch, tokens in ((1, 3), (4, 11), (1, 48)):
        ids = torch.randint(5, 200, (batch, tokens))
        mask = torch.ones_like(ids)
        mask[0, tokens // 2 + 1 :] = 0
        with torch.no_grad():
            each = np.stack([model(input_ids=ids, attention_mask=mask).logits.numpy() for model in models])
        found = served.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        assert len(found) == 1 and np.ptp(each, axis=0).max() > 1
        if average == "logits":
            np.testing.assert_allclose(found[0], each.mean(axis=0), atol=EXACT)
        else:
            np.testing.assert_allclose(np.exp(found[0]), softmax(each, axis=-1).mean(axis=0), atol=EXACT)
    if models[0].config.model_type == "gradsim-mini":  # hashing is the same in all: kept once, computed once
        session(single)
        whole, one = (onnx.load(str(tmp_path / f"{name}.optimised")).graph for name in ("model", "single"))
        hashing = [[node for node in g.node if node.op_type in ("Mod", "CumSum")] for g in (whole, one)]
        assert len(hashing[0]) == len(hashing[1]) > 3
        tables = [tensor for tensor in whole.initializer if list(tensor.dims) == [models[0].config.vocab_size, 16]]
        assert len(tables) == 1, "the spelling of the pieces"


def test_sure_models_that_contradict_each_other_have_finite_logits(small, tiny_xlmr, tmp_path):
    models = new_models(small, tiny_xlmr, 2)
    for model, sign in zip(models, (1e4, -1e4), strict=True):
        model.classifier.out_proj.bias.data = torch.tensor([sign, -sign, 0.0])
    export(Ensemble(models, "probabilities"), tmp_path / MODEL_FILE, task=load_task(small.task))
    ids = np.ones((1, 4), np.int64)
    found = session(tmp_path / MODEL_FILE).run(None, {"input_ids": ids, "attention_mask": ids})[0]
    assert np.isfinite(found).all() and softmax(found[0]).tolist() == pytest.approx([0.5, 0.5, 0])


def test_an_ensemble_too_large_for_a_file(small, tiny_xlmr, tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble_graph, "LARGEST", 200_000)
    ensemble = Ensemble(new_models(small, tiny_xlmr), "logits")
    with pytest.raises(ModelError, match=r"3 models .* an ONNX file holds 2 GiB at most; set training\.distil=true"):
        export(ensemble, tmp_path / MODEL_FILE, task=load_task(small.task))


def test_what_a_condition_runs_finds_the_tensors_that_are_shared(tmp_path):
    """No architecture here has a graph inside its graph; others may."""

    def model(number):
        shared = helper.make_tensor("shared", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
        own = helper.make_tensor("own", onnx.TensorProto.FLOAT, [2], [number, 0.0])
        value = helper.make_tensor_value_info("chosen", onnx.TensorProto.FLOAT, None)
        branches = {
            f"{name}_branch": helper.make_graph([helper.make_node("Identity", [tensor], ["chosen"])], name, [], [value])
            for name, tensor in (("then", "shared"), ("else", "own"))
        }
        nodes = [
            helper.make_node("If", ["condition"], ["picked"], **branches),
            helper.make_node("Add", ["picked", "x"], ["logits"]),
        ]
        inputs = [
            helper.make_tensor_value_info("condition", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 2]),
        ]
        output = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 2])
        graph = helper.make_graph(nodes, "one", inputs, [output], initializer=[shared, own])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    merged = ensemble_graph.merge([model(4.0), model(8.0)], "logits")
    assert len(merged.graph.initializer) == 3
    onnx.save(merged, str(tmp_path / MODEL_FILE))
    x, ready = np.ones((1, 2), np.float32), session(tmp_path / MODEL_FILE)
    assert ready.run(None, {"condition": np.array(True), "x": x})[0].tolist() == [[2.0, 3.0]]
    assert ready.run(None, {"condition": np.array(False), "x": x})[0].tolist() == [[7.0, 1.0]]


@pytest.mark.parametrize(
    ("data", "encoder"), [("small", "tiny_mini"), pytest.param("tagged", "tiny_xlmr", marks=pytest.mark.slow)]
)
def test_a_build_makes_a_bundle_that_answers(data, encoder, tmp_path, quiet, request, monkeypatch):
    dataset = request.getfixturevalue(data)
    monkeypatch.setattr(building, "load_data", lambda _: dataset)
    schedule = {"epochs": 1, "batch_size": 16, "learning_rate": 2e-3}
    chosen = Settings(
        model=str(request.getfixturevalue(encoder)),
        maximum_length=48,
        device="cpu",
        measuring=schedule,
        training={**schedule, "ensemble": 2},
        grouping={"groups": 2},
        ngrams={"beside": False},
        exporting={"precision": "fp32"},
    )
    with quickly():
        bundle = open_bundle(building.build(chosen, tmp_path / "run", quiet))
    manifest = bundle.manifest
    assert [group.ensemble for group in manifest.groups] == [2] * len(manifest.groups)
    here = open_here(bundle.directory, manifest)
    folders = [path.parent for path in (tmp_path / "run" / "train").glob("*/training.json")]
    trained = {tuple(json.loads((path / "training.json").read_text())["served"]): path for path in folders}
    for group in manifest.groups:
        served = tuple(one.code for one in manifest.languages if one.group == group.id)
        assert len(read_members(trained[served]).models) == 2
        model = open_trained(
            trained[served], dataset.labels, task=load_task(dataset.task), maximum_length=48, device=CPU
        )
        for code in served:
            inputs = [example.input for example in dataset.split(code, "test")]
            texts = [example.text for example in dataset.split(code, "test")]
            assert golds(here.predictor.answers(inputs, here.predictor.routes(texts, code))) == model.answers(inputs)
