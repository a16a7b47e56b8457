"""Charts that tell things apart by shape and place, not by colour alone: dots with intervals, a curve, a bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gradsim_offline.report.axes import Scale, around, frame, mark
from gradsim_offline.report.drawing import LABEL_WIDTH, Box, Caption, Dot, Drawing, Line, Shape, Text, cut, width_of
from gradsim_offline.report.numbers import decimal

_PLOT_WIDTH = 430.0  # pixels between the smallest and the largest value
_ROW, _LINE = 26.0, 14.0  # pixels of a row with one series; of each further one


@dataclass(frozen=True)
class Point:
    """One mark.

    Attributes:
        value: Where it stands.
        interval: The ends of its bar; ``None``: it has none.
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
        points: Its values.
        mark: Its shape.
        filled: Whether the shape is.
    """

    name: str
    points: Sequence[Point | None]
    mark: str = "circle"
    filled: bool = True

    @property
    def style(self) -> str:
        """The pen of its marks."""
        return "full" if self.filled else "hollow"


def dots(
    rows: Sequence[str],
    series: Sequence[Series],
    caption: Caption,
    *,
    write: Callable[[float], str],
    axis: str,
    tick: Callable[[float], str] | None = None,
    zero: bool = False,
) -> Drawing:
    """Draw values along one axis, a row for each thing; a single series has its values written at the right.

    Args:
        rows: Labels at the left.
        series: In the order from above within a row.
        caption: Of the figure.
        write: A value as people read it.
        axis: What the axis shows, with its unit.
        tick: A round value below the axis; ``None``: as ``write`` does.
        zero: Whether 0 is marked with a line, and always on the axis.
    """
    points = [point for each in series for point in each.points if point]
    values = [value for point in points for value in (point.value, *(point.interval or ()), *point.seeds)]
    values += [0.0] if zero else []
    ticks = around(min(values), max(values))
    labels, several = [cut(row) for row in rows], len(series) > 1
    left, top, tall = 26 + width_of(labels), 34.0 if several else 12.0, _ROW + _LINE * (len(series) - 1)
    x = Scale(ticks[0], ticks[-1], left, left + _PLOT_WIDTH)
    bottom = top + tall * len(rows)
    shapes = frame(x, Scale(0, 1, bottom, top), {value: (tick or write)(value) for value in ticks}, {}, axis)
    shapes += [Line(((x(0), top), (x(0), bottom)), "zero")] if zero else []
    shapes += legend(series, left) if several else []
    for i, label in enumerate(labels):
        y = top + tall * i
        shapes.append(Text(left - 14, y + tall / 2, label, anchor="end", centred=True))
        shapes += [Line(((left, y), (x.end, y)), "grid")] if i else []
        for j, each in enumerate(series):
            point, height = each.points[i], y + _ROW / 2 + _LINE * j
            if point:
                shapes += _point(point, each, x, height)
                if not several:
                    shapes.append(Text(x.end + 14, height, write(point.value), "value", "start", centred=True))
    return Drawing(shapes, x.end + (24 if several else 70), bottom + 44, *caption)


def curve(
    values: Sequence[float],
    labels: Sequence[str],
    caption: Caption,
    *,
    write: Callable[[float], str] = decimal,
    axis: str = "",
    marked: int | None = None,
    from_zero: bool = False,
) -> Drawing:
    """Draw a short series, each point with its value.

    Args:
        values: From left to right.
        labels: Below the points.
        caption: Of the figure.
        write: A value as people read it.
        axis: What the labels are; empty: nothing is written.
        marked: Which point is set apart, with a ring.
        from_zero: Whether the axis starts at 0; else at the least value.
    """
    lowest, highest = (0.0 if from_zero else min(values)), max(values)
    y = Scale(lowest, max(highest, lowest + 1e-12), 120.0, 30.0)
    left, step, floor = 40.0, 76.0, 120.0 + (0 if from_zero else 14)
    places = [(left + i * step, y(value)) for i, value in enumerate(values)]
    right = places[-1][0]
    shapes: list[Shape] = [Line(((left - 24, floor), (right + 24, floor)), "axis"), Line(tuple(places), "line")]
    for i, (place, value, label) in enumerate(zip(places, values, labels, strict=True)):
        ring, style = ([Dot(*place, "hollow", 8)], "block") if i == marked else ([], "label")
        shapes += [*ring, Dot(*place, "dot")]
        shapes += [Text(place[0], place[1] - 12, write(value), style), Text(place[0], floor + 17, label, style)]
    if axis:
        shapes.append(Text((left + right) / 2, floor + 36, axis))
    return Drawing(shapes, max(right + 44, left + LABEL_WIDTH * len(axis)), floor + (44 if axis else 26), *caption)


def bar(value: float, extent: float) -> Markup:
    """Draw a difference as a bar left or right of a line; it stands beside its number and is not read out."""
    half = 40.0
    length = half * min(1.0, abs(value) / extent) if extent else 0.0
    return Markup(
        '<svg class="bar" aria-hidden="true" width="84" height="12" viewBox="-42 0 84 12">'
        '<rect class="{}" x="{:.1f}" y="2" width="{:.1f}" height="8" rx="2"/><path class="axis" d="M0 0V12"/></svg>'
    ).format("better" if value >= 0 else "worse", 0 if value >= 0 else -length, length)


def legend(series: Sequence[Series], x: float) -> list[Shape]:
    """Draw the marks of several series with their names, in one line from ``x``."""
    shapes: list[Shape] = []
    for each in series:
        shapes += mark(each.mark, x + 4, 12, each.style)
        shapes.append(Text(x + 16, 12, each.name, "value", anchor="start", centred=True))
        x += 40 + LABEL_WIDTH * len(each.name)
    return shapes


def _point(point: Point, series: Series, x: Scale, y: float) -> list[Shape]:
    """Draw the seeds, a bar and the mark above them; an invisible box over bar and mark has the tooltip."""
    shapes: list[Shape] = [Dot(x(seed), y + 7, "seed", 2.6) for seed in point.seeds]
    y -= 2 if point.seeds else 0
    low, high = (x(end) for end in point.interval or (point.value, point.value))
    if point.interval:
        shapes.append(Line(((low, y), (high, y)), "spread"))
        shapes += [Line(((end, y - 4), (end, y + 4)), "spread") for end in (low, high)]
    at = x(point.value)
    shapes += mark(series.mark, at, y, series.style)
    if point.words:
        low, high = min(low, at) - 8, max(high, at) + 8
        shapes.append(Box(low, y - 7, high - low, 14, "positive", 0.0, point.words))
    return shapes
