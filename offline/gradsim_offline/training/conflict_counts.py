"""How often gradients were compared, how often they were in conflict, and their mean cosine, epoch by epoch."""

from __future__ import annotations

import torch
from torch import Tensor


class Tally:
    """Counts over the running epoch."""

    def __init__(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)  # pairs, conflicts, summed cosines

    def add(self, gramian: Tensor) -> None:
        """Count every pair of gradients once, from their inner products, ``[m, m]``; below 0 is a conflict."""
        norms = gramian.diagonal().clamp(min=0).sqrt()
        lengths = norms[:, None] * norms
        cosines = torch.where(lengths > 0, gramian / lengths.clamp(min=1e-300), 0.0).clamp(-1, 1)
        pairs = torch.triu_indices(len(gramian), len(gramian), offset=1)
        found = cosines[pairs[0], pairs[1]].cpu()
        self._sums += torch.tensor([len(found), int((found < 0).sum()), float(found.sum())], dtype=torch.float64)

    def end_epoch(self) -> dict[str, float]:
        """Return the epoch's ``compared`` pairs, ``conflicts`` and mean ``cosine``, and start the next.

        Without a pair there is no cosine.
        """
        compared, conflicts, cosines = self._sums.tolist()
        self._sums = torch.zeros_like(self._sums)
        mean = {"cosine": cosines / compared} if compared else {}
        return {"compared": compared, "conflicts": conflicts, **mean}

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must keep."""
        return {"tally": self._sums.clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint kept."""
        self._sums = state["tally"].clone()
