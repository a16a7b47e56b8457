"""Charts that tell things apart by shape and place, not by colour alone: dots with intervals, a curve, a bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gradsim_offline.report.drawing import Box, Dot, Drawing, Line, Shape, Text, cut
from gradsim_offline.report.heatmap import LABEL_WIDTH
from gradsim_offline.report.numbers import decimal

MARKS = ("circle", "square", "triangle", "diamond")
_PLOT_WIDTH = 430.0  # pixels between the smallest and the largest value
_ROW, _LINE = 26.0, 14.0  # pixels of a row with one series; of each further one
_LONGEST_LABEL = 32  # characters before it is cut


@dataclass(frozen=True)
class Point:
    """One mark.

    Attributes:
        value: Where it stands.
        interval: Where its bar ends; ``None``: it has none.
        seeds: Smaller marks beside it: what it is the mean of.
        words: Its tooltip.
    """

    value: float
    interval: tuple[float, float] | None = None
    seeds: tuple[float, ...] = ()
    words: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one kind, one per row; ``None`` where a row has none.

    Attributes:
        name: In the legend.
        mark: Its shape.
        filled: Whether the shape is.
    """

    name: str
    points: Sequence[Point | None]
    mark: str = "circle"
    filled: bool = True


def dots(
    rows: Sequence[str],
    series: Sequence[Series],
    *,
    name: str,
    title: str,
    description: str,
    write: Callable[[float], str],
    axis: str,
    tick: Callable[[float], str] | None = None,
    zero: bool = False,
) -> Drawing:
    """Draw values along one axis, a row for each thing; a single series has its values written at the right.

    Args:
        rows: Labels at the left.
        series: In the order from above within a row.
        name: Unique in the page.
        title: What it shows.
        description: How to read it.
        write: A value as people read it.
        axis: What the axis shows, with its unit.
        tick: A round value below the axis; ``None``: as ``write`` does.
        zero: Whether 0 is marked with a line, and always on the axis.
    """
    points = [point for one in series for point in one.points if point]
    ticks, at = _scale(points, zero=zero, left=12 + LABEL_WIDTH * max(len(cut(row, _LONGEST_LABEL)) for row in rows))
    tall = _ROW + _LINE * (len(series) - 1)
    top = 34.0 if len(series) > 1 else 12.0
    left, right, bottom = at(ticks[0]), at(ticks[-1]), top + tall * len(rows)
    shapes: list[Shape] = [Line(((at(value), top), (at(value), bottom)), "grid") for value in ticks]
    if zero:
        shapes.append(Line(((at(0), top), (at(0), bottom)), "zero"))
    shapes += [Text(at(value), bottom + 16, (tick or write)(value)) for value in ticks]
    shapes.append(Text((left + right) / 2, bottom + 34, axis))
    if len(series) > 1:
        shapes += _legend(series, left)
    for i, row in enumerate(rows):
        y = top + tall * i
        shapes.append(Text(left - 14, y + tall / 2, cut(row, _LONGEST_LABEL), anchor="end", centred=True))
        if i:
            shapes.append(Line(((left, y), (right, y)), "grid"))
        for j, one in enumerate(series):
            point, height = one.points[i], y + _ROW / 2 + _LINE * j
            if point:
                shapes += _point(point, one, at, height)
                if len(series) == 1:
                    shapes.append(Text(right + 14, height, write(point.value), "value", anchor="start", centred=True))
    return Drawing(shapes, right + (70 if len(series) == 1 else 24), bottom + 44, name, title, description)


