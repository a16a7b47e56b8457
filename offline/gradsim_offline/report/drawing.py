"""A drawing is a list of shapes: drawn once, it goes into the page, into an SVG file and into a PNG file alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gradsim_offline.report.colours import ON_PAPER, rules

FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
LONGEST_TEXT = 100  # characters before a text is cut

Places = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Box:
    """A rectangle; its tip is what it says when pointed at, and what is read out for it."""

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
    """A circle."""

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
        y: Its foot, or its middle if it is centred.
        written: What it says.
        style: How it looks.
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


@dataclass(frozen=True)
class Drawing:
    """Shapes on a ground, with the words for those who cannot see it; sizes in pixels.

    Attributes:
        name: Unique in the page; the ids of title and description are made of it, and names of files.
        title: What it shows.
        description: How to read it, or what it says.
    """

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


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text, or its beginning with an ellipsis if it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"


def _element(shape: Shape) -> Markup:
    """Return a shape as SVG."""
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Line):
        places = "L".join(f"{_px(x)} {_px(y)}" for x, y in shape.places)
        return Markup('<path class="{}" d="M{}{}"/>').format(shape.style, places, "Z" if shape.closed else "")
    if isinstance(shape, Dot):
        drawn = Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
            shape.style, _px(shape.x), _px(shape.y), _px(shape.radius)
        )
    else:
        drawn = Markup('<rect class="{}" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
            shape.style, f"{shape.opacity:.2f}".rstrip("0").rstrip("."), *map(_px, _sides(shape))
        )
    return Markup("<g><title>{}</title>{}</g>").format(shape.tip, drawn) if shape.tip else drawn


def _text(text: Text) -> Markup:
    shift = Markup(' dy=".35em"') if text.centred else Markup("")
    if text.turned:
        place = Markup('transform="translate({} {}) rotate(-90)"').format(_px(text.x), _px(text.y))
    else:
        place = Markup('x="{}" y="{}"').format(_px(text.x), _px(text.y))
    return Markup('<text class="{}" {} text-anchor="{}"{}>{}</text>').format(
        text.style, place, text.anchor, shift, cut(text.written)
    )


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
