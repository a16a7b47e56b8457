"""AdamW for ordinary parameters and lazy Adam for the rows of sparse embeddings, behind one interface.

A batch touches a few thousand of the n-gram rows of ``mini`` and leaves half a million alone. With sparse gradients
only the touched rows, and their moments, are read and written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Optimizer:
    """Both optimizers of a model.

    Sparse embeddings (``nn.Embedding(..., sparse=True)``) do not decay and are not clipped; of the rest, only the
    weights of linear layers decay: not embeddings, norms or biases.

    Args:
        model: What is trained.
        weight_decay: AdamW's.
        device: Where the model is.
        sparse_rate: Learning rate of the sparse embeddings, as a multiple of the others'. A row that few batches touch
            moves only then; AdamW's momentum would carry it on in between.
    """

    def __init__(
        self, model: nn.Module, *, weight_decay: float, device: torch.device, sparse_rate: float = 1.0
    ) -> None:
        self._rates = {"dense": 1.0, "sparse": sparse_rate}
        linear = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Linear)}
        embeddings = [layer for layer in model.modules() if isinstance(layer, nn.Embedding) and layer.sparse]
        sparse = [layer.weight for layer in embeddings if layer.weight.requires_grad]
        rows = {id(weight) for weight in sparse}
        self.dense = [p for p in model.parameters() if p.requires_grad and id(p) not in rows]
        groups = [
            {"params": [p for p in self.dense if id(p) in linear], "weight_decay": weight_decay},
            {"params": [p for p in self.dense if id(p) not in linear], "weight_decay": 0.0},
        ]
        self.parts: dict[str, torch.optim.Optimizer] = {
            "dense": torch.optim.AdamW(groups, fused=device.type in ("cpu", "cuda"))
        }
        if sparse:
            self.parts["sparse"] = torch.optim.SparseAdam(sparse)

    def step(self, rate: float, clip: float) -> None:
        """Clip the dense gradient to the norm ``clip``, step with this learning rate, forget the gradients."""
        nn.utils.clip_grad_norm_(self.dense, clip)
        for name, part in self.parts.items():
            for group in part.param_groups:
                group["lr"] = rate * self._rates[name]
            part.step()
        self.forget()

    def forget(self) -> None:
        """Forget the gradients."""
        for part in self.parts.values():
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
