"""A table is the same in the terminal, in Markdown, in LaTeX and on a page: cells, marks, lines, escapes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from gradsim_offline.report.drawing import Caption
from gradsim_offline.report.heatmap import heatmap
from gradsim_offline.report.pages import render_tables
from gradsim_offline.report.table import Cell, Table, latex, markdown, print_tables

HOSTILE = "<script>alert(1)</script>"
SCORES = Table(
    "F1 of a_b, %",
    ("K", "group", "yor|b"),
    [("1", "a & b", Cell("61.20*", "\u00b1 1.00", best=True)), (Cell("top", "(oracle)", oracle=True), "c", "70.00")],
    "In per cent.",
    words=2,
    totals=1,
)


def test_tables_and_figures(read):
    scores = Table("scores", ("K", "a", HOSTILE), [("1", Cell("61.20", "\u00b1 1.00", best=True), "5")], "In per cent.")
    words = Table("words", ("language", "word"), [("hau", HOSTILE)], words=2)
    drawing = heatmap(np.eye(2), "ab", "ab", Caption("map", "A map", "Of two."), tip=lambda i, j: f"{i} with {j}")
    shown = render_tables("A result", ["Said first."], [scores, words], [drawing], {"home": HOSTILE})
    page = read(shown)
    assert page.rows == [["K", "a", HOSTILE], ["1", "61.20 \u00b1 1.00", "5"], ["language", "word"], ["hau", HOSTILE]]
    assert '<b>61.20</b><span class="interval"> \u00b1 1.00</span>' in shown and page.tags["b"] == 1
    assert "Said first." in page.text and "In per cent." in page.text and "0 with 1" in page.text
    assert page.tags["svg"] == 1 and 'href="#figures"' in shown
    without = render_tables("A result", [], [words], [], {})
    assert read(without).tags["svg"] == 0 and "#figures" not in without


def test_a_page_marks_figures_totals_and_oracles(read):
    shown = render_tables("A result", [], [SCORES], [], {})
    assert read(shown).tags["tfoot"] == 1 and "<i>top</i>" in shown
    assert shown.count('<td class="n">') == 2 and shown.count("<td>") == 2  # the second column holds words


def test_an_empty_first_cell_continues_the_row_above(read):
    table = Table("t", ("Language", "Metric"), [("hau", "F1"), ("", "accuracy"), ("yor", "F1")], words=2)
    shown = render_tables("A result", [], [table], [], {})
    assert read(shown).rows == [["Language", "Metric"], ["hau", "F1"], ["accuracy"], ["yor", "F1"]]
    assert shown.count('<th scope="rowgroup" rowspan="2">hau</th>') == 1


def test_markdown():
    assert markdown([SCORES, Table("Empty", ("a",), [])]) == (
        "## F1 of a_b, %\n\n| K | group | yor|b |\n|:--|:--|--:|\n"
        "| 1 | a & b | **61.20\\*** \u00b1 1.00 |\n| *top* (oracle) | c | 70.00 |\n\nIn per cent.\n"
        "\n## Empty\n\n| a |\n|:--|\n"
    )


def test_latex():
    lines = latex([SCORES]).splitlines()
    assert r"\begin{tabular}{llr}" in lines and r"\label{tab:f1-of-a_b}" in lines
    first = lines.index(r"1 & a \& b & \textbf{61.20*} {\footnotesize$\pm$1.00} \\")
    assert lines[first + 1 : first + 3] == [r"\midrule", r"\emph{top} {\footnotesize (oracle)} & c & 70.00 \\"]
    assert r"\caption{F1 of a\_b, \%. In per cent.}" in lines
    assert not any("resizebox" in line for line in lines)


def test_latex_reads_no_cell_as_a_command():
    shown = latex([Table("t", ("a",), [(r"\input{x}~^ < 1 %",)])])
    assert r"\textbackslash{}input\{x\}\textasciitilde{}\textasciicircum{} $<$ 1 \%" in shown


def test_a_wide_table_is_scaled_to_the_page():
    wide = latex([Table("Wide", [f"language-{i}" for i in range(20)], [["1.00"] * 20])])
    assert r"\resizebox{\linewidth}{!}{%" in wide and "\\end{tabular}}\n" in wide


def shown_in(width, *tables):
    out = io.StringIO()
    print_tables(tables, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_terminal():
    lines = shown_in(80, SCORES).splitlines()
    assert lines[0].strip() == "F1 of a_b, %" and lines[1].split() == ["K", "group", "yor|b"]
    assert ["1", "a", "&", "b", "61.20*", "\u00b1", "1.00"] in [line.split() for line in lines]
    assert not lines[4].strip() and "top (oracle)" in lines[5]  # the totals are set apart
    assert "In per cent." in lines
    title = "a title that is wider than its table " * 3
    assert title.strip() in shown_in(200, Table(title, ("a",), [("1",)]))
    assert "[red]" in shown_in(80, Table("[red]", ("[red]",), [("[red]",)])).splitlines()[0]


@pytest.mark.parametrize("width", [20, 60, 300])
def test_figures_are_never_cut_and_words_are_folded(width):
    """However narrow the terminal is, each figure stands whole; only words go to a line of their own."""
    figures = [f"{number}.{number:03}" for number in range(100, 112)]
    shown = shown_in(
        width, Table("t", ("group", "members", *"abcdefghijkl"), [("g1", "hau yor " * 9, *figures)], words=2)
    )
    assert all(number in shown for number in figures) and shown.count("yor") == 9 and "\u2026" not in shown
    shown = shown_in(width, Table("words", ("group", "members"), [("g1", "hau yor " * 9)], words=2))
    assert max(map(len, shown.splitlines())) <= width
