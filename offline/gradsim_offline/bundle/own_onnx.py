"""What optimum must know to export our own architectures: their inputs, all with dynamic batch and sequence axes."""

from __future__ import annotations

from typing import ClassVar

from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.utils import NormalizedTextConfig

_AXES = {0: "batch_size", 1: "sequence_length"}


class MiniOnnxConfig(TextEncoderOnnxConfig):
    """The mini encoder's: ``input_ids`` and ``attention_mask``."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    DEFAULT_ONNX_OPSET = 18
    MIN_TORCH_VERSION: ClassVar = TextEncoderOnnxConfig.MIN_TORCH_VERSION

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Name the inputs and their dynamic axes."""
        return {"input_ids": _AXES, "attention_mask": _AXES}


class NGramsOnnxConfig(MiniOnnxConfig):
    """The classifier's over n-grams: ``input_ids`` alone, for padding has a weight of its own, which is 0."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(vocab_size="rows")

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Name the input and its dynamic axes."""
        return {"input_ids": _AXES}
