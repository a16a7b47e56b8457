"""Any Hugging Face encoder, by its name on the Hub or by its directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from gradsim_offline.config import Pretraining
from gradsim_offline.encoders._loading import is_there
from gradsim_offline.progress import Progress


def prepare(
    model: str,
    texts: Mapping[str, Sequence[str]],  # noqa: ARG001 - only mini reads them
    directory: Path,  # noqa: ARG001
    *,
    settings: Pretraining,  # noqa: ARG001
    maximum_length: int,  # noqa: ARG001
    seed: int,  # noqa: ARG001
    device: torch.device,  # noqa: ARG001
    progress: Progress,  # noqa: ARG001
    log: Callable[..., None],  # noqa: ARG001
) -> str:
    """Return what the model is loaded from, after a look that it can be found.

    Raises:
        ModelError: It cannot.
    """
    is_there(model)
    return model
