"""Cosine of the languages' gradients in one joint training run (GradSim, section 3.1)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from gradsim_offline.core.settings import Measuring
from gradsim_offline.similarity.label_balance import Cells
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured, counted_epochs
from gradsim_offline.similarity.products import DIMENSIONS, of_wholes, own_cosines, products, to_cosines
from gradsim_offline.similarity.tracking import GradientTracker, tracked_layers
from gradsim_offline.training.batching import Row

GRADIENTS_FILE = "gradients.safetensors"
Matrix = NDArray[np.float64]


def joint_run(measuring: Measuring) -> dict[str, Any]:
    """Return what of the section ``measuring`` this measure depends on: all."""
    return measuring.model_dump()


def measure(context: MeasureContext) -> Measured:
    """Train one joint model on mixed batches and compare the languages' gradients on the way.

    Per epoch, a language's gradient is the mean over its examples (over its words, for tagging); ``S_epoch[i, j]`` is
    the cosine of two of them, and S the mean over epochs (some of them, if so set). The joint model (its best dev
    epoch) and ``gradients.safetensors`` are left in the context's directory: by ``<layer>`` the gradient vectors, mean
    over these epochs, ``[2 halves, languages, parameters]``; by ``<layer>.<epoch>`` their inner products, ``[2 halves,
    languages, 2 halves, languages]``.

    Raises:
        SettingsError: A tracked layer is not known.
    """
    started = time.monotonic()
    languages, settings = context.dataset.languages, context.measuring

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
    by_epoch = {f"{layer}.{i}": found for i, epoch in enumerate(observer.epochs) for layer, found in epoch.items()}
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
        settings: What to remember of how it was measured.
        seconds: What it cost.
    """
    by_epoch: dict[str, list[Matrix]] = {}
    for name in settings.layers:
        whole = [of_wholes(found[name], shares) for found in epochs]
        _warn_of_silence(whole, languages, name)
        by_epoch[name] = [to_cosines(found) for found in whole]
    counted = counted_epochs(joint_run(settings))
    layers = {name: np.mean(matrices[counted], axis=0) for name, matrices in by_epoch.items()}
    first = settings.layers[0]
    own = np.mean([own_cosines(found[first]) for found in epochs[counted]], axis=0)
    return Measured(
        "gradient",
        tuple(languages),
        layers[first],
        own,
        tuple(by_epoch[first]),
        layers,
        joint_run(settings),
        seconds,
    )


def cosines(first: Tensor, second: Tensor) -> Matrix:
    """Return the cosine of every pair of rows, ``[N, N]``; a row of zeros has the cosine 0 with everything."""
    a, b = (
        vectors.double() / vectors.double().norm(dim=1, keepdim=True).clamp(min=1e-300) for vectors in (first, second)
    )
    similarity: Matrix = (a @ b.T).clamp(-1, 1).cpu().numpy()
    return similarity


def _warn_of_silence(epochs: Sequence[Tensor], languages: Sequence[str], layer: str) -> None:
    silent = [code for i, code in enumerate(languages) if all(not found[i, i] for found in epochs)]
    if silent:
        warnings.warn(f"no gradient at {layer} for {', '.join(silent)}: similarity 0", stacklevel=3)


class GradientObserver:
    """Feeds the training loop's batches to a gradient tracker, epoch by epoch.

    Of an epoch the products of its gradients stay (``epochs``), and what it adds to their mean: what is kept does not
    grow by the parameters with every epoch.

    Args:
        model: The model in training.
        rows: The training rows, as the batches' indices mean them.
        layers: Names of tracked layers.
        languages: How many languages there are.
        projection: How many numbers to keep of a layer's weight gradient, at most; ``None``: all.
        seed: Seeds the projection.
        counted: The epochs over which the mean gradients are taken.
        classes: Of how many labels the gradients are taken apart, to weigh them alike; 1: not at all.

    Raises:
        SettingsError: Labels are to be taken apart, and examples have several.
    """

    def __init__(
        self,
        model: nn.Module,
        rows: Sequence[Row],
        layers: Sequence[str],
        languages: int,
        *,
        projection: int | None = None,
        seed: int = 0,
        counted: slice = slice(None),
        classes: int = 1,
    ) -> None:
        self._counted = counted
        self._cells = Cells.of(rows, languages, classes)
        self._names = tracked_layers(model, layers)
        self._tracker = GradientTracker(
            {path: layer for found in self._names.values() for path, layer in found.items()},
            languages * classes,
            projection=projection,
            seed=seed,
        )
        self._half = torch.tensor([row.half for row in rows])
        self._units = torch.tensor([row.units for row in rows])
        counts = torch.zeros(2, languages)
        for row in rows:
            counts[row.half, row.language] += row.units
        self.shares = counts / counts.sum(0).clamp(min=1)
        self.epochs: list[dict[str, Tensor]] = []  # {name: [2, languages, 2, languages]}
        self._totals: dict[str, Tensor] = {}  # {name: [2, languages, parameters]}, over the epochs that count

    @contextmanager
    def watch(self, indices: Sequence[int]) -> Iterator[None]:
        """Track one batch."""
        chosen = torch.tensor(indices)
        with self._tracker.batch(self._cells.of_rows[chosen], self._half[chosen], self._units[chosen]):
            yield

    def half_means(self) -> dict[str, Tensor]:
        """Return the running epoch's mean gradients, ``{name: [2, languages, parameters]}``, on the CPU."""
        found = {path: self._cells.merged(means) for path, means in self._tracker.half_means().items()}
        return {name: torch.cat([found[path].cpu() for path in paths], dim=-1) for name, paths in self._names.items()}

    def means(self) -> dict[str, Tensor]:
        """Return the mean over the epochs that count, ``{name: [2, languages, parameters]}``."""
        many = len(self.epochs[self._counted])
        return {name: total / many for name, total in self._totals.items()}

    def end_epoch(self) -> None:
        """Take what stays of the epoch, and start the next."""
        self._take(self.half_means())
        self._tracker.reset()

    def _take(self, found: dict[str, Tensor]) -> None:
        self.epochs.append({name: products(halves) for name, halves in found.items()})
        if len(self.epochs) in range(1, len(self.epochs) + 1)[self._counted]:
            for name, halves in found.items():
                self._totals[name] = self._totals[name].add_(halves) if name in self._totals else halves.clone()

    def state(self) -> dict[str, Tensor]:
        """Return the running sums and what stayed of the finished epochs."""
        kept = {f"epoch.{i}.{name}": t for i, found in enumerate(self.epochs) for name, t in found.items()}
        totals = {f"total.{name}": total for name, total in self._totals.items()}
        return {**self._tracker.state(), **kept, **totals}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint; one of an earlier version has the gradients themselves, of every epoch."""
        self._tracker.restore(state)
        numbers = sorted({int(key.split(".")[1]) for key in state if key.startswith("epoch.")})
        finished = [{name: state[f"epoch.{i}.{name}"] for name in self._names} for i in numbers]
        self.epochs, self._totals = [], {}
        for found in finished:
            if all(kept.dim() == DIMENSIONS for kept in found.values()):
                self.epochs.append(found)
            else:
                self._take(found)
        self._totals |= {name: state[key] for name in self._names if (key := f"total.{name}") in state}


PLUGIN = SimilarityMeasure(measure, joint_run=joint_run)
