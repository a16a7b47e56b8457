"""A linear head over the pooled outputs of a frozen trunk, in Hugging Face form, to be scored and exported as any."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

MODEL_TYPE = "gradsim-linear-head"


class LinearHeadConfig(PretrainedConfig):
    """Its width; saved as config.json."""

    model_type = MODEL_TYPE

    def __init__(self, width: int = 2, **rest: Any) -> None:  # noqa: ANN401 - what PretrainedConfig takes
        super().__init__(**rest)
        self.width = width


class LinearHead(PreTrainedModel):
    """Logits are linear in a text's features."""

    config_class = LinearHeadConfig
    base_model_prefix = "trunk"

    def __init__(self, config: LinearHeadConfig) -> None:
        super().__init__(config)
        self.out = nn.Linear(config.width, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Start from zero."""
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, features: Tensor, **_: Any) -> SequenceClassifierOutput:  # noqa: ANN401
        """Classify texts from the trunk's outputs, ``[texts, width]``; the logits are ``[texts, labels]``."""
        return SequenceClassifierOutput(logits=self.out(features))


AutoConfig.register(MODEL_TYPE, LinearHeadConfig, exist_ok=True)
AutoModelForSequenceClassification.register(LinearHeadConfig, LinearHead, exist_ok=True)