def curve(
    values: Sequence[float],
    labels: Sequence[str],
    *,
    name: str,
    title: str,
    description: str,
    write: Callable[[float], str] = decimal,
    axis: str = "",
    marked: int | None = None,
    from_zero: bool = False,
) -> Drawing:
    """Draw a short series, each point with its value.

    Args:
        values: From left to right.
        labels: Below the points.
        name: Unique in the page.
        title: What it shows.
        description: What it says.
        write: A value as people read it.
        axis: What the labels are; empty: nothing is written.
        marked: Which point is set apart, with a ring.
        from_zero: Whether the axis starts at 0; else at the least value.
    """
    left, top, step, height = 40.0, 30.0, 76.0, 90.0
    lowest, highest = (0.0 if from_zero else min(values)), max(values)
    extent = max(highest - lowest, 1e-12)
    at = [(left + i * step, top + height * (1 - (value - lowest) / extent)) for i, value in enumerate(values)]
    right, floor = left + (len(values) - 1) * step, top + height + (0 if from_zero else 14)
    shapes: list[Shape] = [Line(((left - 24, floor), (right + 24, floor)), "axis"), Line(tuple(at), "line")]
    for i, ((x, y), value, label) in enumerate(zip(at, values, labels, strict=True)):
        if i == marked:
            shapes.append(Dot(x, y, "hollow", 8))
        shapes.append(Dot(x, y, "dot"))
        shapes.append(Text(x, y - 12, write(value), "block" if i == marked else "point"))
        shapes.append(Text(x, floor + 17, label, "block" if i == marked else "label"))
    if axis:
        shapes.append(Text((left + right) / 2, floor + 36, axis))
    width = max(right + 44, left + LABEL_WIDTH * len(axis))
    return Drawing(shapes, width, floor + (44 if axis else 26), name, title, description)


def bar(value: float, extent: float) -> Markup:
    """Draw a difference as a bar left or right of a line; it stands beside its number and is not read out."""
    half = 40.0
    length = half * min(1.0, abs(value) / extent) if extent else 0.0
    return Markup(
        '<svg class="bar" aria-hidden="true" width="84" height="12" viewBox="-42 0 84 12">'
        '<rect class="{}" x="{:.1f}" y="2" width="{:.1f}" height="8" rx="2"/><path class="axis" d="M0 0V12"/></svg>'
    ).format("better" if value >= 0 else "worse", 0 if value >= 0 else -length, length)


def around(low: float, high: float) -> list[float]:
    """Return about six round values, the first not above ``low``, the last not below ``high``."""
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * i for i in range(first, last + 1)]


def _scale(points: Sequence[Point], *, zero: bool, left: float) -> tuple[list[float], Callable[[float], float]]:
    """Return round ticks around all values, and the function from a value to its place."""
    values = [value for point in points for value in (point.value, *(point.interval or ()), *point.seeds)]
    low, high = min([*values, *([0.0] if zero else [])]), max([*values, *([0.0] if zero else [])])
    if high - low < 1e-9:
        low, high = low - 0.01, high + 0.01
    ticks = around(low, high)
    start = left + 14

    def place(value: float) -> float:
        return start + _PLOT_WIDTH * (value - ticks[0]) / (ticks[-1] - ticks[0])

    return ticks, place


def _point(point: Point, series: Series, at: Callable[[float], float], y: float) -> list[Shape]:
    """Draw the seeds, a bar and the mark above them; an unseen box over bar and mark tells its words."""
    shapes: list[Shape] = [Dot(at(seed), y + 7, "seed", 2.6) for seed in point.seeds]
    y -= 2 if point.seeds else 0
    ends = point.interval or (point.value, point.value)
    low, high = min(ends[0], point.value), max(ends[1], point.value)
    if point.interval:
        low, high = ends
        shapes.append(Line(((at(low), y), (at(high), y)), "spread"))
        shapes += [Line(((at(end), y - 4), (at(end), y + 4)), "spread") for end in (low, high)]
    shapes += mark(series.mark, at(point.value), y, "full" if series.filled else "hollow")
    if point.words:
        shapes.append(Box(at(low) - 8, y - 7, at(high) - at(low) + 16, 14, "positive", 0.0, point.words))
    return shapes


def mark(shape: str, x: float, y: float, style: str) -> list[Shape]:
    """Return a mark of a shape."""
    size = 4.2
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
        "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    }
    if shape not in corners:
        return [Dot(x, y, style, size)]
    return [Line(tuple((x + size * dx, y + size * dy) for dx, dy in corners[shape]), style, closed=True)]


def _legend(series: Sequence[Series], left: float) -> list[Shape]:
    shapes: list[Shape] = []
    x = left
    for one in series:
        shapes += mark(one.mark, x + 4, 12, "full" if one.filled else "hollow")
        shapes.append(Text(x + 16, 12, one.name, "value", anchor="start", centred=True))
        x += 40 + LABEL_WIDTH * len(one.name)
    return shapes
