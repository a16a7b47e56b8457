"""The mini encoder: a small transformer over pieces beside hashed character n-grams of the whole text.

Small data is read best by its characters: the pieces carry their spelling, the model spells the text out again and
looks up every character n-gram, across piece borders, in a hashed table (as fastText and TF-IDF models do), while a
pre-norm transformer reads the pieces. All of it happens inside the graph: tokenizer.json and model.onnx are enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling, MaskedLMOutput, SequenceClassifierOutput

from gradsim_offline.models.label_loss import label_loss
from gradsim_offline.models.masked_loss import summed_cross_entropy

_PRIME = 2_147_483_647  # 2^31 - 1: products with _MULTIPLIER stay below 2^63
_MULTIPLIER = 1_000_003


class MiniConfig(PretrainedConfig):
    """Sizes of the mini encoder; saved as config.json."""

    model_type = "gradsim-mini"

    def __init__(
        self,
        vocab_size: int = 12_000,
        hidden_size: int = 128,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 4,
        intermediate_size: int = 512,
        max_position_embeddings: int = 128,
        ngram_buckets: int = 1 << 18,
        ngram_size: int = 32,
        ngram_orders: tuple[int, ...] = (2, 3, 4, 5),
        longest_piece: int = 16,
        dropout: float = 0.2,
        ngram_dropout: float = 0.5,
        view_dropout: float = 0.25,
        pad_token_id: int = 1,
        **rest: Any,  # noqa: ANN401 - what PretrainedConfig takes
    ) -> None:
        super().__init__(pad_token_id=pad_token_id, **rest)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        self.ngram_buckets = ngram_buckets
        self.ngram_size = ngram_size
        self.ngram_orders = list(ngram_orders)
        self.longest_piece = longest_piece
        self.dropout = dropout
        self.ngram_dropout = ngram_dropout
        self.view_dropout = view_dropout


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.attention_norm = nn.LayerNorm(config.hidden_size)
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.attention_output = nn.Linear(config.hidden_size, config.hidden_size)
        self.feedforward_norm = nn.LayerNorm(config.hidden_size)
        self.intermediate = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # [batch, tokens, width], [batch, 1, 1, tokens]
        """Return ``[batch, tokens, width]``: attention and feed-forward, each with a residual connection."""
        batch, tokens, width = x.shape
        projected = self.query_key_value(self.attention_norm(x)).view(batch, tokens, 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)  # [batch, heads, tokens, width / heads]
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.dropout(self.attention_output(attended.transpose(1, 2).reshape(batch, tokens, width)))
        return x + self.dropout(self.output(F.gelu(self.intermediate(self.feedforward_norm(x)))))


class Pieces(nn.Module):
    """The transformer over pieces: embeddings with positions, blocks, a last norm."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.embedding_norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.layer = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:  # [batch, tokens] -> [batch, tokens, width]
        """Embed the pieces and run the blocks."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.dropout(self.embedding_norm(self.word_embeddings(ids) + self.position_embeddings(positions)))
        for block in self.layer:
            x = block(x, mask[:, None, None, :].bool())
        return self.norm(x)


class NGrams(nn.Module):
    """A bag of hashed character n-grams: their weighted embeddings, summed and divided by the root of their number.

    The root keeps what the L2 norm of a TF-IDF vector keeps; the weights start from the inverse document frequency.
    """

    spelling: Tensor  # [vocabulary, longest_piece]: the code points of each piece, 0 is padding

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.orders = tuple(config.ngram_orders)
        self.drop = config.ngram_dropout
        self.embeddings = nn.Embedding(config.ngram_buckets, config.ngram_size, padding_idx=0, sparse=True)
        self.weights = nn.Embedding(config.ngram_buckets, 1, padding_idx=0, sparse=True)
        self.register_buffer("spelling", torch.zeros(config.vocab_size, config.longest_piece, dtype=torch.int64))

    def characters(self, ids: Tensor) -> Tensor:
        """Spell the pieces out, without gaps between them: ``[batch, tokens] -> [batch, characters]``, 0 is padding."""
        spelled = self.spelling[ids].flatten(1)  # [batch, tokens * longest_piece], with gaps
        present = (spelled > 0).to(torch.int64)
        places = torch.where(present > 0, present.cumsum(1) - 1, spelled.shape[1])  # gaps fall off the end
        close = spelled.new_zeros(spelled.shape[0], 1).expand(-1, spelled.shape[1] + 1).scatter(1, places, spelled)
        return close[:, : present.sum(1).max()]

    def buckets(self, ids: Tensor) -> Tensor:
        """Return the bucket of every n-gram, ``[batch, characters, orders]``; 0 where there is none."""
        return self.hashed(self.characters(ids))

    def hashed(self, characters: Tensor, salt: int = 0) -> Tensor:
        """Hash the n-grams that end at each character, ``[batch, characters] -> [batch, characters, orders]``."""
        code = torch.zeros_like(characters)
        shifted = characters
        found = []
        for order in range(1, max(self.orders) + 1):
            code = (code * _MULTIPLIER + shifted + 17) % _PRIME
            if order in self.orders:
                bucket = (code * 40_503 + order + salt) % _PRIME % (self.embeddings.num_embeddings - 1) + 1
                found.append(torch.where((characters > 0) & (shifted > 0), bucket, 0))
            shifted = F.pad(shifted, (1, 0))[:, :-1]  # the character before
        return torch.stack(found, dim=-1)

    def forward(self, ids: Tensor) -> Tensor:  # [batch, tokens] -> [batch, ngram_size]
        """Return the weighted sum of the n-gram embeddings of each text."""
        buckets = self.buckets(ids).flatten(1)
        if self.training and self.drop:
            buckets = torch.where(torch.rand(buckets.shape, device=buckets.device) < self.drop, 0, buckets)
        present = (buckets > 0).to(self.weights.weight.dtype)
        weights = self.weights(buckets)[..., 0] * present  # [batch, n-grams]
        summed = torch.bmm(weights[:, None], self.embeddings(buckets))[:, 0]
        return summed / present.sum(1, keepdim=True).clamp(min=1).sqrt()


class MiniPreTrainedModel(PreTrainedModel):
    """The base class of all mini models: configuration class and initial weights."""

    config_class = MiniConfig
    base_model_prefix = "mini"

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)
            if module.padding_idx is not None:
                with torch.no_grad():
                    module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class MiniModel(MiniPreTrainedModel):
    """The encoder: hidden states of the pieces, and one vector per text from pieces and n-grams together."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__(config)
        self.encoder = Pieces(config)
        self.ngrams = NGrams(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the piece embeddings."""
        return self.encoder.word_embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> BaseModelOutputWithPooling:  # noqa: ANN401
        """Encode pieces, ``[batch, tokens]``; the pooled output is ``[batch, hidden_size + ngram_size]``."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.encoder(input_ids, mask)  # [batch, tokens, width]
        weights = mask[..., None].to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        bag = self.ngrams(input_ids)
        if self.training and self.config.view_dropout:
            chance = torch.rand(len(mean), 1, device=mean.device)  # view dropout: at random, one view only
            mean = mean * (chance >= self.config.view_dropout)
            bag = bag * (chance < 1 - self.config.view_dropout)
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=torch.cat([mean, bag], dim=1))


