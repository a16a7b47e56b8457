"""What optimum must know to export the mini encoder: its inputs, and that it takes no example of images or the like."""

from __future__ import annotations

from typing import ClassVar

from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.utils import NormalizedTextConfig


class MiniOnnxConfig(TextEncoderOnnxConfig):
    """Inputs ``input_ids`` and ``attention_mask``, both with dynamic batch and sequence axes."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    DEFAULT_ONNX_OPSET = 18
    MIN_TORCH_VERSION: ClassVar = TextEncoderOnnxConfig.MIN_TORCH_VERSION

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Name the inputs and their dynamic axes."""
        axes = {0: "batch_size", 1: "sequence_length"}
        return {"input_ids": axes, "attention_mask": axes}
