"""The plan of a few-shot experiment, checked before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.languages import resolve
from gradsim_offline.core.settings import NGRAMS, Settings
from gradsim_offline.core.training_settings import Training
from gradsim_offline.experiments.few_shot.regimes import Regime
from gradsim_offline.experiments.few_shot.shots import draw
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.nearest import unknown

SHOT_EPOCHS = 10
SHOT_BATCH_SIZE = 8
MINI_RATE = 0.1  # of the training's rate: mini's is one for learning from nothing, not for going on


@dataclass(frozen=True)
class SecondStep:
    """How ``ord-fs`` and ``mix-ft`` train on shots; nothing of it is tuned.

    Attributes:
        epochs: Passes over the shots; the last one is kept.
        batch_size: Shots per step.
        learning_rate: Peak of the schedule; ``None``: the training's, for mini a tenth of it.
    """

    epochs: int = SHOT_EPOCHS
    batch_size: int = SHOT_BATCH_SIZE
    learning_rate: float | None = None

    def training(self, settings: Settings) -> Training:
        """Return the training settings of the second step: all but these three as in the first."""
        rate = settings.training.learning_rate * (MINI_RATE if _is_mini(settings.model) else 1.0)
        changed = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate or rate,
            "minimum_steps": 0,
        }
        return settings.training.model_copy(update=changed)


@dataclass(frozen=True)
class Plan:
    """Source, targets, shots, regimes and seeds of an experiment.

    Attributes:
        source: The language with all its training texts.
        targets: The languages with K shots each.
        shots: The values of K, smallest first.
        regimes: In the order of the tables; the first is the baseline ``zero-shot``.
        seeds: Of shots and training.
        second_step: How to train on shots alone.
        alpha: Chance that a step of ``gradient-mix`` is operated on.
        heatmap_shots: The K whose models' gradients are compared.
    """

    source: str
    targets: tuple[str, ...]
    shots: tuple[int, ...]
    regimes: tuple[Regime, ...]
    seeds: tuple[int, ...]
    second_step: SecondStep = SecondStep()
    alpha: float = 1.0
    heatmap_shots: int = 1

    @property
    def languages(self) -> tuple[str, ...]:
        """Source and targets, sorted: the order of every matrix."""
        return tuple(sorted((self.source, *self.targets)))


def make_plan(
    settings: Settings,
    dataset: Dataset,
    *,
    source: str,
    targets: Sequence[str],
    shots: Sequence[int],
    regimes: tuple[Regime, ...],
    seeds: int,
    second_step: SecondStep,
    alpha: float,
    heatmap_shots: int | None,
) -> Plan:
    """Check the arguments of ``few_shot`` against the data; no targets: all others; no K of heat maps: the largest.

    Raises:
        SettingsError: Something cannot be.
        DataError: A language has too few training texts.
    """
    _check_settings(settings)
    if seeds < 1:
        raise SettingsError(f"--seeds {seeds}: it takes at least one")
    if not 0 <= alpha <= 1:
        raise SettingsError(f"--alpha {alpha:g}: it is the chance that a step is operated on, from 0 to 1")
    if not shots or min(shots) < 1:
        raise SettingsError(f"--shots {','.join(map(str, shots))}: name numbers from 1 up, as in 1,5,10")
    if heatmap_shots is not None and heatmap_shots not in shots:
        raise SettingsError(f"--heatmap-shots {heatmap_shots}: it is one of --shots {','.join(map(str, shots))}")
    origin, chosen = _languages(dataset, source, targets)
    if not dataset.split(origin, "train"):
        raise DataError(f"{dataset.name}: the source language {origin} has no training texts")
    numbers = tuple(range(settings.seed, settings.seed + seeds))
    draw(dataset, chosen, max(shots), numbers[0])  # says now which languages have too few
    ordered = tuple(sorted(set(shots)))
    return Plan(origin, chosen, ordered, regimes, numbers, second_step, alpha, heatmap_shots or ordered[-1])


def _check_settings(settings: Settings) -> None:
    """Refuse settings that the regimes decide."""
    training = settings.training
    if settings.linear:
        what = f"model {NGRAMS}" if settings.model == NGRAMS else "a head over a frozen encoder"
        raise SettingsError(
            f"{what} is not trained in steps, as the regimes are; --model mini is, or an encoder with "
            "training.trained_blocks = all"
        )
    if training.strategy != "mixed":
        raise SettingsError(f"training.strategy = {training.strategy}: the regimes choose it; leave it out")
    if training.fraction != 1:
        raise SettingsError(f"training.fraction = {training.fraction:g}: few-shot trains on all of the source's texts")
    if training.ensemble != 1:
        given = f"training.ensemble = {training.ensemble}" + (", training.distil" if training.distil else "")
        raise SettingsError(f"{given}: few-shot trains single models, and no student of several; leave it out")
    if settings.adapting.mode == "tapt-group":
        raise SettingsError("adapting.mode = tapt-group: all regimes start from one encoder; use none or tapt")


def _is_mini(model: str) -> bool:
    """Return whether an encoder is mini, by its name or its config.json."""
    if model == "mini":
        return True
    try:
        config = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a Hub name, or found to be broken later
        return False
    from gradsim_offline.models.mini import MiniConfig

    return isinstance(config, dict) and config.get("model_type") == MiniConfig.model_type


def _languages(dataset: Dataset, source: str, targets: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the codes of source and targets as the data set has them."""
    origin = _code(dataset, source, "source language")
    named = [_code(dataset, code, "target language") for code in targets]
    if origin in named:
        raise SettingsError(f"--targets: {origin} is the source language; it cannot be a target, too")
    chosen = tuple(code for code in dataset.languages if code in named or (not named and code != origin))
    if not chosen:
        raise SettingsError(f"{dataset.name} has no language beside the source {origin}: there is no target")
    return origin, chosen


def _code(dataset: Dataset, given: str, kind: str) -> str:
    """Return a language's code in the data set; other codes of it, and the data set's own, are known."""
    own = {alias: code for code, aliases in dataset.aliases.items() for alias in aliases}
    known = dict.fromkeys(dataset.languages)
    if given in known or given in own:
        return own.get(given, given)
    try:
        found = resolve(given)
    except DataError:
        found = given
    if found not in known:
        raise SettingsError(f"{dataset.name}: " + unknown(kind, given, dataset.languages))
    return found
