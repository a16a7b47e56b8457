"""The linear classifier over TF-IDF n-grams as a torch module in Hugging Face form, to be scored and exported as any.

Its tokenizer is a table of n-grams (``gradsim_shared/ngrams.py``). scikit-learn trains it (``training/linear.py``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from gradsim_shared.ngrams import COUNTS, PADDING

MODEL_TYPE = "gradsim-ngrams"


class NGramsConfig(PretrainedConfig):
    """Sizes; saved as config.json."""

    model_type = MODEL_TYPE

    def __init__(self, rows: int = 2, first_word: int = 1, pad_token_id: int = PADDING, **rest: Any) -> None:  # noqa: ANN401 - what PretrainedConfig takes
        super().__init__(pad_token_id=pad_token_id, **rest)
        self.rows = rows
        self.first_word = first_word


class NGramsForSequenceClassification(PreTrainedModel):
    """Logits are linear in two vectors of unit length: the TF-IDF of the character n-grams, and of the word n-grams.

    TF is ``1 + ln(count)``. Weights and IDF are kept in 16 bits.
    """

    config_class = NGramsConfig
    base_model_prefix = "ngrams"

    def __init__(self, config: NGramsConfig) -> None:
        super().__init__(config)
        half = torch.float16
        self.weight = nn.Parameter(torch.zeros(config.rows, config.num_labels, dtype=half), requires_grad=False)
        self.inverse_frequency = nn.Parameter(torch.zeros(config.rows, 1, dtype=half), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(config.num_labels), requires_grad=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Start from zero."""

    def forward(self, input_ids: Tensor, **_: Any) -> SequenceClassifierOutput:  # noqa: ANN401
        """Classify texts from the ids of their n-grams, ``[batch, n-grams]``; the logits are ``[batch, labels]``."""
        rows = torch.div(input_ids, COUNTS, rounding_mode="floor")
        counts = (input_ids - rows * COUNTS).clamp(min=1).float()
        values = (1 + counts.log()) * self.inverse_frequency[rows].float()[..., 0]  # [batch, n-grams]; padding: 0
        words = (rows >= self.config.first_word).float()
        weights = self.weight[rows].float()  # [batch, n-grams, labels]
        logits: Tensor = self.bias
        for block in (values * (1 - words), values * words):
            length = block.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
            logits = logits + torch.bmm((block / length)[:, None], weights)[:, 0]
        return SequenceClassifierOutput(logits=logits)


AutoConfig.register(MODEL_TYPE, NGramsConfig, exist_ok=True)
AutoModelForSequenceClassification.register(NGramsConfig, NGramsForSequenceClassification, exist_ok=True)
