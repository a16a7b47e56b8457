"""Sweeps: several numbers of groups (the paper's Figure 3), tracked layers (its Table 7), values of a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.compare import run_methods
from gradsim_offline.experiments.method import Method, overlay, read_methods
from gradsim_offline.experiments.variants import Over, spread
from gradsim_offline.report.axes import MARKS
from gradsim_offline.report.charts import Point, Series
from gradsim_offline.report.comparison_tables import AVERAGES, TITLES
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.figures import write_figures
from gradsim_offline.report.lines import Plot, plots
from gradsim_offline.report.numbers import rounded
from gradsim_shared.errors import SettingsError


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
        out: The run directory; cells of comparisons in it are used again.
        progress: Shows how far it is.
        method: Name, or path of a TOML file.
        how: ``seeds``, ``permutations``, ``keep_models``.

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
    """
    tracked = overlay(settings, {"measuring": {"layers": list(layers)}}, "gradient")
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
    """Score methods trained with several values of a setting; write sweep-over-<setting>.json, .md and .tex.

    Args:
        settings: What is held equal.
        over: The setting and its values.
        names: Methods, each trained with each value.
        out: The run directory; cells of comparisons in it are used again.
        progress: Shows how far it is.
        how: ``seeds``, ``permutations``, ``keep_models``.

    Raises:
        GradsimError: As for a comparison.
    """
    methods = spread(read_methods(names, settings), over)
    points = {"over": over.setting, "values": over.names}
    return run_methods(settings, methods, out, progress, name=over.file, extra={"sweep": points}, over=over, **how)


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
    plot = Plot(series, [numbers] * len(series), "K, the number of groups at most", {n: str(n) for n in numbers})
    caption = Caption(
        "sweep-groups", f"{result['metric']} on {TITLES[split]} for every K", "Bars: ± standard deviation over seeds."
    )
    return plots([plot], caption, axis=f"{result['metric']}, %", tick=rounded)


def _point(average: Mapping[str, Any]) -> Point:
    mean, spread = average["mean"], average["sd"]
    return Point(mean, (mean - spread, mean + spread) if spread else None)
