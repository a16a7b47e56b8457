"""Open an exported model the way the service does: one onnxruntime session, one tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import onnxruntime
from tokenizers import Tokenizer

from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Group


class Contract(Protocol):
    """What a model must know of its bundle: a manifest, or what will become one."""

    @property
    def task(self) -> str:
        """What is predicted."""

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the model's outputs."""

    @property
    def maximum_length(self) -> int:
        """Tokens that the model reads at once."""

    @property
    def segmentation(self) -> str:
        """The rule that splits raw text into words."""

    @property
    def normalisation(self) -> int:
        """The version of the text normalisation that the model was trained with."""


def open_model(model: Path, tokenizer: Path, group: Group, contract: Contract, *, threads: int = 0) -> GroupModel:
    """Open ``model.onnx`` and ``tokenizer.json``; 0 threads: as many as there are cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return GroupModel(
        session,
        Tokenizer.from_file(str(tokenizer)),
        group,
        task=contract.task,
        labels=contract.labels,
        maximum_length=contract.maximum_length,
        segmentation=contract.segmentation,
        normalisation=contract.normalisation,
    )
