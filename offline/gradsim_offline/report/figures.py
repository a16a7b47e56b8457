"""Figures as files beside a page: SVG for documents, PNG (drawn by matplotlib) for slides and mail."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_offline.report.colours import ON_PAPER, PENS
from gradsim_offline.report.drawing import LONGEST_TEXT, Box, Dot, Drawing, Shape, Text, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PIXELS_PER_INCH = 100  # of a drawing; a PNG file has twice as many
_POINTS = 72 / _PIXELS_PER_INCH  # per pixel
_TEXT_SIZE = 11.2 * _POINTS  # matplotlib's font is wider than a browser's
_SIDES = {"start": "left", "middle": "center", "end": "right"}


def figure_names(drawings: Iterable[Drawing]) -> list[str]:
    """Return the names of the files that ``write_figures`` writes."""
    return [f"{drawing.name}.{ending}" for drawing in drawings for ending in ("svg", "png")]


def write_figures(directory: Path, drawings: Iterable[Drawing]) -> list[Path]:
    """Write each drawing as ``<name>.svg`` and ``<name>.png``; the same drawing always gives the same bytes.

    Returns:
        The files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for drawing in drawings:
        svg, png = (directory / name for name in figure_names([drawing]))
        svg.write_text(drawing.file(), encoding="utf-8")
        _write_png(drawing, png)
        written += [svg, png]
    return written


def _write_png(drawing: Drawing, path: Path) -> None:
    from matplotlib.figure import Figure

    size = (drawing.width / _PIXELS_PER_INCH, drawing.height / _PIXELS_PER_INCH)
    figure = Figure(figsize=size, dpi=2 * _PIXELS_PER_INCH, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
    for order, shape in enumerate(drawing.shapes):
        _draw(axes, shape, order)
    figure.savefig(path, metadata={"Title": drawing.title, "Description": drawing.description, "Software": None})


def _draw(axes: Axes, shape: Shape, order: int) -> None:
    """Put a shape on the axes, above those before it."""
    from matplotlib import patches
    from matplotlib.colors import to_rgba

    pen = PENS[shape.style]
    if isinstance(shape, Text):
        axes.text(
            shape.x,
            shape.y,
            cut(shape.written, LONGEST_TEXT).replace("$", r"\$"),
            color=ON_PAPER[pen.fill or "ink"],
            fontsize=_TEXT_SIZE,
            fontweight="bold" if pen.bold else "normal",
            ha="center" if shape.turned else _SIDES[shape.anchor],
            va="bottom" if shape.turned else "center_baseline" if shape.centred else "baseline",
            rotation=90 if shape.turned else 0,
            zorder=order,
        )
        return
    opacity = shape.opacity if isinstance(shape, Box) else 1.0
    style: dict[str, Any] = {
        "facecolor": to_rgba(ON_PAPER[pen.fill], opacity) if pen.fill else "none",
        "edgecolor": ON_PAPER[pen.stroke] if pen.stroke else "none",
        "linewidth": pen.width * _POINTS,
        "linestyle": (0, tuple(length / pen.width for length in pen.dash)) if pen.dash else "-",
        "zorder": order,
    }
    if isinstance(shape, Dot):
        axes.add_patch(patches.Circle((shape.x, shape.y), shape.radius, **style))
    elif isinstance(shape, Box):
        axes.add_patch(patches.Rectangle((shape.x, shape.y), shape.width, shape.height, **style))
    else:
        axes.add_patch(patches.Polygon(shape.places, closed=shape.closed, **style))
