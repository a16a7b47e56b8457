"""A drawing is a list of shapes, written as SVG: inside a page, or as a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from gradsim_offline.report.colours import ON_PAPER, rules

FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
LABEL_WIDTH = 6.9  # pixels per character of a label
LONGEST_LABEL = 30  # characters of a label before it is cut
LONGEST_TEXT = 100  # characters of any text before it is cut

Places = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Box:
    """A rectangle; its tip is the tooltip, which screen readers read out."""

    x: float
    y: float
    width: float
    height: float
    style: str
    opacity: float = 1.0
    tip: str = ""


@dataclass(frozen=True)
class Line:
    """A line through some places; a closed one is an area."""

    places: Places
    style: str
    closed: bool = False


@dataclass(frozen=True)
class Dot:
    """A circle, with a tooltip."""

    x: float
    y: float
    style: str
    radius: float = 4
    tip: str = ""


@dataclass(frozen=True)
class Text:
    """A line of text.

    Attributes:
        x: Where it starts, has its middle or ends: the anchor says which.
        y: Its baseline, or its middle if it is centred.
        written: What it says.
        style: Its pen.
        anchor: ``start``, ``middle`` or ``end``.
        centred: Whether y is its middle.
        turned: Written upwards.
    """

    x: float
    y: float
    written: str
    style: str = "label"
    anchor: str = "middle"
    centred: bool = False
    turned: bool = False


Shape = Box | Line | Dot | Text


class Caption(NamedTuple):
    """What stands around a figure.

    Attributes:
        name: Unique in the page; the name of its files.
        title: What it shows.
        description: How to read it, or what it says; for those who cannot see it, too.
    """

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class Drawing:
    """Shapes, the first at the bottom, with a caption's three parts; sizes in pixels."""

    shapes: Sequence[Shape]
    width: float
    height: float
    name: str
    title: str
    description: str

    def __html__(self) -> str:
        """Return it as SVG inside a page, whose style sheet has the pens: one drawing for light, dark and print."""
        return str(self._svg(Markup("<svg"), Markup("")))

    def file(self) -> str:
        """Return it as a whole SVG file, in colours on white."""
        style = Markup(f"text {{ font: {FONT}; }}\n{rules(ON_PAPER)}")  # noqa: S704 - our own
        ground = Markup('<style>{}</style>\n<rect width="100%" height="100%" fill="#ffffff"/>\n').format(style)
        opening = Markup('<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg"')
        return str(self._svg(opening, ground)) + "\n"

    def _svg(self, opening: Markup, ground: Markup) -> Markup:
        return opening + Markup(
            ' role="img" aria-labelledby="{0}-title {0}-description" width="{3}" height="{4}" viewBox="0 0 {3} {4}">'
            '<title id="{0}-title">{1}</title><desc id="{0}-description">{2}</desc>\n{5}{6}\n</svg>'
        ).format(
            self.name,
            self.title,
            self.description,
            _px(self.width),
            _px(self.height),
            ground,
            Markup("\n").join(map(_element, self.shapes)),
        )


def cut(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return the text, or its beginning with an ellipsis if it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"


def width_of(labels: Sequence[str]) -> float:
    """Return about how many pixels the longest of some labels takes."""
    return LABEL_WIDTH * max(map(len, labels))


def _element(shape: Shape) -> Markup:
    """Return a shape as SVG."""
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Line):
        places = "L".join(f"{_px(x)} {_px(y)}" for x, y in shape.places)
        return Markup('<path class="{}" d="M{}{}"/>').format(shape.style, places, "Z" if shape.closed else "")
    if isinstance(shape, Dot):
        element = Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
            shape.style, _px(shape.x), _px(shape.y), _px(shape.radius)
        )
    else:
        opacity = f"{shape.opacity:.2f}".rstrip("0").rstrip(".")
        sides = map(_px, (shape.x, shape.y, shape.width, shape.height))
        element = Markup('<rect class="{}" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
            shape.style, opacity, *sides
        )
    return Markup("<g><title>{}</title>{}</g>").format(shape.tip, element) if shape.tip else element


def _text(text: Text) -> Markup:
    shift = Markup(' dy=".35em"') if text.centred else Markup("")
    upright, turned = Markup('x="{}" y="{}"'), Markup('transform="translate({} {}) rotate(-90)"')
    place = (turned if text.turned else upright).format(_px(text.x), _px(text.y))
    return Markup('<text class="{}" {} text-anchor="{}"{}>{}</text>').format(
        text.style, place, text.anchor, shift, cut(text.written, LONGEST_TEXT)
    )


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
