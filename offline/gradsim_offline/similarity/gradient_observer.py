"""Watch a training and keep the inner products of the languages' mean gradients, epoch by epoch.

Class balance can be taken out of a gradient: it is then the mean over labels of the mean over their examples.

A model that sees many languages first learns how often each label is right, and where languages differ in that, so do
their mean gradients: at the last layer their cosine is then one of class balances. With every label weighed alike, that
part is the same for all. The GradSim paper does not do so; it is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradsim_offline.similarity.products import products
from gradsim_offline.similarity.tracking import GradientTracker, tracked_layers
from gradsim_offline.training.batching import Row
from gradsim_shared.errors import SettingsError


@dataclass(frozen=True)
class LabelBalance:
    """What gradients are summed by: language and label.

    Attributes:
        of_rows: The sum that each row belongs to, ``language * classes + label``, ``[rows]``.
        present: Whether there are examples, ``[2 halves, languages, classes]``.
    """

    of_rows: Tensor
    present: Tensor

    @staticmethod
    def of(rows: Sequence[Row], languages: int, classes: int) -> LabelBalance:
        """Number the sums; one per language, where there is one class.

        Raises:
            SettingsError: Labels are to be taken apart, and a row has several.
        """
        if classes > 1 and any(len(row.labels) != 1 for row in rows):
            raise SettingsError(
                "measuring.balanced weighs the labels of texts alike; texts of tagged words have many each"
            )
        label = torch.tensor([row.labels[0] if classes > 1 else 0 for row in rows])
        of_rows = torch.tensor([row.language for row in rows]) * classes + label
        present = torch.zeros(2, languages * classes, dtype=torch.bool)
        present[torch.tensor([row.half for row in rows]), of_rows] = True
        return LabelBalance(of_rows, present.view(2, languages, classes))

    def merged(self, means: Tensor) -> Tensor:
        """Return the mean over the labels that occur; a language without examples stays zero.

        Args:
            means: Of each sum, ``[2 halves, languages * classes, parameters]``.

        Returns:
            ``[2 halves, languages, parameters]``.
        """
        if self.present.shape[2] == 1:
            return means
        number = self.present.sum(dim=2, keepdim=True).clamp(min=1).to(means)
        merged: Tensor = means.view(*self.present.shape, -1).sum(dim=2) / number
        return merged


class GradientObserver:
    """Feeds the training loop's batches to a gradient tracker, epoch by epoch.

    Only the inner products of an epoch's gradients (``epochs``) and the running mean of the gradients are kept: the
    state does not grow by the parameters with every epoch.

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

    takes_parts = True

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
        self._balance = LabelBalance.of(rows, languages, classes)
        self._names = tracked_layers(model, layers)
        self._tracker = GradientTracker(
            {path: layer for layers_of in self._names.values() for path, layer in layers_of.items()},
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
        with self._tracker.batch(self._balance.of_rows[chosen], self._half[chosen], self._units[chosen]):
            yield

    def half_means(self) -> dict[str, Tensor]:
        """Return the running epoch's mean gradients, ``{name: [2, languages, parameters]}``, on the CPU."""
        by_path = {path: self._balance.merged(means) for path, means in self._tracker.half_means().items()}
        return {name: torch.cat([by_path[path].cpu() for path in paths], dim=-1) for name, paths in self._names.items()}

    def means(self) -> dict[str, Tensor]:
        """Return the mean over the epochs that count, ``{name: [2, languages, parameters]}``."""
        many = len(self.epochs[self._counted])
        return {name: total / many for name, total in self._totals.items()}

    def end_epoch(self) -> None:
        """Keep the products of the epoch's gradients, add to the mean gradients, and start the next epoch."""
        means = self.half_means()
        self.epochs.append({name: products(halves) for name, halves in means.items()})
        if len(self.epochs) in range(1, len(self.epochs) + 1)[self._counted]:
            for name, halves in means.items():
                self._totals[name] = self._totals[name].add_(halves) if name in self._totals else halves.clone()
        self._tracker.reset()

    def state(self) -> dict[str, Tensor]:
        """Return the running sums and what is kept of the finished epochs."""
        kept = {f"epoch.{i}.{name}": inner for i, epoch in enumerate(self.epochs) for name, inner in epoch.items()}
        totals = {f"total.{name}": total for name, total in self._totals.items()}
        return {**self._tracker.state(), **kept, **totals}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the state of a checkpoint."""
        self._tracker.restore(state)
        finished = {int(key.split(".")[1]) for key in state if key.startswith("epoch.")}
        self.epochs = [{name: state[f"epoch.{i}.{name}"] for name in self._names} for i in sorted(finished)]
        self._totals = {name: state[key] for name in self._names if (key := f"total.{name}") in state}
