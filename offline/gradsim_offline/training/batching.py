"""Batches of texts: shuffled, with texts of about the same length together to avoid padding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

IGNORED = -100
"""The label of a position without one, in every Hugging Face model."""

_BATCHES_PER_POOL = 50  # texts are sorted by length inside pools of this many batches


@dataclass(frozen=True, slots=True)
class Row:
    """One encoded example, or one window of a long one.

    Attributes:
        ids: Token ids.
        labels: Indices of labels: one of the text, or one of each token (``IGNORED``: not judged); empty: unlabelled.
        language: Index of the language.
        half: 0 or 1: the half of its language's data that it belongs to, for split-half self-similarity.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...] = ()
    language: int = -1
    half: int = 0

    @property
    def units(self) -> int:
        """How many labels are judged: the loss of a batch is the mean over them."""
        return sum(label != IGNORED for label in self.labels)


def halves(count: int, *, language: int, seed: int) -> list[int]:
    """Assign a language's examples to two halves at random: 0 or 1 for each."""
    sides: list[int] = (np.random.default_rng([seed, language]).permutation(count) % 2).tolist()
    return sides


def plan(lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Return the batches of an epoch as lists of indices; the same for the same seed and epoch.

    Args:
        lengths: Tokens of each text.
        batch_size: Texts per batch; the last batch of a pool may be smaller.
        seed: The build's seed.
        epoch: Counted from 0.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool = batch_size * _BATCHES_PER_POOL
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        near = sorted(order[start : start + pool].tolist(), key=lambda index: lengths[index])
        batches += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


def steps_per_epoch(texts: int, batch_size: int) -> int:
    """Return how many batches ``plan`` makes of that many texts."""
    pool = batch_size * _BATCHES_PER_POOL
    whole, rest = divmod(texts, pool)
    return whole * _BATCHES_PER_POOL + math.ceil(rest / batch_size)


def pad(pieces: Sequence[Sequence[int]], pad_id: int) -> dict[str, Tensor]:
    """Lay token ids out as ``input_ids`` and ``attention_mask``, both ``[batch, tokens]``."""
    ids = torch.full((len(pieces), max(map(len, pieces))), pad_id)
    mask = torch.zeros_like(ids)
    for i, piece in enumerate(pieces):
        ids[i, : len(piece)] = torch.tensor(piece)
        mask[i, : len(piece)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Move a batch."""
    return {name: tensor.to(device) for name, tensor in batch.items()}
