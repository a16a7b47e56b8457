"""What a similarity measure has at hand: the data, an encoder to start from, its settings, and trained models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import Measuring


@dataclass(frozen=True)
class Context:
    """What every measure is given; most use a part of it.

    Attributes:
        dataset: The examples; rows and columns of S are its languages.
        directory: The measure's own folder; what should outlive an interruption is written there, checkpoints below
            ``work/``.
        task: The torch half of the data set's task.
        encoder: Directory or name of the pre-trained encoder.
        measuring: The schedule of a joint run, for measures that train one.
        options: The measure's own settings: an instance of its module's ``Options``, ``None`` if it has none.
        maximum_length: Tokens; longer texts are cut.
        seed: The build's seed.
        device: Where to compute.
        progress: Shows how far it is.
        log: Called with figures worth keeping.
        train: From members and served languages to the directory of the model fine-tuned on them with the build's
            ordinary schedule; trained when first asked for, then found again.
    """

    dataset: Dataset
    directory: Path
    task: ModuleType
    encoder: str
    measuring: Measuring
    options: Any
    maximum_length: int
    seed: int
    device: torch.device
    progress: Progress
    log: Callable[..., None]
    train: Callable[[Sequence[str], Sequence[str]], Path]
