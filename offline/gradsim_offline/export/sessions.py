"""Open an exported model the way the service does: one onnxruntime session, one tokenizer."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
from tokenizers import Tokenizer

from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Group


def open_model(model: Path, tokenizer: Path, group: Group, *, maximum_length: int, threads: int = 0) -> GroupModel:
    """Open ``model.onnx`` and ``tokenizer.json``; 0 threads: as many as there are cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return GroupModel(session, Tokenizer.from_file(str(tokenizer)), group, maximum_length)
