"""Export a trained model, or all models of an ensemble, to ONNX through optimum."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gradsim_offline.bundle.ensemble_graph import merge
from gradsim_offline.models.linear_head import LinearHead
from gradsim_offline.models.loading import first_line
from gradsim_offline.models.top import TopConfig
from gradsim_offline.models.tracing import OPSET, TOKENS, example_mask, exporting, trace
from gradsim_offline.training.ensemble import Ensemble
from gradsim_offline.training.task import Task
from gradsim_shared.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL_FILE = "model.onnx"


def export(model: nn.Module, path: Path, *, task: Task) -> list[str]:
    """Write ``model``, or an ensemble as one graph, to ``path`` and return the names of its inputs, in order.

    Raises:
        ModelError: optimum cannot export this architecture, or the ensemble is too large for one file.
    """
    import onnx

    if isinstance(model, LinearHead):
        graph = linear_graph(model)
    elif isinstance(getattr(model, "config", None), TopConfig):
        graph = _top_graph(model)
    elif isinstance(model, Ensemble):
        graph = merge(
            [_graph(member, task) for member in model.members], model.average, several_labels=model.several_labels
        )
    else:
        graph = _graph(model, task)
    onnx.save(graph, str(path))
    return [entry.name for entry in graph.graph.input]


def linear_graph(head: LinearHead) -> ModelProto:
    """Return a linear head as an ONNX graph: one matrix product of ``features``, ``[texts, width]``."""
    from onnx import TensorProto, helper, numpy_helper

    weight, bias = (parameter.detach().cpu().numpy() for parameter in (head.out.weight, head.out.bias))
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["texts", weight.shape[1]])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(bias)])
    product = helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"], transB=1)
    constants = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph([product], "head", [features], [logits], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _top_graph(model: Any) -> ModelProto:  # noqa: ANN401 - a top of any task
    """Return a top as an ONNX graph; in: ``hidden_states``, ``[texts, tokens, width]``, and ``attention_mask``."""
    import onnx

    config = copy.deepcopy(model.config)
    config.attention = "eager"  # a graph of plain products
    whole = type(model)(config).eval()
    whole.load_state_dict(model.state_dict())
    inputs = {"hidden_states": torch.zeros(2, 9, model.width), "attention_mask": example_mask()}
    with tempfile.TemporaryDirectory() as scratch, exporting(_cannot(model)):
        draft = Path(scratch) / MODEL_FILE
        trace(whole, draft, inputs, "logits", TOKENS)
        return onnx.load(str(draft))


def _graph(model: nn.Module, task: Task) -> ModelProto:
    """Return a model as an ONNX graph."""
    import onnx
    from optimum.exporters.onnx import export as export_with_optimum

    with tempfile.TemporaryDirectory() as scratch, exporting(_cannot(model)):
        draft = Path(scratch) / MODEL_FILE
        export_with_optimum(model.eval().cpu(), export_configuration(model, task), draft, opset=OPSET)
        return onnx.load(str(draft))  # one file, also where the exporter split it


def export_configuration(model: nn.Module, task: Task) -> object:
    """Return optimum's export configuration of an architecture: its own, or ours for mini.

    Raises:
        ModelError: It has none.
    """
    import optimum.exporters.onnx.model_configs  # noqa: F401 - registers the architectures
    from optimum.exporters.tasks import TasksManager

    from gradsim_offline.bundle.own_onnx import MiniOnnxConfig, NGramsOnnxConfig
    from gradsim_offline.models.mini import MiniConfig
    from gradsim_offline.models.ngrams import NGramsConfig

    if isinstance(model.config, MiniConfig):
        return MiniOnnxConfig(model.config, task=task.export_task)
    if isinstance(model.config, NGramsConfig):
        return NGramsOnnxConfig(model.config, task=task.export_task)
    try:
        make = TasksManager.get_exporter_config_constructor(
            "onnx", model=model, task=task.export_task, library_name="transformers"
        )
        return make(model.config)
    except (ValueError, KeyError, NotImplementedError, AttributeError) as error:
        raise ModelError(f"{_cannot(model)}: {first_line(error)}") from error


def _cannot(model: nn.Module) -> str:
    kind = getattr(model.config, "model_type", type(model).__name__)
    return f"the architecture {kind} cannot be exported to ONNX, which serving needs"
