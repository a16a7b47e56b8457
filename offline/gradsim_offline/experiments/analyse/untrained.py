"""Measure, on the spot, the similarities that need no training: typology, family and their like."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import Measuring
from gradsim_offline.experiments.analyse.sources import Similarity
from gradsim_offline.similarity.measure import MeasureContext, load_measure
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import SettingsError

ORIGIN = "measured here"


def check_untrained(name: str) -> None:
    """Say early that a measure is unknown or needs a training.

    Raises:
        SettingsError: It does.
    """
    if load_measure(name).needs_training:
        raise SettingsError(f"{name} needs training: `gradsim-offline measure --measure {name}`, then analyse that run")


def measure_untrained(
    name: str,
    dataset: Dataset,
    *,
    encoder: str,
    maximum_length: int,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> Similarity:
    """Return S of a measure with its default settings, for the languages of a data set.

    Raises:
        GradsimError: The measure is unknown, needs training, or what it reads is missing.
    """
    check_untrained(name)
    with tempfile.TemporaryDirectory() as directory:
        measured = load_measure(name).measure(
            MeasureContext(
                dataset=dataset,
                directory=Path(directory),
                training=TrainingContext(
                    task=load_task(dataset.task),
                    encoder=encoder,
                    maximum_length=maximum_length,
                    seed=seed,
                    device=device,
                    progress=progress,
                    log=lambda **_: None,
                ),
                measuring=Measuring(),
                options=plugins.options("similarity", name, {}),
                train=_refuse,
            )
        )
    return Similarity(name, ORIGIN, measured)


def _refuse(members: Sequence[str], _served: Sequence[str]) -> Path:
    raise SettingsError(f"this measure wants a model trained on {' '.join(members)}; measure it in a build")
