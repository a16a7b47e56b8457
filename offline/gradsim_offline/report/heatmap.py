"""A matrix as a heat map: colours diverging around 0, groups outlined, values written or hatched for black and white.

Colours are classes that the page's style sheet fills, so that one drawing serves light, dark and print. The drawing of
a value is a colour from transparent to full over the page's own ground; a cell's exact value stands in its tooltip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.report.drawing import Box, Drawing, Line, Shape, Text, cut
from gradsim_offline.report.numbers import decimal

WRITTEN_CELLS = 20  # up to so many rows the values are written into the cells
TOOLTIP_CELLS = 60  # beyond so many rows even tooltips would make the page heavy
LABEL_WIDTH = 6.9  # pixels per character of a label
_STRONG = 0.7  # from this opacity on, white text reads better than the page's own
_HATCHED = 0.05  # from this opacity on, a cell without text shows that it is negative
_LONGEST_LABEL = 28  # characters before it is cut
_MATRIX_WIDTH = 700  # pixels that a matrix without written values gets, if its cells do not become too small
_GUTTER, _GAP = 34, 12  # left of the labels for the blocks' names; before the column that stands aside


@dataclass(frozen=True)
class Block:
    """Cells that belong together, outlined, with a name beside their rows.

    Attributes:
        name: Written at the left of the rows.
        rows: First row, and the row after the last.
        columns: Any columns; each unbroken run has its own outline.
    """

    name: str
    rows: tuple[int, int]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Aside:
    """One more column at the right, set apart."""

    name: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class _Grid:
    """Where the cells lie, in pixels."""

    left: float
    top: float
    width: float
    height: float


def heatmap(
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    name: str,
    title: str,
    description: str,
    muted: NDArray[np.bool_] | None = None,
    tip: Callable[[int, int], str],
    write: Callable[[float], str] | None = None,
    colour: str = "signed",
    blocks: Sequence[Block] = (),
    aside: Aside | None = None,
) -> Drawing:
    """Draw a matrix.

    Args:
        values: ``[rows, columns]``; what is not finite stays empty.
        rows: Labels at the left.
        columns: Short labels above.
        name: Unique in the page.
        title: What it shows, for those who hear the page.
        description: How to read it.
        muted: ``[rows, columns]``; cells without colour, which do not count for the scale: a diagonal. ``None``: none.
        tip: Tooltip of a cell, by row and column; column ``len(columns)`` is the one aside.
        write: A value as the cell shows it; ``None``: with as many decimals as the scale asks for.
        colour: ``signed``, or the class of the one colour that all values get.
        blocks: Outlined cells.
        aside: One more column, such as each row's similarity with itself.
    """
    muted = np.zeros(values.shape, dtype=bool) if muted is None else muted
    shown = np.abs(values[np.isfinite(values) & ~muted])
    extent = float(shown.max()) if shown.size else 0.0
    hatched = colour == "signed" and len(rows) > WRITTEN_CELLS
    digits = 2 if extent >= 0.1 else 3
    text = write or (lambda value: decimal(value, digits))
    small, tips = len(rows) > WRITTEN_CELLS, len(rows) <= TOOLTIP_CELLS
    width, height = (max(9, min(18, _MATRIX_WIDTH // len(rows))),) * 2 if small else (46, 28)
    gutter = _GUTTER if blocks else 0
    left = gutter + 18 + LABEL_WIDTH * max(len(cut(label, _LONGEST_LABEL)) for label in rows)
    places = [left + j * width for j in range(len(columns))]
    if aside is not None:
        values = np.column_stack([values, aside.values])  # [rows, columns + 1]
        muted = np.column_stack([muted, np.zeros(len(rows), dtype=bool)])
        columns, places = [*columns, aside.name], [*places, places[-1] + width + _GAP]
    longest = max(len(cut(label, _LONGEST_LABEL)) for label in columns)
    grid = _Grid(left, 12 + (LABEL_WIDTH * longest if small else 14), width, height)

    shapes: list[Shape] = [
        Text(
            x + width / 2, grid.top - 7, cut(label, _LONGEST_LABEL), turned=small, anchor="start" if small else "middle"
        )
        for label, x in zip(columns, places, strict=True)
    ]
    for i, label in enumerate(rows):
        y = grid.top + i * height
        shapes.append(Text(left - 8, y + height / 2, cut(label, _LONGEST_LABEL), anchor="end", centred=True))
        for j, x in enumerate(places):
            style = "muted" if muted[i, j] else _class(values[i, j], colour)
            hint = tip(i, j) if tips else ""
            box = (x, y, width, height)
            inside = "" if small else text(values[i, j])
            shapes += _cell(values[i, j], extent, box, style, text=inside, hint=hint, hatched=hatched)
    for block in blocks:
        shapes += _outline(block, grid)
    bottom = grid.top + len(rows) * height
    shapes += _legend(left, bottom + 16, extent, colour, text, hatched=hatched)
    return Drawing(shapes, max(places[-1] + width + 8, left + 190), bottom + 50, name, title, description)


def _cell(
    value: float,
    extent: float,
    box: tuple[float, float, float, float],
    style: str,
    *,
    text: str = "",
    hint: str = "",
    hatched: bool = False,
) -> list[Shape]:
    x, y, width, height = box
    strength = min(1.0, abs(value) / extent) if extent and np.isfinite(value) else 0.0
    opacity = 1.0 if style == "muted" else strength
    shapes: list[Shape] = [Box(x + 0.5, y + 0.5, width - 1, height - 1, style, opacity, hint)]
    if text:
        ink = "quiet" if style == "muted" else "strong" if strength >= _STRONG else "value"
        shapes.append(Text(x + width / 2, y + height / 2, text, ink, centred=True))
    elif hatched and style == "negative" and strength >= _HATCHED:
        stroke = "hatch-strong" if strength >= _STRONG else "hatch"
        shapes.append(Line(((x + 1.5, y + height - 1.5), (x + width - 1.5, y + 1.5)), stroke))
    return shapes


def _outline(block: Block, grid: _Grid) -> list[Shape]:
    """Draw the borders of a group's cells, and its name with a bracket at the left."""
    first, end = block.rows
    y, tall = grid.top + first * grid.height, (end - first) * grid.height
    ordered = sorted(block.columns)
    starts = [j for j in ordered if j - 1 not in ordered]
    ends = [j + 1 for j in ordered if j + 1 not in ordered]
    shapes: list[Shape] = [
        Box(grid.left + start * grid.width, y, (stop - start) * grid.width, tall, "outline")
        for start, stop in zip(starts, ends, strict=True)
    ]
    shapes.append(Line(((_GUTTER - 4, y + 3), (_GUTTER - 4, y + tall - 3)), "bracket"))
    shapes.append(Text(_GUTTER - 10, y + tall / 2, block.name, "block", anchor="end", centred=True))
    return shapes


def _legend(
    x: float, y: float, extent: float, colour: str, text: Callable[[float], str], *, hatched: bool
) -> list[Shape]:
    """Draw the scale: from least to most, in steps, with the values at its ends and, if it has two sides, at 0."""
    if not extent:
        return []
    edges = np.linspace(-extent if colour == "signed" else 0.0, extent, 12)
    shapes: list[Shape] = []
    for i, (low, high) in enumerate(pairwise(edges)):
        shapes += _cell((low + high) / 2, extent, (x + 14 * i, y, 14, 10), _class(low + high, colour), hatched=hatched)
    marks = {x: float(edges[0]), x + 14 * 11: extent}
    if colour == "signed":
        marks[x + 7 * 11] = 0.0
    return shapes + [Text(place, y + 25, text(value) or "0") for place, value in marks.items()]


def _class(value: float, colour: str) -> str:
    if colour != "signed":
        return colour
    return "negative" if value < 0 else "positive"
