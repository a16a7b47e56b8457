"""Sweeps: several numbers of groups (the paper's Figure 3), tracked layers (its Table 7), values of a setting."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.compare import run_methods
from gradsim_offline.experiments.method import Method, overlay, read_methods, with_groups
from gradsim_offline.pipeline.recipes import changed
from gradsim_offline.report.axes import MARKS
from gradsim_offline.report.charts import Point, Series
from gradsim_offline.report.comparison_tables import AVERAGES, TITLES
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.figures import write_figures
from gradsim_offline.report.lines import plot
from gradsim_offline.report.numbers import rounded
from gradsim_shared.errors import SettingsError

_SWEPT = ("training", "adapting", "pretraining", "measuring", "model", "maximum_length")


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
        """A sentence that says which setting differs between methods."""
        return f" But {self.setting} is {', '.join(self.names)}, as the names of the methods say."


def sweep_groups(
    settings: Settings,
    numbers: Sequence[int],
    out: Path,
    progress: Progress,
    *,
    method: str = "gradient",
    **how: Any,  # noqa: ANN401 - as run_methods takes it
) -> dict[str, Any]:
    """Score a method with several K; write sweep-groups.json, .md, .tex, .svg and .png.

    Args:
        settings: What is held equal.
        numbers: Of groups.
        out: The run directory; what comparisons in it computed is used again.
        progress: Shows how far it is.
        method: Name, or path of a TOML file.
        how: ``seeds``, ``permutations``, ``keep_models``, ``engine``.

    Raises:
        GradsimError: As for a comparison.
    """
    (read,) = read_methods([method], settings)
    methods = [_with_groups(read, number) for number in numbers]
    points = {"over": "groups", "values": list(numbers)}
    result = run_methods(settings, methods, out, progress, name="sweep-groups", extra={"sweep": points}, **how)
    write_figures(out, [draw(result)])
    return result


def sweep_layers(
    settings: Settings,
    layers: Sequence[str],
    out: Path,
    progress: Progress,
    **how: Any,  # noqa: ANN401 - as run_methods takes it
) -> dict[str, Any]:
    """Score the groups from each tracked layer, all measured in one joint run; write sweep-layers.json, .md and .tex.

    Layers but the first have no split-half values: with that rule, a group of one is scored by the diagonal, for all.

    Raises:
        SettingsError: The models are linear.
        GradsimError: As for a comparison.
    """
    if settings.linear:
        raise SettingsError(
            "--layers compares the layers of an encoder that is trained, and these models are linear; take --model "
            "mini, or a pre-trained encoder with training.trained_blocks = all"
        )
    tracked = overlay(with_groups(settings), {"measuring": {"layers": list(layers)}}, "gradient")
    (read,) = read_methods(["gradient"], tracked)
    methods = [
        replace(read, name=f"gradient-{layer}", description=f"Groups from the gradients of {layer}", layer=layer)
        for layer in layers
    ]
    points = {"over": "layers", "values": list(layers)}
    return run_methods(settings, methods, out, progress, name="sweep-layers", extra={"sweep": points}, **how)


def sweep_over(
    settings: Settings,
    over: Over,
    names: Sequence[str],
    out: Path,
    progress: Progress,
    **how: Any,  # noqa: ANN401 - as run_methods takes it
) -> dict[str, Any]:
    """Score methods trained with several values of a setting; write sweep-<setting>.json, .md and .tex.

    The arguments are those of ``sweep_groups``, with a setting and its values instead of numbers.

    Raises:
        GradsimError: As for a comparison.
    """
    settings = with_groups(settings)
    methods = _variants(read_methods(names, settings), over)
    points = {"over": over.setting, "values": over.names}
    return run_methods(
        settings, methods, out, progress, name=over.file, extra={"sweep": points}, differs=over.differs, **how
    )


def read_over(text: str) -> Over:
    """Read ``training.strategy=mixed,surgery``.

    Raises:
        SettingsError: It is not of that form, names a setting that cannot be swept, or a value twice.
    """
    setting, equals, values = (part.strip() for part in text.partition("="))
    read = tuple(_value(part.strip()) for part in values.split(",") if part.strip())
    if not equals or len(read) < 2:
        raise SettingsError(
            f"--over {text}: write a setting and two values or more, as in training.strategy=mixed,surgery"
        )
    if setting.partition(".")[0] not in _SWEPT:
        raise SettingsError(
            f"--over {text}: {setting} is not a setting of training ({', '.join(_SWEPT)}); to compare ways of "
            "grouping write methods (docs/comparing.md)"
        )
    over = Over(setting, read)
    if len(set(over.names)) < len(read):
        raise SettingsError(f"--over {text}: a value stands there twice")
    return over


def _value(text: str) -> Any:  # noqa: ANN401 - of any setting
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _variants(methods: Sequence[Method], over: Over) -> list[Method]:
    """Return each method once for each value; the value of the comparison itself makes no variant.

    Raises:
        SettingsError: The setting is unknown, or a value is impossible.
    """
    variants = []
    for method in methods:
        every = [changed(method.settings, over.setting, value) for value in over.values]
        _refuse_alike(over, method, every)
        for settings, name in zip(every, over.names, strict=True):
            variants.append(
                replace(
                    method,
                    name=f"{method.name}+{name}",
                    description=f"{method.description}; {over.setting} = {name}",
                    settings=settings,
                    variant="" if settings == method.settings else f"{over.setting}={name}",
                )
            )
    return variants


def _refuse_alike(over: Over, method: Method, settings: Sequence[Settings]) -> None:
    """Refuse values that are equal, or that have no effect.

    Raises:
        SettingsError: Two values are one, or the setting has no effect.
    """
    if any(each in settings[:i] for i, each in enumerate(settings)):
        raise SettingsError(f"{over.setting}: two of the values {', '.join(over.names)} are the same")
    model = method.settings.model
    if over.setting.startswith("pretraining.") and model != "mini":
        raise SettingsError(f"{over.setting} has no effect on {model}; only mini is made by the build")


def read_numbers(text: str) -> list[int]:
    """Read ``1..8`` or ``1,2,4``.

    Raises:
        SettingsError: It is neither, or not in rising order from 1.
    """
    first, dots, last = text.partition("..")
    try:
        numbers = list(range(int(first), int(last) + 1)) if dots else [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1 or any(b <= a for a, b in pairwise(numbers)):
        raise SettingsError(f"--groups {text}: write rising numbers from 1, as in 1..8 or 1,2,4")
    return numbers


def _with_groups(method: Method, number: int) -> Method:
    grouping = method.settings.grouping.model_copy(update={"groups": number})
    settings = method.settings.model_copy(update={"grouping": grouping})
    return replace(method, name=f"{method.name}-k{number}", description=f"K = {number}", settings=settings)


def draw(result: Mapping[str, Any]) -> Drawing:
    """Draw both averages on test (or dev) against K; bars: ± standard deviation over seeds."""
    split = "test" if "test" in result["averages"] else "dev"
    numbers = result["sweep"]["values"]
    averages = [result["averages"][split][method["name"]] for method in result["methods"]]
    series = [
        Series(title, [_point(each[average]) for each in averages], mark, filled)
        for (average, title), mark, filled in zip(AVERAGES.items(), MARKS, (True, False), strict=False)
    ]
    caption = Caption(
        "sweep-groups", f"{result['metric']} on {TITLES[split]} for every K", "Bars: ± standard deviation over seeds."
    )
    axes = ("K, the number of groups at most", f"{result['metric']} on {split}, %")
    return plot(series, numbers, caption, axes=axes, tick=rounded)


def _point(average: Mapping[str, Any]) -> Point:
    mean, spread = average["mean"], average["sd"]
    return Point(mean, (mean - spread, mean + spread) if spread else None)
