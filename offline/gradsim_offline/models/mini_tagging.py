"""Mini as a tagger: each word from its own character n-grams, those of its neighbours, and what the transformer reads.

The graph finds the words by the mark that the tokenizer puts before each of them, so it needs no other input.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification
from transformers.modeling_outputs import TokenClassifierOutput

from gradsim_offline.models.mini import MiniConfig, MiniModel, MiniPreTrainedModel, NGrams

WORD_MARK = ord("▁")
_BORDERS = (WORD_MARK, 2, 3)  # a word, the start of the text and its end
REACH = 2  # neighbours on either side
_IGNORED = -100
_CODES = 1 << 16  # shapes are known of the basic plane; others are letters without case
_SALT = 100
_KINDS = {"Lu": "X", "Lt": "X", "Ll": "x", "Nd": "9"}


def shape_codes() -> Tensor:
    """Return what stands for each code point in a shape: X, x, 9, o for other letters and marks; signs stay."""
    codes = torch.arange(_CODES)
    for code in range(128 // 4, _CODES):
        category = unicodedata.category(chr(code))
        if category in _KINDS:
            codes[code] = ord(_KINDS[category])
        elif category[0] in "LM":
            codes[code] = ord("o")
    return codes


class WordNGrams(nn.Module):
    """The bag of n-grams of each word and of its neighbours, from the encoder's own table.

    Beside its letters' n-grams a word has those of its shape: ``Kano-2`` is also ``Xxxx-9``.
    """

    shapes: Tensor  # [_CODES]: what stands for each code point in a word's shape

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.orders = tuple(config.ngram_orders)
        self.drop = config.ngram_dropout
        self.register_buffer("shapes", shape_codes())

    def fill(self) -> None:
        """Compute the shapes."""
        with torch.no_grad():
            self.shapes.copy_(shape_codes())

    def forward(self, ids: Tensor, table: NGrams) -> Tensor:
        """Return ``[batch, tokens, (2 REACH + 1) ngram_size]``: for each token, of the word that it is a part of."""
        bags = self._bags(ids, table)  # [batch, words, size]
        beside = F.pad(bags, (0, 0, REACH, REACH))
        word = _starts(table.spelling[ids][..., 0]).cumsum(1)  # [batch, tokens]
        views = [_at(beside, word + offset) for offset in range(2 * REACH + 1)]
        return torch.cat(views, dim=-1)

    def _bags(self, ids: Tensor, table: NGrams) -> Tensor:
        """Return the bag of every word, ``[batch, words, size]``; that of number 0 is empty."""
        characters = table.characters(ids)
        word = torch.where(characters > 0, _starts(characters).cumsum(1), 0)  # [batch, characters]
        shaped = self.shapes[characters.clamp(max=_CODES - 1)]
        buckets = torch.cat([table.hashed(characters), table.hashed(shaped, salt=_SALT)], dim=-1)
        owner = torch.stack([self._owner(word, order) for order in (*self.orders, *self.orders)], dim=-1)
        owner = torch.where(buckets > 0, owner, 0).flatten(1)  # [batch, n-grams]
        if self.training and self.drop:
            owner = torch.where(torch.rand(owner.shape, device=owner.device) < self.drop, 0, owner)
        numbers = torch.arange(ids.shape[1] + 1, device=ids.device)  # no more words than tokens
        mine = ((owner[:, None, :] == numbers[:, None]) & (owner[:, None, :] > 0)).to(table.weights.weight.dtype)
        flat = buckets.flatten(1)
        weighted = table.embeddings(flat) * table.weights(flat)  # [batch, n-grams, size]
        return torch.bmm(mine, weighted) / mine.sum(2, keepdim=True).clamp(min=1).sqrt()

    @staticmethod
    def _owner(word: Tensor, order: int) -> Tensor:
        """Return the word of each n-gram that ends at a character: all but its last character must be of one word.

        The last may be the mark of the next word, so that a word's ending is seen as such.
        """
        before = F.pad(word, (1, 0))[:, :-1]
        first = F.pad(word, (order - 1, 0))[:, : word.shape[1]]
        return torch.where(before == first, first, 0)


def _starts(characters: Tensor) -> Tensor:
    """Return 1 where a word begins, else 0."""
    found = characters == _BORDERS[0]
    for border in _BORDERS[1:]:
        found = found | (characters == border)
    return found.to(torch.int64)


def _at(bags: Tensor, word: Tensor) -> Tensor:  # [batch, words, size], [batch, tokens] -> [batch, tokens, size]
    places = word.clamp(max=bags.shape[1] - 1)
    return bags.gather(1, places[..., None].expand(-1, -1, bags.shape[2]))


class TaggingHead(nn.Module):
    """Dense, tanh, linear, as the classifier's."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        width = config.hidden_size + (2 * REACH + 1) * config.ngram_size
        self.dense = nn.Linear(width, 2 * config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.out_proj = nn.Linear(2 * config.hidden_size, config.num_labels)

    def forward(self, features: Tensor) -> Tensor:  # [batch, tokens, width] -> [batch, tokens, labels]
        """Return the logits of each token."""
        return self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(features)))))


class MiniForTokenClassification(MiniPreTrainedModel):
    """The encoder with a tagging head; a word's tag is that of its first token."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.mini = MiniModel(config)
        self.words = WordNGrams(config)
        self.classifier = TaggingHead(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Start what a saved encoder does not hold; shapes are computed, not learnt."""
        super()._init_weights(module)
        if isinstance(module, WordNGrams):
            module.fill()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,  # noqa: ANN401
    ) -> TokenClassifierOutput:
        """Tag tokens; with ``labels`` ``[batch, tokens]`` the output has the mean cross entropy of those labelled."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.mini.encoder(input_ids, mask)  # [batch, tokens, width]
        bags = self.words(input_ids, self.mini.ngrams)
        if self.training and self.config.view_dropout:
            chance = torch.rand(len(hidden), 1, 1, device=hidden.device)  # view dropout: at random, one view only
            hidden = hidden * (chance >= self.config.view_dropout)
            bags = bags * (chance < 1 - self.config.view_dropout)
        logits = self.classifier(torch.cat([hidden, bags], dim=-1))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED)
        return TokenClassifierOutput(loss=loss, logits=logits)


AutoModelForTokenClassification.register(MiniConfig, MiniForTokenClassification, exist_ok=True)
