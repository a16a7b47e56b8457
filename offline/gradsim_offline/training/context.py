"""The arguments that are the same for all trainings of a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradsim_offline.core.progress import Progress
from gradsim_offline.training.task import Task

if TYPE_CHECKING:  # torch takes seconds to load
    import torch

    from gradsim_offline.core.arithmetic import Precision


@dataclass(frozen=True, kw_only=True)
class PretrainingContext:
    """Arguments of a training without labels.

    Attributes:
        maximum_length: Tokens; longer texts are cut.
        seed: All randomness comes from it.
        device: Where to compute.
        progress: Shows how far it is.
        log: Called with figures worth keeping, as keyword arguments.
        precision: Of matrix products.
    """

    maximum_length: int
    seed: int
    device: torch.device
    progress: Progress
    log: Callable[..., None]
    precision: Precision = "fp32"


@dataclass(frozen=True, kw_only=True)
class TrainingContext(PretrainingContext):
    """Arguments of a training with labels.

    Attributes:
        task: The torch half of the data set's task.
        encoder: Directory or name of the model to start from.
    """

    task: Task
    encoder: str
