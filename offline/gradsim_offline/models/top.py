"""The top: the upper blocks of a pre-trained encoder under a head, which read the hidden states of a frozen trunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput

from gradsim_offline.models.label_loss import label_loss
from gradsim_offline.models.loading import from_pretrained
from gradsim_shared.errors import ModelError

MODEL_TYPE = "gradsim-top"
_TOLERANCE = 1e-3


class TopConfig(PretrainedConfig):
    """The encoder that the blocks come from, and how many; saved as config.json.

    Args:
        encoder: Its configuration, as a dictionary.
        first_block: How many blocks of it lie below.
        dropout: In the head.
        attention: transformers' name of how attention is computed.
        rest: As for any configuration.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        first_block: int = 0,
        dropout: float = 0.1,
        attention: str = "sdpa",
        **rest: Any,  # noqa: ANN401 - what PretrainedConfig takes
    ) -> None:
        super().__init__(**rest)
        self.encoder, self.first_block, self.dropout = encoder or {}, first_block, dropout
        self.attention = attention


class _Through(nn.Module):
    """Takes the place of embeddings: what comes in is what they would have said."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> Tensor:  # noqa: ANN401
        return inputs_embeds


class _Top(PreTrainedModel):
    """Upper blocks; what comes in are the hidden states below them, ``[texts, tokens, width]``."""

    config_class = TopConfig
    base_model_prefix = "top"

    def __init__(self, config: TopConfig) -> None:
        super().__init__(config)
        below = AutoConfig.for_model(**config.encoder) if config.encoder else None
        if below is not None:
            self.top = AutoModel.from_config(below, attn_implementation=config.attention)
            self.top.embeddings = _Through()
            _drop_pooler(self.top)
            self.width = int(below.hidden_size)

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise a new layer as the encoder's are."""
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(std=0.02)
            if module.bias is not None:
                module.bias.data.zero_()

    def states(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Return what the last block says, ``[texts, tokens, width]``."""
        states: Tensor = self.top(inputs_embeds=hidden_states, attention_mask=attention_mask).last_hidden_state
        return states


class TopForSequenceClassification(_Top):
    """Two linear layers over the mean of the last block's outputs."""

    def __init__(self, config: TopConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(self.width, self.width)
        self.out = nn.Linear(self.width, config.num_labels)
        self.post_init()

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Classify texts; the logits are ``[texts, labels]``."""
        states = self.states(hidden_states, attention_mask)
        mask = attention_mask[..., None].to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        logits = self.out(self.dropout(torch.tanh(self.dense(self.dropout(mean)))))
        loss = None if labels is None else label_loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class TopForTokenClassification(_Top):
    """A linear layer over each of the last block's outputs."""

    def __init__(self, config: TopConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(self.width, config.num_labels)
        self.post_init()

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> TokenClassifierOutput:
        """Tag tokens; the logits are ``[texts, tokens, labels]``."""
        logits = self.out(self.dropout(self.states(hidden_states, attention_mask)))
        loss = None if labels is None else label_loss(logits, labels)
        return TokenClassifierOutput(loss=loss, logits=logits)


def save_top(path: str | Path, directory: Path, *, trained_blocks: int) -> None:
    """Write the upper blocks of an encoder, above those of ``load_hidden``, for heads of any task to be put on.

    Raises:
        ModelError: Its blocks cannot stand alone.
    """
    whole: Any = from_pretrained(AutoModel, path)
    blocks = int(whole.config.num_hidden_layers)
    first = blocks - trained_blocks
    below = whole.config.to_dict() | {"num_hidden_layers": trained_blocks, "vocab_size": 2}
    below = {name: value for name, value in below.items() if name not in ("architectures", "torch_dtype", "dtype")}
    for padding in ("pad_token_id", "bos_token_id", "eos_token_id"):
        below[padding] = 0
    top: Any = TopForTokenClassification(TopConfig(encoder=below, first_block=first, num_labels=2))
    kept = _layers(whole, blocks, path)[first:]
    for new, old in zip(_layers(top.top, trained_blocks, path), kept, strict=True):
        new.load_state_dict(old.state_dict())
    _check(whole, top, first, path)
    top.save_pretrained(directory)


def _layers(model: Any, blocks: int, path: str | Path) -> nn.ModuleList:  # noqa: ANN401 - a PreTrainedModel
    """Return an encoder's blocks, in order."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == blocks:
            return module
    raise ModelError(f"{path} (model_type {model.config.model_type}) has no list of blocks that could be divided")


def _drop_pooler(model: Any) -> None:  # noqa: ANN401 - a PreTrainedModel
    """Remove the layer over the first token that some encoders have: nothing reads it."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None


@torch.inference_mode()
def _check(whole: Any, top: _Top, first: int, path: str | Path) -> None:  # noqa: ANN401 - a PreTrainedModel
    """Raise ``ModelError`` if the blocks answer otherwise on top of the others than inside the encoder."""
    whole, top = whole.eval(), top.eval()
    ids = torch.randint(5, int(whole.config.vocab_size), (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    try:
        hidden = whole(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        found, expected = top.states(hidden[first], mask), hidden[-1]
        difference = float((found - expected)[mask.bool()].abs().max())
    except Exception as error:  # an architecture may raise anything
        raise ModelError(f"{path} cannot be divided into trunk and top: {error}") from error
    if not difference <= _TOLERANCE * max(1.0, float(expected.abs().max())):
        raise ModelError(
            f"{path} (model_type {whole.config.model_type}) cannot be divided into trunk and top: its upper blocks say "
            "something else alone than inside it; train all (training.trained_blocks = all), or none (0)"
        )


AutoConfig.register(MODEL_TYPE, TopConfig, exist_ok=True)
AutoModelForSequenceClassification.register(TopConfig, TopForSequenceClassification, exist_ok=True)
AutoModelForTokenClassification.register(TopConfig, TopForTokenClassification, exist_ok=True)
