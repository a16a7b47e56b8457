"""A tiny bundle whose models take some milliseconds a text and more than a megabyte of memory each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import tiny_bundle
from onnx import helper, numpy_helper

WIDTH = 512
"""Of the matrix that costs the time: 1 MiB."""


def build(directory: Path, rounds: int = 60) -> Path:
    """Write the bundle into ``directory`` and return it.

    Args:
        directory: Must not exist.
        rounds: Products of each token with the matrix.
    """
    tiny_bundle.build(directory)
    for number, model in enumerate(sorted(directory.rglob("model.onnx"))):
        slow_down(model, rounds, number)
    tiny_bundle.write_manifest(directory, threshold=0.5)
    return directory


def slow_down(path: Path, rounds: int, number: int = 0) -> None:
    """Let a model compute more, and answer the same; ``number`` makes its file one of its own."""
    model = onnx.load(path)
    graph = model.graph
    matrix = np.eye(WIDTH, dtype=np.float32)
    matrix[0, 1] = number / 1000
    first = np.full((3, WIDTH), 0.01, np.float32)
    added = [helper.make_node("MatMul", ["embedded", "slow_first"], ["slow_0"])]
    added += [
        helper.make_node("MatMul", [f"slow_{step}", "slow_matrix"], [f"slow_{step + 1}"]) for step in range(rounds)
    ]
    added += [
        helper.make_node("ReduceMean", [f"slow_{rounds}", "slow_axes"], ["slow_mean"], keepdims=1),
        helper.make_node("Mul", ["slow_mean", "slow_zero"], ["slow_nothing"]),
        helper.make_node("Add", ["embedded", "slow_nothing"], ["slow_embedded"]),  # [texts, tokens, labels]
    ]
    place = next(row for row, node in enumerate(graph.node) if "embedded" in node.output) + 1
    for node in graph.node:
        for row, name in enumerate(node.input):
            if name == "embedded":
                node.input[row] = "slow_embedded"
    nodes = [*graph.node[:place], *added, *graph.node[place:]]
    del graph.node[:]
    graph.node.extend(nodes)
    constants = {"first": first, "matrix": matrix, "axes": np.array([2]), "zero": np.zeros(1, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(array, f"slow_{name}") for name, array in constants.items())
    onnx.save(model, str(path))