class ClassificationHead(nn.Module):
    """Dense, tanh, linear: the head of RoBERTa's classifiers."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size + config.ngram_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, pooled: Tensor) -> Tensor:  # [batch, width] -> [batch, labels]
        """Return the logits."""
        return self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(pooled)))))


class MiniForSequenceClassification(MiniPreTrainedModel):
    """The encoder with a classification head."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.mini = MiniModel(config)
        self.classifier = ClassificationHead(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,  # noqa: ANN401
    ) -> SequenceClassifierOutput:
        """Classify texts; with ``labels`` the output has their ``label_loss``."""
        logits = self.classifier(self.mini(input_ids, attention_mask).pooler_output)
        loss = None if labels is None else label_loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class MiniForMaskedLM(MiniPreTrainedModel):
    """The encoder with a masked-language-modelling head whose output weights are the piece embeddings."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__(config)
        self.mini = MiniModel(config)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,  # noqa: ANN401
    ) -> MaskedLMOutput:
        """Predict pieces; with ``labels`` (``-100``: ignored) only the labelled positions are computed.

        In training on a CPU there are no logits: the loss is taken slice by slice.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.mini.encoder(input_ids, mask)
        asked = hidden if labels is None else hidden[labels != -100]  # [asked, width]
        predicted = self.norm(F.gelu(self.dense(asked)))
        weight = self.mini.encoder.word_embeddings.weight
        if labels is not None and self.training and hidden.device.type == "cpu":
            total = summed_cross_entropy(predicted, weight, self.bias, labels[labels != -100])
            return MaskedLMOutput(loss=total / max(1, len(asked)))
        logits = F.linear(predicted, weight, self.bias)
        loss = None
        if labels is not None:  # a batch without labels has the loss 0
            loss = F.cross_entropy(logits, labels[labels != -100], reduction="sum") / max(1, len(asked))
        return MaskedLMOutput(loss=loss, logits=logits)


def is_mini(path: str | Path) -> bool:
    """Return whether a directory holds a mini."""
    config = Path(path) / "config.json"
    return config.is_file() and f'"{MiniConfig.model_type}"' in config.read_text(encoding="utf-8")


AutoConfig.register(MiniConfig.model_type, MiniConfig, exist_ok=True)
AutoModel.register(MiniConfig, MiniModel, exist_ok=True)
AutoModelForMaskedLM.register(MiniConfig, MiniForMaskedLM, exist_ok=True)
AutoModelForSequenceClassification.register(MiniConfig, MiniForSequenceClassification, exist_ok=True)
