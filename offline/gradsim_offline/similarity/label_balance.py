"""Class balance taken out of a language's gradient: the mean over labels of the mean over their examples.

A model that sees many languages first learns how often each label is right, and where languages differ in that, so do
their mean gradients: at the last layer their cosine is then one of class balances. With every label weighed alike, that
part is the same for all. The GradSim paper does not do so; it is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradsim_offline.training.batching import Row
from gradsim_shared.errors import SettingsError


@dataclass(frozen=True)
class Cells:
    """What gradients are summed by: language and label.

    Attributes:
        of_rows: The cell of each row, ``language * classes + label``, ``[rows]``.
        present: Whether there are examples, ``[2 halves, languages, classes]``.
    """

    of_rows: Tensor
    present: Tensor

    @staticmethod
    def of(rows: Sequence[Row], languages: int, classes: int) -> Cells:
        """Lay the cells out; one per language, where there is one class.

        Raises:
            SettingsError: Labels are to be taken apart, and a row has several.
        """
        if classes > 1 and any(len(row.labels) != 1 for row in rows):
            raise SettingsError(
                "measuring.balanced weighs the labels of texts alike; texts of tagged words have many each"
            )
        label = torch.tensor([row.labels[0] if classes > 1 else 0 for row in rows])
        cells = torch.tensor([row.language for row in rows]) * classes + label
        present = torch.zeros(2, languages * classes, dtype=torch.bool)
        present[torch.tensor([row.half for row in rows]), cells] = True
        return Cells(cells, present.view(2, languages, classes))

    def merged(self, means: Tensor) -> Tensor:
        """Return the mean over the labels that occur; a language without examples stays zero.

        Args:
            means: Of each cell, ``[2 halves, languages * classes, parameters]``.

        Returns:
            ``[2 halves, languages, parameters]``.
        """
        if self.present.shape[2] == 1:
            return means
        number = self.present.sum(dim=2, keepdim=True).clamp(min=1).to(means)
        merged: Tensor = means.view(*self.present.shape, -1).sum(dim=2) / number
        return merged
