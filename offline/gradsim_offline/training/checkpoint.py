"""Checkpoints: save a training and resume it to the same weights."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradsim_offline.training.optimizer import Optimizer

States = dict[str, dict[str, Tensor]]
"""What the strategy and the observer keep of themselves, by their role."""


@dataclass
class Position:
    """The progress of a training.

    Attributes:
        epoch: The epoch that is running, counted from 0.
        step: Batches of it that are done.
        best_epoch: The epoch of the best dev score so far; ``-1``: none yet.
        best_score: That score.
        parts: How many a batch goes through the model in, since memory had no room for more at once.
        loss: Sum of the batch losses of the running epoch.
        history: One entry per finished epoch.
    """

    epoch: int = 0
    step: int = 0
    best_epoch: int = -1
    best_score: float = float("-inf")
    parts: int = 1
    loss: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoint:
    """One checkpoint file and, beside it, the best weights so far.

    Args:
        directory: Where both lie; made when first needed.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / "checkpoint.pt"
        self._best = directory / "best.pt"

    def save(self, position: Position, model: nn.Module, optimizer: Optimizer, states: States) -> None:
        """Save model, optimizer, position, states and random generators atomically."""
        content = {
            "position": vars(position),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "states": states,
            "random": _random_state(),
        }
        _write(self._file, content)

    def load(self, model: nn.Module, optimizer: Optimizer) -> tuple[Position, States]:
        """Restore model, optimizer and random generators; return position and states, new and empty without a file."""
        if not self._file.is_file():
            return Position(), {}
        content = torch.load(self._file, map_location="cpu", weights_only=True)
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        _restore_random_state(content["random"])
        return Position(**content["position"]), content["states"]

    def save_best(self, model: nn.Module) -> None:
        """Keep these weights as the best."""
        _write(self._best, model.state_dict())

    def load_best(self, model: nn.Module) -> None:
        """Put the best weights back into the model."""
        model.load_state_dict(torch.load(self._best, map_location="cpu", weights_only=True))


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _write(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever torch.save takes
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(content, draft)
    draft.replace(path)


def _random_state() -> dict[str, Any]:
    state: dict[str, Any] = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _restore_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])
