"""The colours and pens of the report: for light, dark and print in the page, and for figures as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIGHT = {
    "ground": "#fcfcfb",
    "raised": "#f4f3f0",
    "ink": "#1b1b19",
    "soft": "#5c5b56",
    "rule": "#dedcd5",
    "positive": "#1d5fae",
    "negative": "#c23a22",
    "better": "#17633a",
    "worse": "#b02a17",
    "strong": "#ffffff",
    "muted-cell": "#e9e7e2",
    "line": "#1d5fae",
}
DARK = {
    "ground": "#171716",
    "raised": "#212120",
    "ink": "#ecebe7",
    "soft": "#a5a39b",
    "rule": "#393835",
    "positive": "#2f78cf",
    "negative": "#cf4a33",
    "better": "#63c48c",
    "worse": "#f08a76",
    "strong": "#ffffff",
    "muted-cell": "#2c2b29",
    "line": "#6aa7ec",
}
ON_PAPER = {**LIGHT, "ground": "#ffffff"}  # of figures as files
PRINT = {**LIGHT, "ground": "#ffffff", "raised": "#f4f4f2", "ink": "#000000", "soft": "#444444", "rule": "#cccccc"}


@dataclass(frozen=True)
class Pen:
    """How a shape is drawn.

    Attributes:
        fill: Name of a colour; ``None``: not filled.
        stroke: Name of a colour; ``None``: no outline.
        width: Of the outline, in pixels.
        dash: Lengths of strokes and gaps, in pixels; empty: a whole line.
        bold: Of text.
    """

    fill: str | None = None
    stroke: str | None = None
    width: float = 1
    dash: tuple[float, ...] = ()
    bold: bool = False


PENS = {
    # text
    "label": Pen("soft"),
    "value": Pen("ink"),
    "quiet": Pen("soft"),
    "strong": Pen("strong"),
    "point": Pen("soft"),
    "block": Pen("ink", bold=True),
    # areas
    "positive": Pen("positive"),
    "negative": Pen("negative"),
    "muted": Pen("muted-cell"),
    "better": Pen("better"),
    "worse": Pen("worse"),
    "full": Pen("ink", "ink"),
    "hollow": Pen("ground", "ink", 1.5),
    "dot": Pen("line", "ground", 1),
    "seed": Pen("ground", "soft", 1.2),
    # lines
    "outline": Pen(None, "ink", 1.8),
    "bracket": Pen(None, "soft", 1.5),
    "axis": Pen(None, "soft", 1),
    "grid": Pen(None, "rule", 1),
    "zero": Pen(None, "ink", 1.2, (4, 3)),
    "line": Pen(None, "line", 2),
    "tree": Pen(None, "ink", 1.4),
    "spread": Pen(None, "ink", 1.6),
    "hatch": Pen(None, "ink", 0.8),
    "hatch-strong": Pen(None, "strong", 1),
}


def variables(colours: Mapping[str, str]) -> str:
    """Return the colours as CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def rules(colours: Mapping[str, str] | None = None) -> str:
    """Return the pens as CSS rules: with these colours, or with the variables of the page."""
    found = {name: f"var(--{name})" for name in LIGHT} if colours is None else colours
    lines = [f"svg text {{ fill: {found['ink']}; }}"]
    for name, pen in PENS.items():
        parts = [f"fill: {found[pen.fill] if pen.fill else 'none'};"]
        if pen.stroke:
            parts.append(f"stroke: {found[pen.stroke]}; stroke-width: {pen.width:g};")
        if pen.dash:
            parts.append(f"stroke-dasharray: {' '.join(f'{length:g}' for length in pen.dash)};")
        if pen.bold:
            parts.append("font-weight: 650;")
        lines.append(f"svg .{name} {{ {' '.join(parts)} }}")
    return "\n".join(lines)
