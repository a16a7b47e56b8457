"""Masked language modelling: which pieces are hidden and must be predicted (BERT, section 3.1), and its schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from gradsim_offline.models.loading import is_there, load_tokenizer, load_with_missing, wrapped_tokenizer
from gradsim_offline.models.mini import NGrams
from gradsim_offline.training.batching import IGNORED, pad
from gradsim_offline.training.checkpoint import Position
from gradsim_offline.training.context import PretrainingContext
from gradsim_offline.training.loop import train
from gradsim_offline.training.strategy import LayOut
from gradsim_offline.training.text_stream import Texts
from gradsim_shared.errors import ModelError


@dataclass(frozen=True)
class Masking:
    """Hides pieces anew in every epoch (dynamic masking).

    Of the chosen pieces 80 % become the mask, 10 % a random piece, 10 % stay. The choice depends on seed, epoch and
    step only, so that an interrupted training resumes the same way.

    Attributes:
        pad_id: Id of the padding.
        mask_id: Id of the mask.
        special_ids: Ids that are never hidden.
        vocabulary: Pieces that a hidden one may be replaced by.
    """

    pad_id: int
    mask_id: int
    special_ids: frozenset[int]
    vocabulary: int

    def batch(
        self, texts: Sequence[Sequence[int]], epoch: int, step: int, *, share: float, seed: int
    ) -> dict[str, Tensor]:
        """Lay out token ids with hidden pieces; ``labels``, ``[batch, tokens]``, are the pieces that must be predicted.

        Args:
            texts: Token ids of each text.
            epoch: Counted from 0.
            step: Of the epoch, counted from 0.
            share: Share of the pieces that are chosen, 0 to 1.
            seed: The build's seed.
        """
        special = torch.tensor(sorted(self.special_ids | {self.pad_id, self.mask_id}))
        random = torch.Generator().manual_seed(hash((seed, epoch, step)) % 2**63)
        batch = pad(texts, self.pad_id)
        ids = batch["input_ids"]  # [batch, tokens]
        candidates = ~torch.isin(ids, special)
        chosen = candidates & (torch.rand(ids.shape, generator=random) < share)
        if not chosen.any():
            chosen = candidates  # tiny batches: something must be predicted
        fate = torch.rand(ids.shape, generator=random)
        other = torch.randint(self.vocabulary, ids.shape, generator=random)
        hidden = torch.where(fate < 0.8, self.mask_id, torch.where(fate < 0.9, other, ids))
        labels = torch.where(chosen, ids, IGNORED)
        return {**batch, "input_ids": torch.where(chosen, hidden, ids), "labels": labels}


@dataclass(frozen=True)
class MaskedModel:
    """A model that predicts hidden pieces, and how texts become its batches.

    Attributes:
        model: A ``PreTrainedModel`` with a masked-language-modelling head.
        tokenizer: Cuts at the maximum length.
        masking: Hides pieces.
        new_head: The head was not saved with the encoder, and starts at random.
    """

    model: Any
    tokenizer: Tokenizer
    masking: Masking
    new_head: bool

    def collate(self, texts: Sequence[Texts], *, share: float, seed: int) -> LayOut:
        """Return a collate function over the texts of some languages, counted one language after the other.

        Texts are read and tokenised when their batch is made.

        Args:
            texts: Of each language.
            share: Share of the pieces that must be predicted.
            seed: With epoch and step it decides which.
        """
        ends = torch.tensor([len(of_language) for of_language in texts]).cumsum(0)

        def text(index: int) -> str:
            language = int(torch.searchsorted(ends, index, right=True))
            return texts[language][index - (int(ends[language - 1]) if language else 0)]

        def collate(indices: Sequence[int], epoch: int, step: int) -> dict[str, Tensor]:
            encodings = self.tokenizer.encode_batch([text(index) for index in indices])
            ids = [encoding.ids for encoding in encodings]
            batch = self.masking.batch(ids, epoch, step, share=share, seed=seed)
            if (batch["labels"] == IGNORED).all():  # unknown pieces only: a mean over nothing would be no number
                batch["labels"][:, 0] = batch["input_ids"][
                    :, 0
                ]  # predict the start token of each text, which is visible
            return batch

        return collate


def open_masked(encoder: str | Path, *, maximum_length: int, seed: int) -> MaskedModel:
    """Load an encoder for masked language modelling.

    Args:
        encoder: Directory or Hub name.
        maximum_length: Tokens; longer texts are cut.
        seed: Of a head that has to start anew.

    Raises:
        ModelError: It cannot be found or loaded, its architecture has no such head, or its tokenizer no mask.
    """
    from transformers import AutoModelForMaskedLM

    config = is_there(encoder)
    if type(config) not in AutoModelForMaskedLM._model_mapping:
        raise ModelError(
            f"{encoder} (model_type {config.model_type}) has no masked-language-modelling head; take an encoder of "
            "the BERT, RoBERTa or XLM-R kind, or the directory of a mini"
        )
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=maximum_length)
    wrapped = wrapped_tokenizer(encoder)
    if wrapped.mask_token_id is None:
        raise ModelError(f"the tokenizer of {encoder} has no mask token; set one in its tokenizer_config.json")
    torch.manual_seed(seed)
    model, missing = load_with_missing(AutoModelForMaskedLM, encoder)
    vocabulary = min(int(config.vocab_size), tokenizer.get_vocab_size())
    masking = Masking(pad_id, int(wrapped.mask_token_id), frozenset(map(int, wrapped.all_special_ids)), vocabulary)
    prefix = f"{model.base_model_prefix}."
    return MaskedModel(model, tokenizer, masking, any(not name.startswith(prefix) for name in missing))


def train_masked(
    model: nn.Module,
    plan: Callable[[int], list[list[int]]],
    collate: LayOut,
    *,
    epochs: int,
    steps: int,
    learning_rate: float,
    checkpoints: Path,
    context: PretrainingContext,
    evaluate: Callable[[], dict[str, float]] | None = None,
    patience: int | None = None,
) -> Position:
    """Train a model to predict hidden pieces; the weights of the best epoch, as ``evaluate`` says, stay in it.

    The n-grams of a mini take no part: they would see the pieces that are hidden.

    Args:
        model: A ``PreTrainedModel`` with a masked-language-modelling head.
        plan: From the epoch to its batches, as lists of text indices.
        collate: Hides pieces of a batch's texts.
        epochs: Passes over the texts.
        steps: Of all epochs, for the progress bar.
        learning_rate: Peak of the schedule: 6 % of the steps up, then down to zero.
        checkpoints: Where to save, and to go on from if something is there.
        context: Its seed is that of dropout; ``log`` gets the figures of each epoch.
        evaluate: Returns the figures of an epoch; the highest ``score`` is the best. ``None`` keeps the last epoch.
        patience: Epochs without a better score after which the training stops; ``None``: never.

    Returns:
        Where the training ended.
    """
    tables = [module for module in model.modules() if isinstance(module, NGrams)]
    for table in tables:
        table.requires_grad_(False)
    with context.progress.bar("masked language modelling", steps) as advance:
        end = train(
            model,
            plan,
            collate,
            epochs=epochs,
            learning_rate=learning_rate,
            warmup=0.06,
            weight_decay=0.01,
            clip=1.0,
            seed=context.seed,
            device=context.device,
            evaluate=evaluate,
            patience=patience,
            checkpoints=checkpoints,
            advance=advance,
            log=context.log,
        )
    for table in tables:
        table.requires_grad_(True)
    return end
