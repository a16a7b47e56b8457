"""Batches of a model that stands on a trunk: hidden states from where they are kept, in the place of token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from gradsim_offline.training.batching import Row
from gradsim_offline.training.strategy import Batch
from gradsim_offline.training.trunk_outputs import TrunkOutputs

LayOut = Callable[[Sequence[int], int, int], Batch]


def on_trunk(lay_out: LayOut, rows: Sequence[Row], outputs: TrunkOutputs | None) -> LayOut:
    """Return the function that lays out a batch with the trunk's hidden states of its rows; without a trunk as it is.

    Args:
        lay_out: From indices of rows, epoch and step to a batch of token ids.
        rows: As the indices mean them.
        outputs: Of the trunk.
    """
    if outputs is None:
        return lay_out

    def laid_out(indices: Sequence[int], epoch: int, step: int) -> Batch:
        batch = {name: value for name, value in lay_out(indices, epoch, step).items() if name != "input_ids"}
        batch["hidden_states"] = hidden_states([rows[i].ids for i in indices], outputs)
        return batch

    return laid_out


def hidden_states(ids: Sequence[Sequence[int]], outputs: TrunkOutputs) -> Tensor:
    """Return what the trunk says of pieces, padded with zeros: ``[pieces, tokens, width]``, float32."""
    states = outputs.of(ids)
    padded = np.zeros((len(ids), max(map(len, ids)), outputs.width), np.float32)
    for row, state in enumerate(states):
        padded[row, : len(state)] = state
    return torch.from_numpy(padded)
