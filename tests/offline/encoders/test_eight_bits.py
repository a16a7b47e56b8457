"""Graphs in 8 bits: products and rows stay close to the whole ones, whatever else is in a batch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from gradsim_offline.models.eight_bits import in_eight_bits

WIDTH, INNER, ROWS = 96, 128, 200


@pytest.fixture(scope="module")
def model():
    """Embeddings, two products that share an activation, one whose second input is no weight, and a small one."""
    random = np.random.default_rng(0)
    shapes = {"table": (ROWS, WIDTH), "first": (WIDTH, INNER), "second": (WIDTH, INNER), "small": (INNER, 3)}
    weights = [numpy_helper.from_array(random.normal(size=s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["states"]),
        helper.make_node("MatMul", ["states", "first"], ["a"]),
        helper.make_node("MatMul", ["states", "second"], ["b"]),
        helper.make_node("Transpose", ["b"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["a", "turned"], ["attention"]),
        helper.make_node("MatMul", ["attention", "b"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "small"], ["out"]),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("states", "a", "b", "out")]
    graph = helper.make_graph(nodes, "g", [ids], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model, ids):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(("states", "a", "b", "out"), session.run(None, {"ids": np.array(ids)}), strict=True))


def test_rows_and_products_stay_close(model):
    ids = np.random.default_rng(1).integers(0, ROWS, (3, 7))
    whole, small = run(model, ids), run(in_eight_bits(model), ids)
    for name, expected in whole.items():
        assert np.abs(small[name] - expected).max() < 0.04 * np.abs(expected).max(), name
    by_row = np.abs(whole["states"]).max(axis=-1, keepdims=True) / 127
    assert (np.abs(small["states"] - whole["states"]) <= by_row / 2 + 1e-6).all()


def test_an_outlier_beside_a_text_changes_nothing(model):
    import onnx

    loud = onnx.ModelProto()
    loud.CopyFrom(model)
    table = numpy_helper.to_array(loud.graph.initializer[0]).copy()
    table[0] *= 1000
    loud.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    small = in_eight_bits(loud)
    alone, beside = run(small, [[5, 6, 7]]), run(small, [[5, 6, 7], [0, 0, 0]])
    assert np.allclose(alone["a"][0], beside["a"][0], rtol=1e-5, atol=1e-5)


def test_weights_take_a_quarter_and_small_ones_stay_whole(model):
    small = in_eight_bits(model)
    kept = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    assert kept["small"] == TensorProto.FLOAT and "table" not in kept and "first" not in kept
    assert len(small.SerializeToString()) < 0.35 * len(model.SerializeToString())
    assert [each.name for each in small.graph.input] == ["ids"]
