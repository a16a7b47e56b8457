"""A matrix as a heat map: colours diverging around 0, groups outlined, values written or hatched for black and white.

A value's colour goes from transparent to full over the page's own ground; its tooltip has the exact value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.report.drawing import Box, Caption, Drawing, Line, Shape, Text, cut, width_of
from gradsim_offline.report.numbers import decimal, percent

WRITTEN_CELLS = 20  # up to so many rows the values are written into the cells
TOOLTIP_CELLS = 60  # beyond so many rows even tooltips would make the page heavy
_STRONG = 0.7  # from this opacity on, white text reads better than the page's own
_HATCHED = 0.05  # from this opacity on, a cell without text shows that it is negative
_CELL_WIDTH = 46, 72  # pixels of a cell with its value: a head widens it up to the second, or else is turned
_MATRIX_WIDTH = 700  # pixels that a matrix without written values gets, if its cells do not become too small
_FINE = 0.0995  # shares below are written with one decimal of a percent
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
class _Colours:
    """How values become colours.

    Attributes:
        extent: The largest absolute value.
        pen: The one pen of all values; ``signed``: positive and negative ones differ.
        hatched: Whether a stroke marks negative cells.
    """

    extent: float
    pen: str
    hatched: bool

    def cell(
        self,
        value: float,
        box: tuple[float, float, float, float],
        *,
        muted: bool = False,
        text: str = "",
        tip: str = "",
    ) -> list[Shape]:
        """Draw a cell: x, y, width and height."""
        x, y, width, height = box
        strength = min(1.0, abs(value) / self.extent) if self.extent and np.isfinite(value) else 0.0
        signed = "negative" if value < 0 else "positive"
        pen = "muted" if muted else signed if self.pen == "signed" else self.pen
        shapes: list[Shape] = [Box(x + 0.5, y + 0.5, width - 1, height - 1, pen, 1.0 if muted else strength, tip)]
        if text:
            ink = "label" if muted else "strong" if strength >= _STRONG else "value"
            shapes.append(Text(x + width / 2, y + height / 2, text, ink, centred=True))
        elif self.hatched and pen == "negative" and strength >= _HATCHED:
            stroke = "hatch-strong" if strength >= _STRONG else "hatch"
            shapes.append(Line(((x + 1.5, y + height - 1.5), (x + width - 1.5, y + 1.5)), stroke))
        return shapes

    def legend(self, x: float, y: float, write: Callable[[float], str]) -> list[Shape]:
        """Draw the scale from least to most, with the values at its ends and, if it has two sides, at 0."""
        if not self.extent:
            return []
        edges = np.linspace(-self.extent if self.pen == "signed" else 0.0, self.extent, 12)
        shapes: list[Shape] = []
        for i, (low, high) in enumerate(pairwise(edges)):
            shapes += self.cell((low + high) / 2, (x + 14 * i, y, 14, 10))
        values = {x: float(edges[0]), x + 14 * 11: self.extent, **({x + 7 * 11: 0.0} if self.pen == "signed" else {})}
        return shapes + [Text(place, y + 25, write(value) or "0") for place, value in values.items()]


def heatmap(
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    caption: Caption,
    *,
    tip: Callable[[int, int], str],
    muted: NDArray[np.bool_] | None = None,
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
        caption: Of the figure.
        tip: Tooltip of a cell, by row and column; column ``len(columns)`` is the one aside.
        muted: ``[rows, columns]``; cells without colour, which do not count for the scale: a diagonal. ``None``: none.
        write: A value as the cell shows it; ``None``: with as many decimals as the scale asks for.
        colour: ``signed``, or the pen of the one colour that all values get.
        blocks: Outlined cells.
        aside: One more column, such as each row's similarity with itself.
    """
    muted = np.zeros(values.shape, dtype=bool) if muted is None else muted
    shown = np.abs(values[np.isfinite(values) & ~muted])
    if colour == "signed" and shown.size and values[np.isfinite(values) & ~muted].min() >= 0:
        colour = "positive"  # else half of the scale would be of no use
    small, tips = len(rows) > WRITTEN_CELLS, len(rows) <= TOOLTIP_CELLS
    colours = _Colours(float(shown.max()) if shown.size else 0.0, colour, hatched=colour == "signed" and small)
    write = write or (lambda value: decimal(value, 2 if colours.extent >= 0.1 else 3))
    labels, heads = [cut(label) for label in rows], [cut(label) for label in columns]
    least, most = _CELL_WIDTH
    turned = small or width_of(heads) > most
    wide = least if turned else max(least, width_of(heads) + 8)
    width, height = (max(9, min(18, _MATRIX_WIDTH // len(rows))),) * 2 if small else (wide, 28)
    left = (_GUTTER if blocks else 0) + 18 + width_of(labels)
    places = [left + j * width for j in range(len(columns))]
    if aside is not None:
        values = np.column_stack([values, aside.values])  # [rows, columns + 1]
        muted = np.column_stack([muted, np.zeros(len(rows), dtype=bool)])
        heads, places = [*heads, aside.name], [*places, places[-1] + width + _GAP]
    top = 12 + (width_of(heads) if turned else 14)
    anchor = "start" if turned else "middle"
    shapes: list[Shape] = [
        Text(x + width / 2, top - 7, head, turned=turned, anchor=anchor) for head, x in zip(heads, places, strict=True)
    ]
    for i, label in enumerate(labels):
        y = top + i * height
        shapes.append(Text(left - 8, y + height / 2, label, anchor="end", centred=True))
        for j, x in enumerate(places):
            text, hint = "" if small else write(values[i, j]), tip(i, j) if tips else ""
            shapes += colours.cell(values[i, j], (x, y, width, height), muted=muted[i, j], text=text, tip=hint)
    for block in blocks:
        shapes += _outline(block, left, top, width, height)
    bottom = top + len(rows) * height
    shapes += colours.legend(left, bottom + 16, write)
    return Drawing(shapes, max(places[-1] + width + 8, left + 190), bottom + 50, *caption)


def share_map(
    counts: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
    caption: Caption,
    *,
    tip: Callable[[int, int], str],
    muted: NDArray[np.bool_],
    unit: str = "texts",
    blocks: Sequence[Block] = (),
) -> Drawing:
    """Draw counts as shares of their row; what is muted is as it should be, all else stands out.

    Args:
        counts: ``[rows, columns]``.
        rows: Labels at the left.
        columns: Short labels above.
        caption: Of the figure.
        tip: What a cell says, by row and column; its count and its share are added.
        muted: ``[rows, columns]``.
        unit: What is counted.
        blocks: Outlined cells.
    """
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(sums, 1)  # [rows, columns]

    def words(i: int, j: int) -> str:
        return f"{tip(i, j)}: {counts[i, j]} of {sums[i, 0]} {unit}, {percent(float(shares[i, j]))} %"

    return heatmap(
        shares, rows, columns, caption, tip=words, muted=muted, write=_short_percent, colour="negative", blocks=blocks
    )


def _short_percent(share: float) -> str:
    """Write a share in percent, short; nothing for none."""
    if not share:
        return ""
    return f"{100 * share:.1f}" if share < _FINE else f"{100 * share:.0f}"


def _outline(block: Block, left: float, top: float, width: float, height: float) -> list[Shape]:
    """Draw the borders of a group's cells, and its name with a line at the left."""
    first, end = block.rows
    y, tall = top + first * height, (end - first) * height
    starts = sorted(j for j in block.columns if j - 1 not in block.columns)
    ends = sorted(j + 1 for j in block.columns if j + 1 not in block.columns)
    shapes: list[Shape] = [
        Box(left + start * width, y, (stop - start) * width, tall, "outline")
        for start, stop in zip(starts, ends, strict=True)
    ]
    shapes.append(Line(((_GUTTER - 4, y + 3), (_GUTTER - 4, y + tall - 3)), "axis"))
    shapes.append(Text(_GUTTER - 10, y + tall / 2, block.name, "block", anchor="end", centred=True))
    return shapes
