"""Put the exported models of an ensemble into one graph, which reads its inputs once and averages their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from gradsim_offline.training.ensemble import Average
from gradsim_shared.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

LARGEST = 2**31 - 1  # bytes of an ONNX file: it is one protobuf message


def merge(models: Sequence[ModelProto], average: Average, *, several_labels: bool = False) -> ModelProto:
    """Return one model with the inputs and the output of each of these.

    Tensors that several models hold, such as the spelling of the pieces in ``mini``, are kept once. What is computed
    from these and the inputs alone is then the same in every model, and onnxruntime computes it once.

    Args:
        models: With the same inputs, and logits as their first output.
        average: As training/ensemble.py averages.
        several_labels: Likewise.

    Raises:
        ModelError: The graph is larger than a file can be.
    """
    from onnx import compose, helper

    first = models[0]
    parts = [compose.add_prefix(model, f"model{i}/", rename_inputs=False) for i, model in enumerate(models)]
    tensors = share([part.graph for part in parts])
    size = sum(tensor.ByteSize() for tensor in tensors)
    if size > LARGEST:
        raise ModelError(
            f"the {len(models)} models of an ensemble have {size / 2**30:.1f} GiB of weights, and an ONNX file holds "
            "2 GiB at most; set training.distil=true to serve one model of it, or a smaller training.ensemble"
        )
    output = first.graph.output[0].name
    nodes = [node for part in parts for node in part.graph.node]
    members = [part.graph.output[0].name for part in parts]
    by_label = several_labels and average != "logits"
    nodes += _log_odds(members, output) if by_label else _averaging(members, output, average)
    graph = helper.make_graph(nodes, "ensemble", first.graph.input, first.graph.output[:1], initializer=tensors)
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)


def share(graphs: Sequence[GraphProto]) -> list[TensorProto]:
    """Let the nodes of all graphs use the first of equal tensors, and return those that differ."""
    kept: dict[bytes, TensorProto] = {}
    for graph in graphs:
        names = {}
        for tensor in graph.initializer:
            names[tensor.name] = kept.setdefault(_digest(tensor), tensor).name
            names[tensor.name.partition("/")[2]] = names[tensor.name]  # onnx puts no prefix on it in inner graphs
        _rename_inputs(graph, names)
    return list(kept.values())


def _rename_inputs(graph: GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):  # what a condition or a loop runs
                _rename_inputs(inner, names)


def _digest(tensor: TensorProto) -> bytes:
    from onnx import numpy_helper

    content = numpy_helper.to_array(tensor)
    return sha256(repr((tensor.data_type, content.shape)).encode() + content.tobytes()).digest()


def _averaging(members: Sequence[str], output: str, average: Average) -> list[NodeProto]:
    """Return the nodes that make ``output`` of the members' logits; the exponentials are at most 1, their sum is not 0.

    Probabilities: with l the members' log-softmax and m their maximum, m + log mean exp(l - m), label by label.
    """
    from onnx import helper

    if average == "logits":
        return [helper.make_node("Mean", members, [output])]
    logs = [f"average/log{i}" for i in range(len(members))]
    nodes = [helper.make_node("LogSoftmax", [one], [log], axis=-1) for one, log in zip(members, logs, strict=True)]
    return [*nodes, *_log_mean(logs, output, "average")]


def _log_odds(members: Sequence[str], output: str) -> list[NodeProto]:
    """Return the nodes that make ``output`` of logits of labels by themselves: the log-odds of their mean chance."""
    from onnx import helper

    nodes = []
    for side, sign in (("have", -1.0), ("not", 1.0)):  # log of the logistic of z: -softplus(-z)
        nodes.append(helper.make_node("Constant", [], [f"{side}/sign"], value_float=sign))
        logs = []
        for i, one in enumerate(members):
            signed, soft, log = (f"{side}/{kind}{i}" for kind in ("signed", "soft", "log"))
            nodes.append(helper.make_node("Mul", [one, f"{side}/sign"], [signed]))
            nodes.append(helper.make_node("Softplus", [signed], [soft]))
            nodes.append(helper.make_node("Neg", [soft], [log]))
            logs.append(log)
        nodes += _log_mean(logs, f"{side}/mean", side)
    return [*nodes, helper.make_node("Sub", ["have/mean", "not/mean"], [output])]


def _log_mean(logs: Sequence[str], output: str, name: str) -> list[NodeProto]:
    """Return the nodes that make ``output`` of logarithms: that of the mean of what they are of."""
    from onnx import helper

    exponentials = [f"{name}/exp{i}" for i in range(len(logs))]
    nodes = [helper.make_node("Max", logs, [f"{name}/maximum"])]
    for log, exponential in zip(logs, exponentials, strict=True):
        nodes.append(helper.make_node("Sub", [log, f"{name}/maximum"], [f"{log}/below"]))
        nodes.append(helper.make_node("Exp", [f"{log}/below"], [exponential]))
    nodes.append(helper.make_node("Mean", exponentials, [f"{name}/of_exp"]))
    nodes.append(helper.make_node("Log", [f"{name}/of_exp"], [f"{name}/logarithm"]))
    nodes.append(helper.make_node("Add", [f"{name}/maximum", f"{name}/logarithm"], [output]))
    return nodes
