"""Masked-language-modelling batches: which pieces are hidden and must be predicted (BERT, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradsim_offline.training.batching import Row, pad

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
