"""Variants of methods: the same groupings trained with other values of one setting, as a strategy or a start."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.method import Method
from gradsim_offline.pipeline.model_store import Encoder
from gradsim_offline.pipeline.recipes import changed
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_shared.errors import SettingsError

STARTS = ("model", "pretraining", "maximum_length", "device")  # what the encoder depends on, beside its adapting
_ALLOWED = ("training", "adapting", "pretraining", "measuring", "model", "maximum_length")


@dataclass(frozen=True)
class Over:
    """A setting and the values that a sweep gives it.

    Attributes:
        setting: Its dotted name, as ``training.strategy``.
        values: In the order of the tables.
    """

    setting: str
    values: tuple[Any, ...]

    @property
    def names(self) -> list[str]:
        """The values as they stand in names of methods and folders."""
        return [str(value).replace("/", "-") for value in self.values]

    @property
    def file(self) -> str:
        """The name of the files that hold the results."""
        return f"sweep-{self.setting.replace('.', '-')}"

    @property
    def differs(self) -> str:
        """Say in a sentence, after what is held equal, that this is not."""
        return f" But {self.setting} is {', '.join(self.names)}, as the names of the methods say."


def read_over(text: str) -> Over:
    """Read ``training.strategy=mixed,surgery``.

    Raises:
        SettingsError: It is not of that form, names a setting that cannot be swept, or a value twice.
    """
    setting, equals, values = (part.strip() for part in text.partition("="))
    found = tuple(_value(part.strip()) for part in values.split(",") if part.strip())
    if not equals or len(found) < 2:
        raise SettingsError(
            f"--over {text}: write a setting and two values or more, as in training.strategy=mixed,surgery"
        )
    if setting.partition(".")[0] not in _ALLOWED:
        raise SettingsError(
            f"--over {text}: {setting} is not a setting of training ({', '.join(_ALLOWED)}); to compare ways of "
            "grouping write methods (docs/comparing.md)"
        )
    over = Over(setting, found)
    if len(set(over.names)) < len(found):
        raise SettingsError(f"--over {text}: a value stands there twice")
    return over


def _value(text: str) -> Any:  # noqa: ANN401 - of any setting
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def spread(methods: Sequence[Method], over: Over) -> list[Method]:
    """Return each method once for each value; the value that the comparison has anyway is no variant.

    Raises:
        SettingsError: The setting is unknown, or a value is impossible.
    """
    found = []
    for method in methods:
        every = [changed(method.settings, over.setting, value) for value in over.values]
        _refuse_alike(over, method, every)
        for settings, name in zip(every, over.names, strict=True):
            found.append(
                replace(
                    method,
                    name=f"{method.name}+{name}",
                    description=f"{method.description}; {over.setting} = {name}",
                    settings=settings,
                    variant="" if settings == method.settings else f"{over.setting}={name}",
                )
            )
    return found


def _refuse_alike(over: Over, method: Method, settings: Sequence[Settings]) -> None:
    """Refuse a sweep that would compare a method with itself.

    Raises:
        SettingsError: Two values are one, or the setting has no effect.
    """
    if any(one == other for position, one in enumerate(settings) for other in settings[:position]):
        raise SettingsError(f"{over.setting}: two of the values {', '.join(over.names)} are the same")
    model = method.settings.model
    if over.setting.startswith("pretraining.") and model != "mini":
        raise SettingsError(f"{over.setting} has no effect on {model}; only mini is made by the build")


def by_variant(methods: Sequence[Method]) -> dict[str, list[Method]]:
    """Return the methods of each variant, those that are none first, for others find there what was measured."""
    found: dict[str, list[Method]] = {}
    for method in sorted(methods, key=lambda method: method.variant != ""):
        found.setdefault(method.variant, []).append(method)
    return found


def prepare_encoder(pipeline: Pipeline, base: Settings, variant: str) -> Encoder:
    """Return what a variant starts from: what the comparison starts from, unless a setting of that differs.

    Args:
        pipeline: The variant's, in the comparison's run directory.
        base: The settings of the comparison.
        variant: Names the folder where another start is kept.
    """
    if any(getattr(pipeline.settings, name) != getattr(base, name) for name in STARTS):
        return replace(pipeline, run=_inside(pipeline.run, variant)).prepare_encoder()
    if pipeline.settings.adapting != base.adapting:
        return pipeline.store.prepare_encoder(f"{variant}/adapt")
    return pipeline.prepare_encoder()


def shares_start(settings: Settings, encoder: Encoder, base: Settings, start: Encoder) -> bool:
    """Say whether what was measured for the comparison holds for a variant, too: they start from the same."""
    return encoder == start and all(getattr(settings, name) == getattr(base, name) for name in STARTS)


def folder(run: RunDirectory, seed: int, variant: str) -> RunDirectory:
    """Return where a seed's cells of a variant lie."""
    return _inside(_inside(run, f"seed-{seed}"), variant)


def _inside(run: RunDirectory, name: str) -> RunDirectory:
    return RunDirectory(run.directory / name, run.progress) if name else run
