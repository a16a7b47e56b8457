"""One table for the terminal, Markdown, LaTeX and HTML (the macro ``table`` of macros.html.j2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from gradsim_offline.report.numbers import MINUS, MISSING

_PAGE = 80  # characters of a row that a printed page has room for
_LATEX = {
    **{character: f"\\{character}" for character in "&%_#${}"},
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
    MISSING: "--",
    MINUS: "$-$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


@dataclass(frozen=True)
class Cell:
    """A cell that is more than its text.

    Attributes:
        text: What it says.
        after: What stands behind it, smaller where that can be: a deviation, as in ``± 0.31``.
        best: It is the best of its column or row, and bold.
        oracle: It names an oracle, and is slanted.
    """

    text: str
    after: str = ""
    best: bool = False
    oracle: bool = False

    @property
    def whole(self) -> str:
        """The text, and what stands behind it."""
        return f"{self.text} {self.after}" if self.after else self.text


Content = str | Cell


@dataclass(frozen=True)
class Table:
    """A titled table of ready text.

    Attributes:
        title: What it shows.
        columns: Their names.
        rows: As many cells each; an empty first cell continues the row above.
        remark: What to know when reading it.
        words: How many of the first columns hold words, set to the left; the others hold figures, set to the right.
        sections: Rows that are set apart from those above, by a line or by space.
        totals: How many of the last rows are sums or means, set apart.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Content]]
    remark: str = ""
    words: int = 1
    sections: Sequence[int] = ()
    totals: int = 0

    @property
    def body(self) -> Sequence[Sequence[Content]]:
        """The rows that are no totals."""
        return self.rows[: len(self.rows) - self.totals]

    @property
    def spans(self) -> list[int]:
        """How many rows each first cell stands for; 0 where it continues the row above."""
        spans, head = [0] * len(self.rows), 0
        for i, row in enumerate(self.rows):
            head = i if row[0] else head
            spans[head] += 1
        return spans

    @property
    def starts(self) -> set[int]:
        """The rows that are set apart from those above."""
        return {row for row in (*self.sections, len(self.body)) if 0 < row < len(self.rows)}


def cell(content: Content) -> Cell:
    """Return a cell, also of plain text."""
    return content if isinstance(content, Cell) else Cell(content)


def figure(value: float | None, pattern: str = ".3f") -> str:
    """Return a figure as text, or the sign for an undefined one."""
    return MISSING if value is None or not np.isfinite(value) else format(value, pattern)


def share(mean: float, spread: float | None = None, *, best: bool = False, star: bool = False) -> Cell:
    """Return a share in percent, with its standard deviation behind it (``None``: there is none)."""
    after = "" if spread is None else f"± {100 * spread:.2f}"
    return Cell(figure(100 * mean, ".2f") + ("*" if star else ""), after, best)


def square(title: str, languages: Sequence[str], matrix: NDArray[np.float64], remark: str, pattern: str) -> Table:
    """Lay out a matrix of languages, ``[N, N]``."""
    rows = [
        (code, *(figure(float(value), pattern) for value in row)) for code, row in zip(languages, matrix, strict=True)
    ]
    return Table(title, ("", *languages), rows, remark)


def print_tables(tables: Sequence[Table], console: Console | None = None) -> None:
    """Print tables to the terminal; words are folded into its width, and a table of figures may be wider."""
    out = console or Console(highlight=False, soft_wrap=True)
    for table in tables:
        out.print(table.title, style="italic", markup=False)
        width = out.width
        out.width = max(width, printed_width(table))
        out.print(_rich(table))
        out.width = width
        if table.remark:
            out.print(table.remark, markup=False)
        out.print()


def printed_width(table: Table) -> int:
    """Return how many columns of the terminal a table takes at least, where no figure is cut."""
    widths = []
    for position, column in enumerate(zip(*_texts(table), strict=True)):
        pieces = " ".join(column).split() if 0 < position < table.words else column
        widths.append(max(map(cell_len, pieces), default=0))
    return sum(widths) + 2 * (len(widths) - 1)


def _texts(table: Table) -> list[list[str]]:
    """Return the texts of the header and of all rows, with what stands behind them."""
    return [list(table.columns), *([cell(content).whole for content in row] for row in table.rows)]


def _rich(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for position, column in enumerate(table.columns):
        words = 0 < position < table.words
        side = "left" if position < table.words else "right"
        drawn.add_column(escape(column), justify=side, overflow="fold", no_wrap=not words)  # type: ignore[arg-type]
    for i, row in enumerate(table.rows):
        if i in table.starts:
            drawn.add_section()
        drawn.add_row(*map(_rich_cell, row))
    return drawn


def _rich_cell(content: Content) -> str:
    each = cell(content)
    return f"[bold]{escape(each.whole)}[/bold]" if each.best else escape(each.whole)


def markdown(tables: Sequence[Table]) -> str:
    """Return tables as Markdown, each below its title."""
    return "\n".join(
        "\n".join([f"## {table.title}", "", *markdown_rows(table), "", table.remark]).rstrip() + "\n"
        for table in tables
    )


def markdown_rows(table: Table) -> Iterator[str]:
    """Yield a table's lines in Markdown."""
    sides = [":--" if position < table.words else "--:" for position in range(len(table.columns))]
    yield f"| {' | '.join(table.columns)} |"
    yield f"|{'|'.join(sides)}|"
    for row in table.rows:
        yield f"| {' | '.join(map(_markdown_cell, row))} |"


def _markdown_cell(content: Content) -> str:
    each = cell(content)
    text = each.text.replace("|", "/").replace("*", r"\*")
    mark = "**" if each.best else "*" if each.oracle else ""
    return " ".join(filter(None, (f"{mark}{text}{mark}", each.after)))


def latex(tables: Sequence[Table]) -> str:
    """Return tables in LaTeX, with a label each; one that is too wide for a page is scaled to the width of its text."""
    return "\n".join(["% needs \\usepackage{booktabs} and \\usepackage{graphicx}", *map(_latex_table, tables)])


def _latex_table(table: Table) -> str:
    lines = []
    for i, row in enumerate(table.rows):
        lines += [r"\midrule"] if i in table.starts else []
        lines.append(" & ".join(map(_latex_cell, row)) + r" \\")
    wide = sum(max(map(len, column)) + 2 for column in zip(*_texts(table), strict=True)) > _PAGE
    columns = "l" * table.words + "r" * (len(table.columns) - table.words)
    label = re.sub(r"\W+", "-", table.title.lower()).strip("-")
    caption = tex(". ".join(filter(None, (table.title, table.remark))))
    parts = [
        r"\begin{table}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(tex, table.columns)) + r" \\",
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}" + ("}" if wide else ""),
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{label}}}",
        r"\end{table}",
        "",
    ]
    return "\n".join(parts)


def _latex_cell(content: Content) -> str:
    each = cell(content)
    text = tex(each.text)
    text = rf"\textbf{{{text}}}" if each.best else rf"\emph{{{text}}}" if each.oracle else text
    after = tex(each.after).replace(r"$\pm$ ", r"$\pm$")
    return f"{text} {{\\footnotesize{after if after.startswith('$') else ' ' + after}}}" if after else text


def tex(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(_LATEX.get(character, character) for character in text)
