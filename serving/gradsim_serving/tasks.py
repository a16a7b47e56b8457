"""The tasks that this service can answer: one decoder file of gradsim_shared for each."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from gradsim_shared import decode
from gradsim_shared.errors import BundleError
from gradsim_shared.nearest import unknown


class Decoder(Protocol):
    """What a file of ``gradsim_shared/decode`` offers."""

    ROUTE_NAME: str
    Prediction: type[Any]

    def decode(self, logits: NDArray[np.floating], labels: Sequence[str]) -> list[Any]:
        """Turn logits into one prediction for each text."""


def decoder_of(task: str) -> Decoder:
    """Return the decoder of a task.

    Raises:
        BundleError: This version has no decoder for the task.
    """
    known = [module.name for module in pkgutil.iter_modules(decode.__path__)]
    if task not in known:
        raise BundleError(unknown("task", task, known))
    return cast("Decoder", importlib.import_module(f"{decode.__name__}.{task}"))
