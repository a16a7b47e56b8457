"""Masked language modelling: which pieces are hidden and must be predicted (BERT, section 3.1), and its schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gradsim_offline.core.progress import Progress
from gradsim_offline.models.mini import NGrams
from gradsim_offline.training.batching import Row, pad
from gradsim_offline.training.checkpoint import Position
from gradsim_offline.training.loop import train

IGNORED = -100


def masking_collate(
    rows: Sequence[Row],
    *,
    pad_id: int,
    mask_id: int,
    special_ids: frozenset[int],
    vocabulary: int,
    share: float,
    seed: int,
) -> Callable[[Sequence[int], int, int], dict[str, Tensor]]:
    """Return a collate function that hides pieces anew in every epoch (dynamic masking).

    Of the chosen pieces 80 % become the mask, 10 % a random piece, 10 % stay. The choice depends on seed, epoch and
    step only, so that an interrupted training goes on the same way.

    Args:
        rows: All texts.
        pad_id: Id of the padding.
        mask_id: Id of the mask.
        special_ids: Ids that are never chosen.
        vocabulary: How many pieces there are.
        share: Share of the pieces that are chosen, 0 to 1.
        seed: The build's seed.
    """
    special = torch.tensor(sorted(special_ids | {pad_id, mask_id}))

    def collate(indices: Sequence[int], epoch: int, step: int) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(hash((seed, epoch, step)) % 2**63)
        batch = pad([rows[i].ids for i in indices], pad_id)
        ids = batch["input_ids"]  # [batch, tokens]
        candidates = ~torch.isin(ids, special)
        chosen = candidates & (torch.rand(ids.shape, generator=random) < share)
        if not chosen.any():
            chosen = candidates  # tiny batches: something must be asked
        fate = torch.rand(ids.shape, generator=random)
        other = torch.randint(vocabulary, ids.shape, generator=random)
        hidden = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, other, ids))
        labels = torch.where(chosen, ids, IGNORED)
        return {**batch, "input_ids": torch.where(chosen, hidden, ids), "labels": labels}

    return collate


def train_masked(
    model: nn.Module,
    plan: Callable[[int], list[list[int]]],
    collate: Callable[[Sequence[int], int, int], dict[str, Tensor]],
    *,
    epochs: int,
    steps: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
    checkpoints: Path,
    progress: Progress,
    log: Callable[..., None],
) -> Position:
    """Train a model to predict hidden pieces; the last epoch's weights stay in it.

    The n-grams of a mini take no part: they would see the pieces that are hidden.

    Args:
        model: A ``PreTrainedModel`` with a masked-language-modelling head.
        plan: From the epoch to its batches, as lists of text indices.
        collate: Hides pieces of a batch's texts (``masking_collate``).
        epochs: Passes over the texts.
        steps: Of all epochs, for the progress bar.
        learning_rate: Peak of the schedule: 6 % of the steps up, then down to zero.
        seed: Seeds dropout.
        device: Where to train.
        checkpoints: Where to save, and to go on from if something is there.
        progress: Shows how far it is.
        log: Called with the figures of each epoch.

    Returns:
        Where the training ended.
    """
    tables = [module for module in model.modules() if isinstance(module, NGrams)]
    for table in tables:
        table.requires_grad_(False)
    with progress.bar("masked language modelling", steps) as advance:
        end = train(
            model,
            plan,
            collate,
            epochs=epochs,
            learning_rate=learning_rate,
            warmup=0.06,
            weight_decay=0.01,
            clip=1.0,
            seed=seed,
            device=device,
            evaluate=None,
            checkpoints=checkpoints,
            advance=advance,
            log=log,
        )
    for table in tables:
        table.requires_grad_(True)
    return end
