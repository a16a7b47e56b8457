"""Colours and pens of all figures, as a style sheet for the page and as values for files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_COLOURS = {  # name: on a light page, on a dark one
    "ground": ("#fcfcfb", "#171716"),
    "raised": ("#f4f3f0", "#212120"),
    "ink": ("#1b1b19", "#ecebe7"),
    "soft": ("#5c5b56", "#a5a39b"),
    "rule": ("#dedcd5", "#393835"),
    "positive": ("#1d5fae", "#2f78cf"),
    "negative": ("#c23a22", "#cf4a33"),
    "better": ("#17633a", "#63c48c"),
    "worse": ("#b02a17", "#f08a76"),
    "strong": ("#ffffff", "#ffffff"),
    "muted-cell": ("#e9e7e2", "#2c2b29"),
    "line": ("#1d5fae", "#6aa7ec"),
}
LIGHT = {name: light for name, (light, _) in _COLOURS.items()}
DARK = {name: dark for name, (_, dark) in _COLOURS.items()}
ON_PAPER = {**LIGHT, "ground": "#ffffff"}  # of figures as files
PRINT = {**ON_PAPER, "raised": "#f4f4f2", "ink": "#000000", "soft": "#444444", "rule": "#cccccc"}


class Pen(NamedTuple):
    """Colours of area and outline (``None``: without), pixels of the outline and of its dashes, weight of text."""

    fill: str | None = None
    stroke: str | None = None
    width: float = 1
    dash: tuple[float, ...] = ()
    bold: bool = False


PENS = {
    # text
    "label": Pen("soft"),
    "value": Pen("ink"),
    "strong": Pen("strong"),
    "block": Pen("ink", bold=True),
    # areas
    "positive": Pen("positive"),
    "negative": Pen("negative"),
    "muted": Pen("muted-cell"),
    "better": Pen("better"),
    "worse": Pen("worse"),
    "full": Pen("ink", "ink"),
    "hollow": Pen("ground", "ink", 1.5),
    "dot": Pen("line", "ground"),
    "seed": Pen("ground", "soft", 1.2),
    # lines
    "outline": Pen(None, "ink", 1.8),
    "axis": Pen(None, "soft"),
    "grid": Pen(None, "rule"),
    "zero": Pen(None, "ink", 1.2, (4, 3)),
    "line": Pen(None, "line", 2),
    "tree": Pen(None, "ink", 1.4),
    "spread": Pen(None, "ink", 1.6),
    "hatch": Pen(None, "ink", 0.8),
    "hatch-strong": Pen(None, "strong"),
}


def variables(colours: Mapping[str, str]) -> str:
    """Return the colours as CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def rules(colours: Mapping[str, str] | None = None) -> str:
    """Return the pens as CSS rules: with these colours, or with the variables of the page."""
    values = colours or {name: f"var(--{name})" for name in _COLOURS}
    lines = [f"svg text {{ fill: {values['ink']}; }}"]
    for name, pen in PENS.items():
        parts = [f"fill: {values[pen.fill] if pen.fill else 'none'};"]
        if pen.stroke:
            parts.append(f"stroke: {values[pen.stroke]}; stroke-width: {pen.width:g};")
        if pen.dash:
            parts.append(f"stroke-dasharray: {' '.join(f'{length:g}' for length in pen.dash)};")
        if pen.bold:
            parts.append("font-weight: 650;")
        lines.append(f"svg .{name} {{ {' '.join(parts)} }}")
    return "\n".join(lines)
