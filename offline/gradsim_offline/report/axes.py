"""Scales from values to pixels, round ticks, and the frame of a plot; marks that differ in shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from gradsim_offline.report.drawing import Dot, Line, Shape, Text

MARKS = ("circle", "square", "triangle", "diamond")
_CORNERS = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "triangle": ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
    "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
}
_MARK_SIZE = 4.2  # pixels from a mark's middle


class Scale(NamedTuple):
    """A linear scale: values from ``low`` to ``high`` lie between the pixels ``start`` and ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def around(low: float, high: float) -> list[float]:
    """Return about six round values, the first not above ``low``, the last not below ``high``."""
    if high - low < 1e-9:
        low, high = low - 0.01, high + 0.01
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * i for i in range(first, last + 1)]


def frame(
    x: Scale, y: Scale, x_ticks: Mapping[float, str], y_ticks: Mapping[float, str], x_axis: str, y_axis: str = ""
) -> list[Shape]:
    """Draw grid lines, what is written at them (empty: a line alone), and the titles of the axes."""
    shapes: list[Shape] = [Line(((x(value), y.end), (x(value), y.start)), "grid") for value in x_ticks]
    shapes += [Line(((x.start, y(value)), (x.end, y(value))), "grid") for value in y_ticks]
    shapes += [Text(x(value), y.start + 16, written) for value, written in x_ticks.items()]
    shapes += [Text(x.start - 8, y(value), text, anchor="end", centred=True) for value, text in y_ticks.items()]
    shapes.append(Text((x.start + x.end) / 2, y.start + 34, x_axis))
    if y_axis:
        shapes.append(Text(x.start - 42, (y.start + y.end) / 2, y_axis, turned=True))
    return shapes


def mark(shape: str, x: float, y: float, style: str) -> list[Shape]:
    """Return a mark of a shape."""
    if shape not in _CORNERS:
        return [Dot(x, y, style, _MARK_SIZE)]
    corners = tuple((x + _MARK_SIZE * dx, y + _MARK_SIZE * dy) for dx, dy in _CORNERS[shape])
    return [Line(corners, style, closed=True)]
