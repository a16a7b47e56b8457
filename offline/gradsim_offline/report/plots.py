"""The report's plots as inline SVG: heat map, line over epochs, bar around zero.

Colours are classes that the page's style sheet fills, so that one drawing serves light, dark and print. The drawing of
a value is a colour from transparent to full over the page's own ground; a cell's exact value stands in its tooltip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gradsim_offline.report._numbers import decimal

WRITTEN_CELLS = 20  # up to so many rows the values are written into the cells
TOOLTIP_CELLS = 60  # beyond so many rows even tooltips would make the page heavy
_STRONG = 0.78  # from this opacity on, white text reads better than the page's own
_LABEL_WIDTH, _LONGEST_LABEL = 6.7, 28  # pixels per character of a row's label, and characters before it is cut
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


def heatmap(
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    name: str,
    title: str,
    description: str,
    muted: NDArray[np.bool_],
    tip: Callable[[int, int], str],
    write: Callable[[float], str] | None = None,
    colour: str = "signed",
    blocks: Sequence[Block] = (),
    aside: Aside | None = None,
) -> Markup:
    """Draw a matrix, colours diverging around 0.

    Args:
        values: ``[rows, columns]``; what is not finite stays empty.
        rows: Labels at the left.
        columns: Short labels above.
        name: Unique in the page; the ids of title and description are made of it.
        title: What it shows, for those who hear the page.
        description: How to read it.
        muted: ``[rows, columns]``; cells without colour, which do not count for the scale: a diagonal.
        tip: Tooltip of a cell, by row and column; column ``len(columns)`` is the one aside.
        write: A value as the cell shows it; ``None``: with as many decimals as the scale asks for.
        colour: ``signed``, or the class of the one colour that all values get.
        blocks: Outlined cells.
        aside: One more column, such as each row's similarity with itself.
    """
    shown = np.abs(values[np.isfinite(values) & ~muted])
    extent = float(shown.max()) if shown.size else 0.0
    digits = 2 if extent >= 0.1 else 3
    text = write or (lambda value: decimal(value, digits))
    small, tips = len(rows) > WRITTEN_CELLS, len(rows) <= TOOLTIP_CELLS
    width, height = (max(9, min(18, _MATRIX_WIDTH // len(rows))),) * 2 if small else (46, 28)
    left = _GUTTER + 12 + _LABEL_WIDTH * max(len(_cut(label)) for label in rows)
    places = [left + j * width for j in range(len(columns))]
    if aside is not None:
        values = np.column_stack([values, aside.values])  # [rows, columns + 1]
        muted = np.column_stack([muted, np.zeros(len(rows), dtype=bool)])
        columns, places = [*columns, aside.name], [*places, places[-1] + width + _GAP]
    top = 12 + (_LABEL_WIDTH * max(len(_cut(label)) for label in columns) if small else 14)

    parts = [
        _column_label(label, x + width / 2, top - 7, turned=small) for label, x in zip(columns, places, strict=True)
    ]
    for i, label in enumerate(rows):
        y = top + i * height
        parts.append(_text("label", label, left - 8, y + height / 2, anchor="end", middle=True))
        for j, x in enumerate(places):
            style = "muted" if muted[i, j] else _class(values[i, j], colour)
            written = "" if small else text(values[i, j])
            hint = tip(i, j) if tips else ""
            parts.append(_cell(values[i, j], extent, (x, y, width, height), style, text=written, hint=hint))
    for block in blocks:
        parts += _outline(block, left, top, width, height)
    bottom = top + len(rows) * height
    parts.append(_legend(left, bottom + 16, extent, colour, text))
    return _svg(parts, max(places[-1] + width + 8, left + 190), bottom + 50, (name, title, description))


def line(values: Sequence[float], labels: Sequence[str], *, name: str, title: str, description: str) -> Markup:
    """Draw a short series from 0 upwards, each point with its value."""
    left, top, step, height = 30.0, 24.0, 76.0, 70.0
    highest = max(*values, 1e-12)
    at = [(left + i * step, top + height * (1 - value / highest)) for i, value in enumerate(values)]
    right = left + (len(values) - 1) * step
    parts = [
        Markup('<path class="axis" d="M{} {}H{}"/>').format(_px(left - 20), _px(top + height), _px(right + 20)),
        Markup('<polyline class="line" points="{}"/>').format(" ".join(f"{_px(x)},{_px(y)}" for x, y in at)),
    ]
    for (x, y), value, label in zip(at, values, labels, strict=True):
        parts.append(Markup('<circle class="dot" cx="{}" cy="{}" r="4"/>').format(_px(x), _px(y)))
        parts.append(_text("point", decimal(value), x, y - 9))
        parts.append(_text("label", label, x, top + height + 17))
    return _svg(parts, right + 40, top + height + 26, (name, title, description))


def bar(value: float, extent: float) -> Markup:
    """Draw a difference as a bar left or right of a line; it stands beside its number and is not read out."""
    half = 40.0
    length = half * min(1.0, abs(value) / extent) if extent else 0.0
    return Markup(
        '<svg class="bar" aria-hidden="true" width="84" height="12" viewBox="-42 0 84 12">'
        '<rect class="{}" x="{}" y="2" width="{}" height="8" rx="2"/><path class="axis" d="M0 0V12"/></svg>'
    ).format("better" if value >= 0 else "worse", _px(0 if value >= 0 else -length), _px(length))


def _svg(parts: Sequence[Markup], width: float, height: float, words: tuple[str, str, str]) -> Markup:
    return Markup(
        '<svg role="img" aria-labelledby="{0}-title {0}-description" width="{3}" height="{4}" viewBox="0 0 {3} {4}">'
        '<title id="{0}-title">{1}</title><desc id="{0}-description">{2}</desc>\n{5}\n</svg>'
    ).format(*words, _px(width), _px(height), Markup("\n").join(parts))


def _text(style: str, written: str, x: float, y: float, *, anchor: str = "middle", middle: bool = False) -> Markup:
    shift = Markup(' dy=".35em"') if middle else Markup("")
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}"{}>{}</text>').format(
        style, _px(x), _px(y), anchor, shift, _cut(written)
    )


def _cell(
    value: float, extent: float, box: tuple[float, float, float, float], style: str, *, text: str = "", hint: str = ""
) -> Markup:
    x, y, width, height = box
    strength = min(1.0, abs(value) / extent) if extent and np.isfinite(value) else 0.0
    opacity = "1" if style == "muted" else f"{strength:.2f}".rstrip("0").rstrip(".")
    inside = Markup("<title>{}</title>").format(hint) if hint else Markup("")
    inside += Markup('<rect class="{}" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        style, opacity, _px(x + 0.5), _px(y + 0.5), _px(width - 1), _px(height - 1)
    )
    if text:
        ink = "quiet" if style == "muted" else "strong" if strength >= _STRONG else "value"
        inside += _text(ink, text, x + width / 2, y + height / 2, middle=True)
    return Markup("<g>{}</g>").format(inside)


def _outline(block: Block, left: float, top: float, width: float, height: float) -> list[Markup]:
    first, end = block.rows
    y, tall = top + first * height, (end - first) * height
    ordered = sorted(block.columns)
    starts = [j for j in ordered if j - 1 not in ordered]
    ends = [j + 1 for j in ordered if j + 1 not in ordered]
    parts = [
        Markup('<rect class="outline" x="{}" y="{}" width="{}" height="{}"/>').format(
            _px(left + start * width), _px(y), _px((stop - start) * width), _px(tall)
        )
        for start, stop in zip(starts, ends, strict=True)
    ]
    parts.append(Markup('<path class="bracket" d="M{} {}v{}"/>').format(_px(_GUTTER - 4), _px(y + 3), _px(tall - 6)))
    parts.append(_text("block", block.name, _GUTTER - 10, y + tall / 2, anchor="end", middle=True))
    return parts


def _legend(x: float, y: float, extent: float, colour: str, text: Callable[[float], str]) -> Markup:
    """Draw the scale: from least to most, in steps, with the values at its ends and, if it has two sides, at 0."""
    if not extent:
        return Markup("")
    edges = np.linspace(-extent if colour == "signed" else 0.0, extent, 12)
    parts = [
        _cell((low + high) / 2, extent, (x + 14 * i, y, 14, 10), _class(low + high, colour))
        for i, (low, high) in enumerate(pairwise(edges))
    ]
    marks = {x: float(edges[0]), x + 14 * 11: extent}
    if colour == "signed":
        marks[x + 7 * 11] = 0.0
    parts += [_text("label", text(value) or "0", place, y + 25) for place, value in marks.items()]
    return Markup("\n").join(parts)


def _column_label(label: str, x: float, y: float, *, turned: bool) -> Markup:
    if turned:
        return Markup('<text class="label" transform="translate({} {}) rotate(-90)" dy=".35em">{}</text>').format(
            _px(x), _px(y), _cut(label)
        )
    return _text("label", label, x, y)


def _class(value: float, colour: str) -> str:
    if colour != "signed":
        return colour
    return "negative" if value < 0 else "positive"


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "\u2026"


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
