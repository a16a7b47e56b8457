"""Cosine of the languages' gradients in one joint training run (GradSim, section 3.1)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.similarity.linear_gradients import inner_products
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured, counted_epochs
from gradsim_offline.similarity.products import halves_of, of_wholes, own_cosines, to_cosines
from gradsim_offline.similarity.reliability import between_halves
from gradsim_offline.training.batching import Row
from gradsim_offline.training.linear_start import is_linear_start

GRADIENTS_FILE = "gradients.safetensors"
Matrix = NDArray[np.float64]
_WEIGHTS = "head.out"  # of a linear classifier: all weights


def joint_run(measuring: Measuring) -> dict[str, Any]:
    """Return what of the section ``measuring`` this measure depends on: all."""
    return measuring.model_dump()


def measure(context: MeasureContext) -> Measured:
    """Train one joint model on mixed batches and compare the languages' gradients on the way.

    Per epoch, a language's gradient is the mean over its examples (over its words, for tagging); ``S_epoch[i, j]`` is
    the cosine of two of them, and S the mean over epochs (some of them, if so set). The joint model (its best dev
    epoch) and ``gradients.safetensors`` are left in the context's directory: by ``<layer>`` the gradient vectors, mean
    over these epochs, ``[2 halves, languages, parameters]``; by ``<layer>.<epoch>`` their inner products, ``[2 halves,
    languages, 2 halves, languages]``. For a linear classifier see ``linear_gradients.py``; nothing is left.

    Raises:
        SettingsError: A tracked layer is not known.
    """
    started = time.monotonic()
    languages, settings = context.dataset.languages, context.measuring
    if is_linear_start(context.training.encoder):
        inner, shares, seconds = inner_products(context)
        only = settings.model_copy(update={"layers": [_WEIGHTS], "epochs": 1, "skipped_epochs": 0})
        return compare([{_WEIGHTS: inner}], shares, languages, only, seconds)

    def observe(model: nn.Module, rows: Sequence[Row]) -> GradientObserver:
        return GradientObserver(
            model,
            rows,
            settings.layers,
            len(languages),
            projection=settings.projection,
            seed=context.training.seed,
            counted=counted_epochs(joint_run(settings)),
            classes=len(context.dataset.labels) if settings.balanced else 1,
        )

    observer = context.train_jointly(observe)
    by_epoch = {f"{layer}.{i}": inner for i, epoch in enumerate(observer.epochs) for layer, inner in epoch.items()}
    save_file({**observer.means(), **by_epoch}, context.directory / GRADIENTS_FILE)
    return compare(observer.epochs, observer.shares, languages, settings, time.monotonic() - started)


def compare(
    epochs: Sequence[dict[str, Tensor]],
    shares: Tensor,
    languages: Sequence[str],
    settings: Measuring,
    seconds: float,
) -> Measured:
    """Turn the products of gradients into similarities.

    Args:
        epochs: Per epoch, ``{layer: [2 halves, languages, 2 halves, languages]}``, products of means over examples.
        shares: Share of each language's examples (words) that is in each half, ``[2, languages]``.
        languages: Their codes.
        settings: How it was measured.
        seconds: Wall time of the measurement.
    """
    by_epoch: dict[str, list[Matrix]] = {}
    for name in settings.layers:
        whole = [of_wholes(epoch[name], shares) for epoch in epochs]
        _warn_of_silence(whole, languages, name)
        by_epoch[name] = [to_cosines(inner) for inner in whole]
    counted = counted_epochs(joint_run(settings))
    layers = {name: np.mean(matrices[counted], axis=0) for name, matrices in by_epoch.items()}
    first = settings.layers[0]
    return Measured(
        "gradient",
        tuple(languages),
        layers[first],
        split_half=np.mean([own_cosines(epoch[first]) for epoch in epochs[counted]], axis=0),
        epochs=tuple(by_epoch[first]),
        layers=layers,
        settings=joint_run(settings),
        seconds=seconds,
        reliability=between_halves(*halves_of([epoch[first] for epoch in epochs[counted]])),
    )


def _warn_of_silence(epochs: Sequence[Tensor], languages: Sequence[str], layer: str) -> None:
    silent = [code for i, code in enumerate(languages) if all(not epoch[i, i] for epoch in epochs)]
    if silent:
        warnings.warn(f"no gradient at {layer} for {', '.join(silent)}: similarity 0", stacklevel=3)


PLUGIN = SimilarityMeasure(measure, joint_run=joint_run)
