"""F, the gains: what languages are expected to score in whole groups, by the answers of every group's head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SPLITS = 4  # of the texts into halves
_LEAST = 1e-3  # probability of a gold label that counts: one text more or less surely missed decides nothing
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
    answered: tuple[NDArray[np.uint16], ...]
    chance: tuple[NDArray[np.float16], ...]

    def of(self, language: int, row: int) -> NDArray[np.int64]:
        """Return what the group at a row answers to a language's texts, ``[texts]``."""
        return self.answered[language][int(self.groups[: row + 1, language].sum()) - 1].astype(np.int64)

    def gains(self, kept: Sequence[NDArray[np.bool_]] | None = None) -> Gains:
        """Return F: the share of texts that each language's groups answer right, shrunk.

        It is the share that the head of all languages answers right, and a weight times what the group adds to the mean
        log probability of the gold label. That is less noisy than the share itself, and the weight is the one with
        which it tells, from one half of the texts, the gain in right answers on the other half: where groups differ by
        noise only it is about 0, and F of every group is that of all languages.

        Args:
            kept: Per language, which texts count, ``[texts]``; ``None``: all.
        """
        kept = kept or [np.ones(len(own), bool) for own in self.gold]
        weight = self._weight(kept)
        values = np.full(self.groups.shape, -np.inf)
        for i, own in enumerate(kept):
            right, certain, everything = self._means(i, own)
            values[self.groups[:, i], i] = right[everything] + weight * (certain - certain[everything])
        return Gains(self.groups, values)

    def pairs(self) -> Array:
        """Return F of i in the group of i and j, ``[N, N]``; on the diagonal, of i alone."""
        gains, count = self.gains(), self.groups.shape[1]
        return np.array([[gains.of(sorted({i, j}))[0 if i <= j else 1] for j in range(count)] for i in range(count)])

    def _weight(self, kept: Sequence[NDArray[np.bool_]]) -> float:
        """Return the weight, at least 0: least squares over all groups and languages, and some splits into halves."""
        product = square = 0.0
        for split in range(_SPLITS):
            for i, own in enumerate(kept):
                chosen = np.random.default_rng([split, i]).permutation(np.flatnonzero(own))
                first = np.isin(np.arange(len(own)), chosen[::2])
                _, certain, everything = self._means(i, first)
                right, _, _ = self._means(i, own & ~first)
                gain = certain - certain[everything]
                product += float(gain @ (right - right[everything]))
                square += float(gain @ gain)
        return max(0.0, product / square) if square else 0.0

    def _means(self, language: int, kept: NDArray[np.bool_]) -> tuple[Array, Array, int]:
        """Return groups' mean right answers and log probabilities, ``[groups with it]``; where all languages are."""
        right, certain = self._of_texts[language]
        share = kept.astype(np.float32) / max(1, int(kept.sum()))
        everything = int(self.groups[self.groups[:, language]].all(axis=1).argmax())
        return (right @ share).astype(np.float64), (certain @ share).astype(np.float64), everything

    @cached_property
    def _of_texts(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Whether answers are right, and the log probability of gold, per language ``[groups with it, texts]``."""
        return [
            ((answered == own).astype(np.float32), np.log(np.maximum(chance.astype(np.float32), _LEAST)))
            for answered, own, chance in zip(self.answered, self.gold, self.chance, strict=True)
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of the answers."""
        digest = sha256(self.groups.tobytes())
        for answered, chance in zip(self.answered, self.chance, strict=True):
            digest.update(answered.tobytes() + chance.tobytes())
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
