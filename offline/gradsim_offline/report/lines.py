"""Lines over a second quantity: several in one plot, told apart by their marks, or each in a strip of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gradsim_offline.report.axes import Scale, around, frame, mark
from gradsim_offline.report.charts import Series, legend
from gradsim_offline.report.drawing import Caption, Dot, Drawing, Line, Shape, Text, cut, width_of

_WIDTH, _HEIGHT, _LEFT, _TOP = 340.0, 200.0, 64.0, 46.0  # pixels of a plot, left of it and above it
_STRIP, _GAP = 44.0, 22.0  # pixels of a strip, and between two
_WIDEST, _STEP = 430.0, 64.0  # pixels between the first and the last epoch, and between two, at most
_SCALE = 62.0  # pixels for the numbers of a strip's scale
_MOST_NUMBERS = 12  # epochs whose number is written


def plot(
    series: Sequence[Series],
    xs: Sequence[float],
    caption: Caption,
    *,
    axes: tuple[str, str],
    tick: Callable[[float], str],
) -> Drawing:
    """Draw lines in one frame, with a legend; a point's words stand above it.

    Args:
        series: The lines, one point for each x; a missing point leaves its line whole.
        xs: Values on the x axis, each written there.
        caption: Of the figure.
        axes: What the x axis shows, and the y axis.
        tick: A round value of the y axis.
    """
    points = [point for each in series for point in each.points if point]
    values = [value for point in points for value in (point.value, *(point.interval or ()))]
    ticks = around(min(values), max(values))
    y = Scale(ticks[0], ticks[-1], _TOP + _HEIGHT, _TOP)
    margin = 0.06 * (max(xs) - min(xs)) or 1.0
    x = Scale(min(xs) - margin, max(xs) + margin, _LEFT, _LEFT + _WIDTH)
    shapes = legend(series, _LEFT)
    shapes += frame(x, y, {value: f"{value:g}" for value in xs}, {value: tick(value) for value in ticks}, *axes)
    for each in series:
        shapes += _trace(each, xs, x, y)
    return Drawing(shapes, _LEFT + _WIDTH + 24, _TOP + _HEIGHT + 46, *caption)


def _trace(series: Series, xs: Sequence[float], x: Scale, y: Scale) -> list[Shape]:
    """Draw a line with its marks, the intervals as upright bars, and words above the marks."""
    told = [(x(value), point) for value, point in zip(xs, series.points, strict=True) if point]
    shapes: list[Shape] = [Line(tuple((at, y(point.value)) for at, point in told), "axis")]
    for at, point in told:
        if point.interval:
            low, high = (y(end) for end in point.interval)
            shapes.append(Line(((at, low), (at, high)), "spread"))
            shapes += [Line(((at - 4, end), (at + 4, end)), "spread") for end in (low, high)]
        shapes += mark(series.mark, at, y(point.value), series.style)
        shapes += [Text(at, y(point.value) - 9, point.words)] if point.words else []
    return shapes


@dataclass(frozen=True)
class Strip:
    """One thing over its epochs.

    Attributes:
        label: At the left.
        values: One per epoch, from the first; ``None``: there is none.
        ringed: Which is set apart with a ring, counted from 0; ``None``: none is.
    """

    label: str
    values: Sequence[float | None]
    ringed: int | None = None


def strips(
    rows: Sequence[Strip], caption: Caption, *, write: Callable[[float], str], tick: Callable[[float], str]
) -> Drawing | None:
    """Draw each thing's values as a line in a strip of its own, all on one scale, the last value at the right.

    Any number of strips can be told apart without colours, which is not so of lines in one plot.

    Args:
        rows: From above.
        caption: Of the figure.
        write: A value as people read it.
        tick: An end of the scale.

    Returns:
        ``None`` where there is no value at all.
    """
    values = [value for row in rows for value in row.values if value is not None]
    if not values:
        return None
    low, high = min(0.0, *values), max(0.0, *values)  # 0 is always on the scale
    ticks = around(low, high if high - low > 1e-9 else low + 0.01)
    epochs = max(len(row.values) for row in rows)
    last = max(1, epochs - 1)
    left = 12 + width_of([cut(row.label) for row in rows]) + _SCALE
    x = Scale(0, last, left, left + min(_STEP * last, _WIDEST))
    shapes: list[Shape] = []
    floor = 14.0 - _GAP
    for row in rows:
        floor += _GAP + _STRIP
        shapes += _strip(row, x, Scale(ticks[0], ticks[-1], floor, floor - _STRIP), write, tick)
    every = -(-epochs // _MOST_NUMBERS)
    shapes += [Text(x(epoch), floor + 18, str(epoch + 1)) for epoch in range(0, epochs, every)]
    shapes.append(Text((x.start + x.end) / 2, floor + 36, "epoch"))
    return Drawing(shapes, x.end + 84, floor + 46, *caption)


def _strip(row: Strip, x: Scale, y: Scale, write: Callable[[float], str], tick: Callable[[float], str]) -> list[Shape]:
    """Return a row's scale, label, line (broken where a value is missing), dots, ring, and last value."""
    middle = (y.start + y.end) / 2
    shapes: list[Shape] = [Text(x.start - _SCALE, middle, cut(row.label), "value", "end", centred=True)]
    for value, style in ((y.low, "grid"), (y.high, "grid"), (0.0, "zero")):
        shapes.append(Line(((x.start - 10, y(value)), (x.end + 10, y(value))), style))
    shapes += [Text(x.start - 16, y(end), tick(end), anchor="end", centred=True) for end in (y.low, y.high)]
    places = [None if value is None else (x(epoch), y(value)) for epoch, value in enumerate(row.values)]
    shapes += [Line((before, after), "line") for before, after in pairwise(places) if before and after]
    ring = places[row.ringed] if row.ringed is not None and 0 <= row.ringed < len(places) else None
    shapes += [Dot(*ring, "hollow", 7)] if ring else []
    shapes += [Dot(*place, "dot") for place in places if place]
    told = [value for value in row.values if value is not None]
    if told:
        shapes.append(Text(x.end + 18, middle, write(told[-1]), "value", "start", centred=True))
    return shapes
