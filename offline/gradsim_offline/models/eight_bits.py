"""Put an exported encoder into 8 bits: weights by column, activations by token, embeddings by row.

Every token has a scale of its own, so a text's answer does not depend on the texts that run beside it, as it does
where one scale is taken over a whole batch (onnxruntime's dynamic quantisation). Matrices use 7 of their bits: CPUs
without VNNI or the like add two products in 16 bits, which larger ones would overflow; so all CPUs answer alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_LARGEST = 127
_LARGEST_FACTOR = 63  # of a matrix: 2 x 255 x 63 < 2^15
_SMALLEST_SCALE = 1e-9
_OPERATORS = "com.microsoft"  # onnxruntime's own
_FEWEST = 4096  # numbers of a weight: smaller ones stay whole


def in_eight_bits(model: ModelProto) -> ModelProto:
    """Return a graph whose matrices and embeddings have 8 bits; its inputs and outputs are the same.

    A matrix is one that a ``MatMul`` has as its second input; embeddings are what a ``Gather`` takes rows of.
    """
    import onnx

    quantised = onnx.ModelProto()
    quantised.CopyFrom(model)
    graph = quantised.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    rewriting = _Rewriting(weights)
    nodes = [new for node in graph.node for new in rewriting.replaced(node)]
    used = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *rewriting.constants.values()])
    if _OPERATORS not in {each.domain for each in quantised.opset_import}:
        quantised.opset_import.append(onnx.helper.make_opsetid(_OPERATORS, 1))
    return quantised


@dataclass
class _Rewriting:
    """Replaces nodes of a graph.

    Attributes:
        weights: Of the graph, by name.
        constants: New ones, by name.
        tokens: Activations that are quantised already: their bytes and scales, by name.
    """

    weights: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)

    def replaced(self, node: NodeProto) -> list[NodeProto]:
        """Return what takes the place of a node: itself, where it has no weight of some size."""
        place = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        tensor = self.weights.get(node.input[place]) if place is not None else None
        if tensor is None or len(tensor.dims) != 2 or tensor.dims[0] * tensor.dims[1] < _FEWEST:
            return [node]
        from onnx import numpy_helper

        weight = numpy_helper.to_array(tensor)
        if weight.dtype != np.float32:
            return [node]
        return self._product(node, weight) if node.op_type == "MatMul" else self._rows(node, weight)

    def _product(self, node: NodeProto, weight: NDArray[np.float32]) -> list[NodeProto]:
        """Multiply bytes, then scale by column and by token."""
        from onnx import helper

        name, (values, scales) = node.output[0], _rounded(weight, 0, _LARGEST_FACTOR)
        nodes, (bytes_, by_token) = self._quantised(node.input[0])
        inputs = [
            bytes_,
            self._constant(f"{node.input[1]}/bytes", values),
            self._constant("one", np.float32(1)),
            self._constant(f"{node.input[1]}/scales", scales[0]),
            self._constant("middle", np.uint8(128)),
        ]
        nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [f"{name}/by-column"], domain=_OPERATORS))
        nodes.append(helper.make_node("Mul", [f"{name}/by-column", by_token], [name]))
        return nodes

    def _quantised(self, name: str) -> tuple[list[NodeProto], tuple[str, str]]:
        """Return the nodes that quantise activations, once, and the names of bytes and scales."""
        if name in self.tokens:
            return [], self.tokens[name]
        from onnx import helper

        largest, last = self._constant("largest", np.float32(_LARGEST)), self._constant("last", np.array([-1]))
        smallest = self._constant("smallest", np.float32(_SMALLEST_SCALE))
        one, middle = self._constant("one", np.float32(1)), self._constant("middle", np.uint8(128))
        steps = ("size", "most", "bounded", "scale", "scaled", "bytes")
        size, most, bounded, scale, scaled, bytes_ = (f"{name}/{step}" for step in steps)
        self.tokens[name] = bytes_, scale
        return [
            helper.make_node("Abs", [name], [size]),
            helper.make_node("ReduceMax", [size, last], [most], keepdims=1),
            helper.make_node("Max", [most, smallest], [bounded]),
            helper.make_node("Div", [bounded, largest], [scale]),
            helper.make_node("Div", [name, scale], [scaled]),
            helper.make_node("QuantizeLinear", [scaled, one, middle], [bytes_]),
        ], self.tokens[name]

    def _rows(self, node: NodeProto, table: NDArray[np.float32]) -> list[NodeProto]:
        """Take rows of bytes, and scale each."""
        from onnx import TensorProto, helper

        values, scales = _rounded(table, 1, _LARGEST)
        table_name, (output,) = node.input[0], node.output
        bytes_, by_row = self._constant(f"{table_name}/bytes", values), self._constant(f"{table_name}/scales", scales)
        return [
            helper.make_node("Gather", [bytes_, node.input[1]], [f"{output}/row-bytes"]),
            helper.make_node("Cast", [f"{output}/row-bytes"], [f"{output}/row"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [by_row, node.input[1]], [f"{output}/row-scale"]),
            helper.make_node("Mul", [f"{output}/row", f"{output}/row-scale"], [output]),
        ]

    def _constant(self, name: str, value: Any) -> str:  # noqa: ANN401 - a number or an array
        from onnx import numpy_helper

        full = f"eight-bits/{name}"
        if full not in self.constants:
            self.constants[full] = numpy_helper.from_array(np.asarray(value), full)
        return full


def _rounded(weight: NDArray[np.float32], axis: int, largest: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a weight in whole numbers up to ``largest``, and its scales, which have the length 1 along ``axis``."""
    scales = np.maximum(np.abs(weight).max(axis=axis, keepdims=True) / largest, _SMALLEST_SCALE).astype(np.float32)
    return np.round(weight / scales).clip(-largest, largest).astype(np.int8), scales
