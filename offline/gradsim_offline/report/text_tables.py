"""The findings as tables: for the terminal and as Markdown, the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

_WIDEST = 1000  # columns of a table in the terminal
UNDEFINED = "–"  # noqa: RUF001 - what stands where a figure is undefined


@dataclass(frozen=True)
class Table:
    """A titled table of ready text; figures stand to the right.

    Attributes:
        title: What it shows.
        columns: Their names; the first holds names, the others figures unless ``words``.
        rows: As many cells each.
        remark: What to know when reading it.
        words: The cells are words, to be set to the left.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remark: str = ""
    words: bool = False


def figure(value: float | None, pattern: str = ".3f") -> str:
    """Return a figure as text, or the sign for an undefined one."""
    return UNDEFINED if value is None or not np.isfinite(value) else format(value, pattern)


def square(title: str, languages: Sequence[str], matrix: NDArray[np.float64], remark: str, pattern: str) -> Table:
    """Lay out a matrix of languages."""
    rows = tuple(
        (code, *(figure(float(value), pattern) for value in row)) for code, row in zip(languages, matrix, strict=True)
    )
    return Table(title, ("", *languages), rows, remark)


def show(tables: Sequence[Table], console: Console | None = None) -> None:
    """Print tables to the terminal; one of figures may be wider than it, and is not folded."""
    out = console or Console(highlight=False, soft_wrap=True)
    for table in tables:
        drawn = RichTable(title=escape(table.title), title_justify="left", caption_justify="left")
        for position, column in enumerate(table.columns):
            side: Literal["left", "right"] = "left" if table.words or not position else "right"
            drawn.add_column(escape(column), justify=side, overflow="fold", no_wrap=not position)
        for row in table.rows:
            drawn.add_row(*map(escape, row))
        needed = 0 if table.words else out.measure(drawn, options=out.options.update(width=_WIDEST)).maximum
        width, out.width = out.width, max(out.width, needed)
        out.print(drawn)
        out.width = width
        if table.remark:
            out.print(table.remark, markup=False)
        out.print()


def markdown(tables: Sequence[Table]) -> str:
    """Return tables as Markdown."""
    parts = []
    for table in tables:
        side = ":--" if table.words else "--:"
        rule = "|".join([":--", *[side] * (len(table.columns) - 1)])
        rows = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in table.rows]
        head = f"| {' | '.join(table.columns)} |"
        parts.append("\n".join([f"## {table.title}", "", head, f"|{rule}|", *rows, "", table.remark]).rstrip() + "\n")
    return "\n".join(parts)
