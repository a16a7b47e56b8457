"""The torch half of a task: its model, training rows, batches and metrics; the numpy half is its decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core import plugins
from gradsim_shared.decoding import Decoder, Reader

if TYPE_CHECKING:  # torch takes seconds to load
    from torch import Tensor, nn

    from gradsim_offline.training.batching import Row


class LoadModel(Protocol):
    """Loads a model."""

    def __call__(self, path: str | Path, labels: Sequence[str], *, new_head: bool = False) -> nn.Module:
        """Load a model with the head that it was saved with, or an encoder with a new one.

        Args:
            path: Name on the Hub, or directory.
            labels: In the order of the model's outputs.
            new_head: Start with a new head, also where one was saved.
        """


class Encode(Protocol):
    """Tokenises labelled examples."""

    def __call__(
        self, reader: Reader, examples: Sequence[Any], labels: Sequence[str], *, language: int, seed: int
    ) -> list[Row]:
        """Return the training rows of a language's examples."""


@dataclass(frozen=True)
class Task(plugins.Plugin):
    """The torch half of a task.

    Attributes:
        decoder: The numpy half (``gradsim_shared/decode``), the same in the service.
        export_task: The exporter's name for it.
        load_model: Loads a model, or an encoder with a new head.
        encode: From examples to rows.
        collate: From rows and the padding id to the function that lays out a batch of row indices.
        metric: From the labels to the name of the figure that epochs, groups and methods are judged by.
        scores: From gold, answers and labels to figures by name, 0 to 1; the metric is one.
        statistics: From gold, answers and labels to each text's counts, ``[texts, S]``; sums go to ``metric_from``.
        metric_from: From summed statistics ``[..., S]`` and labels to the metric, ``[...]``.
        tune: From probabilities, ``[texts, labels]``, gold and labels to a threshold for each label; ``None``: labels
            exclude each other. Else each has a sigmoid of its own, and rows and batches 0 or 1 for each label.
        pairs: From gold, answers and labels to what is counted in a confusion matrix: gold and answered label.
    """

    decoder: Decoder
    export_task: str
    load_model: LoadModel
    encode: Encode
    collate: Callable[[Sequence[Row], int], Callable[[Sequence[int], int, int], dict[str, Tensor]]]
    metric: Callable[[Sequence[str]], str]
    scores: Callable[[Sequence[Any], Sequence[Any], Sequence[str]], dict[str, float]]
    statistics: Callable[[Sequence[Any], Sequence[Any], Sequence[str]], NDArray[np.int64]]
    metric_from: Callable[[NDArray[Any], Sequence[str]], NDArray[np.float64]]
    pairs: Callable[[Sequence[Any], Sequence[Any], Sequence[str]], Iterable[tuple[str, str]]]
    tune: Callable[[NDArray[np.float64], Sequence[Any], Sequence[str]], list[float]] | None = None

    @property
    def several_labels(self) -> bool:
        """Whether labels do not exclude each other: each is answered by itself."""
        return self.tune is not None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker with the decoder's name, since modules do not travel."""
        return {**vars(self), "decoder": cast("ModuleType", self.decoder).__name__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive there."""
        vars(self).update(state, decoder=import_module(state["decoder"]))

    def choices(self, logits: NDArray[np.floating], thresholds: Sequence[float] = ()) -> NDArray[np.floating]:
        """Return the logits of what is chosen between, ``[units, labels]`` to ``[choices, options]``.

        One of a unit's labels is chosen; of labels that do not exclude each other each is, at its threshold, or not.
        """
        if not self.several_labels:
            return logits
        at = np.array(thresholds or [0.5] * logits.shape[1])
        return np.stack(np.broadcast_arrays(np.log(at / (1 - at)), logits), axis=-1).reshape(-1, 2)


def load_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        SettingsError: There is none.
    """
    return plugins.load("tasks", name, Task)
