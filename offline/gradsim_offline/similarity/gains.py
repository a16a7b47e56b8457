"""F, the gains: what languages are expected to score in whole groups, by the answers of every group's head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

_SPLITS = 4  # of the texts into halves
_RANK = 1e-9  # of singular values, as a share of the largest
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gains:
    """What each language is expected to score when each of many groups serves it.

    Attributes:
        groups: Their members, ``[groups, N]``; none stands there twice.
        values: F, ``[groups, N]``; ``-inf``: the language is no member.
    """

    groups: NDArray[np.bool_]
    values: Array

    def of(self, group: Sequence[int]) -> Array:
        """Return what the members of a group score in it, ``[len(group)]``."""
        return np.asarray(self.values[self.row(group), list(group)])

    def row(self, group: Sequence[int]) -> int:
        """Return where a group stands."""
        return self._rows[tuple(sorted(group))]

    @cached_property
    def _rows(self) -> dict[tuple[int, ...], int]:
        return {tuple(np.flatnonzero(group).tolist()): row for row, group in enumerate(self.groups)}


@dataclass(frozen=True)
class GroupAnswers:
    """What the head of each group answers to the dev texts of its members.

    Attributes:
        groups: Members, ``[groups, N]``; one group is all languages.
        gold: Index of each dev text's label, per language ``[texts]``.
        answered: Index of the label that was answered, per language ``[groups with it, texts]``.
        chance: Probability of the gold label, likewise.
    """

    groups: NDArray[np.bool_]
    gold: tuple[NDArray[np.int64], ...]
    answered: tuple[NDArray[np.uint8], ...]
    chance: tuple[NDArray[np.float16], ...]

    def of(self, language: int, row: int) -> NDArray[np.int64]:
        """Return what the group at a row answers to a language's texts, ``[texts]``."""
        return self.answered[language][int(self.groups[: row + 1, language].sum()) - 1].astype(np.int64)

    def gains(self, kept: Sequence[NDArray[np.bool_]] | None = None) -> Gains:
        """Return F: the share of texts that each language's groups answer right, shrunk.

        The gain of a group over all languages is estimated from three figures of it: the share of right answers, the
        mean probability of the gold label, which is less noisy, and that as a sum of what each member adds and of the
        group's size (fitted by least squares). They are weighed as they tell, from one half of the texts, the share of
        right answers to the other half: where groups differ by noise only, the weights are about 0, and F of every
        group is that of all languages.

        Args:
            kept: Per language, which texts count, ``[texts]``; ``None``: all.
        """
        kept = kept or [np.ones(len(own), bool) for own in self.gold]
        weights = self._weights(kept)
        values = np.full(self.groups.shape, -np.inf)
        for i, own in enumerate(kept):
            gain, base = self._figures(i, own)
            values[self.groups[:, i], i] = base + gain @ weights
        return Gains(self.groups, values)

    def pairs(self) -> Array:
        """Return F of i in the group of i and j, ``[N, N]``; on the diagonal, of i alone."""
        gains, count = self.gains(), self.groups.shape[1]
        return np.array([[gains.of(sorted({i, j}))[0 if i <= j else 1] for j in range(count)] for i in range(count)])

    def _weights(self, kept: Sequence[NDArray[np.bool_]]) -> Array:
        """Return the weights of a gain's figures, none below 0, by which one half of the texts tells the other."""
        figures, right = [], []
        for split in range(_SPLITS):
            for i, own in enumerate(kept):
                chosen = np.flatnonzero(own)
                first = np.isin(np.arange(len(own)), np.random.default_rng([split, i]).permutation(chosen)[::2])
                figures.append(self._figures(i, first)[0])
                right.append(self._figures(i, own & ~first)[0][:, 0])
        weights, _ = nnls(np.concatenate(figures), np.concatenate(right))
        return np.asarray(weights)

    def _figures(self, language: int, kept: NDArray[np.bool_]) -> tuple[Array, float]:
        """Return the three figures of each group's gain, ``[groups with it, 3]``, and the share all languages get."""
        right, chance, design, everything = self._prepared[language]
        weights = kept.astype(np.float32) / max(1, int(kept.sum()))
        share, gain = (right @ weights).astype(np.float64), (chance @ weights).astype(np.float64)
        gain -= gain[everything]
        fitted = design @ (design.T @ gain)
        base = float(share[everything])
        return np.stack([share - base, gain, fitted - fitted[everything]], axis=1), base

    @cached_property
    def _prepared(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32], Array, int]]:
        """What figures are made of, per language: right answers and chances of texts, ``[groups with it, texts]``.

        And an orthonormal basis of what members add and of the groups' size, and the place of all languages.
        """
        prepared = []
        for i, own in enumerate(self.gold):
            groups = self.groups[self.groups[:, i]]
            added = np.concatenate([groups, np.log(groups.sum(axis=1))[:, None]], axis=1, dtype=np.float64)
            basis, sizes, _ = np.linalg.svd(added, full_matrices=False)
            right, chance = (self.answered[i] == own).astype(np.float32), self.chance[i].astype(np.float32)
            prepared.append((right, chance, basis[:, sizes > _RANK * sizes[0]], int(groups.all(axis=1).argmax())))
        return prepared

    @property
    def digest(self) -> str:
        """SHA-256 of the answers."""
        digest = sha256(self.groups.tobytes())
        for each in (*self.answered, *self.chance):
            digest.update(each.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write them."""
        each = {
            f"{name}.{i}": getattr(self, name)[i]
            for name in ("gold", "answered", "chance")
            for i in range(self.groups.shape[1])
        }
        np.savez(path, groups=self.groups, **each)


def read_answers(path: Path) -> GroupAnswers:
    """Read what ``GroupAnswers.save`` wrote."""
    with np.load(path) as kept:
        count = kept["groups"].shape[1]
        each = {name: tuple(kept[f"{name}.{i}"] for i in range(count)) for name in ("gold", "answered", "chance")}
        return GroupAnswers(kept["groups"], **each)
