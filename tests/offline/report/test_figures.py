"""Drawings: whole SVG and PNG files, text that stays text, shapes where the numbers say, and a tree of linkage."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.report.axes import MARKS, around, mark
from gradsim_offline.report.charts import Point, Series, curve, dots
from gradsim_offline.report.colours import DARK, LIGHT, PENS, PRINT
from gradsim_offline.report.dendrogram import dendrogram, leaves, linkage
from gradsim_offline.report.drawing import Box, Caption, Dot, Drawing, Line, Text
from gradsim_offline.report.figures import figure_names, write_figures
from gradsim_offline.report.heatmap import WRITTEN_CELLS, heatmap
from gradsim_offline.report.lines import plot

SVG = "{http://www.w3.org/2000/svg}"
CAPTION = Caption("name", "title", "description")
HOSTILE = '"><script>&$x_1$</script>'


def every_shape(text="a"):
    shapes = [Box(1, 2, 30, 40, "positive", 0.5, text), Box(1, 2, 3, 4, "outline"), Dot(20, 20, "seed", tip=text)]
    shapes += [Line(((0, 0), (9, 9)), "zero"), Line(((0, 0), (9, 9), (0, 9)), "full", closed=True)]
    shapes += [Text(20, 20, text, style) for style in ("label", "strong", "block")]
    return Drawing([*shapes, Text(5, 50, text, turned=True, anchor="start")], 120, 80, "every", text, text)


@pytest.mark.parametrize("text", ["a", HOSTILE])
def test_figure_files_are_complete_and_reproducible(tmp_path, text):
    written = write_figures(tmp_path / "figures", [every_shape(text)])
    assert [path.name for path in written] == figure_names([every_shape()]) == ["every.svg", "every.png"]
    svg, png = written
    root = ET.parse(svg).getroot()
    assert root.tag == f"{SVG}svg" and root.find(f"{SVG}title").text == text
    assert [each.text for each in root.findall(f"{SVG}text")] == [text] * 4
    assert "var(" not in svg.read_text()  # programs that know no CSS variables show it, too
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 1000
    assert int.from_bytes(png.read_bytes()[16:20], "big") == 240  # twice its pixels
    before = svg.read_bytes(), png.read_bytes()
    write_figures(tmp_path / "figures", [every_shape(text)])
    assert (svg.read_bytes(), png.read_bytes()) == before


def test_pens_use_colours_of_every_palette():
    for pen in PENS.values():
        for colour in (pen.fill, pen.stroke):
            assert colour is None or all(colour in palette for palette in (LIGHT, DARK, PRINT))


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(1e-4, 10))
def test_ticks_are_round_and_cover_the_values(low, extent):
    ticks = around(low, low + extent)
    assert ticks[0] <= low + 1e-6 * extent and ticks[-1] >= low + extent - 1e-6 * extent
    assert 3 <= len(ticks) <= 9
    steps = [b - a for a, b in pairwise(ticks)]
    assert np.allclose(steps, steps[0])


def test_dots_stand_where_their_values_say():
    points = [Point(0.2, (0.1, 0.3), words="first"), Point(0.4), None]
    drawing = dots(
        ["a", "b", "c"],
        [Series("only", points)],
        CAPTION,
        write=lambda value: f"{value:.2f}",
        axis="x",
        zero=True,
    )
    marks = [shape for shape in drawing.shapes if isinstance(shape, Dot)]
    ticks = {shape.written: shape.x for shape in drawing.shapes if isinstance(shape, Text) and shape.anchor == "middle"}
    assert len(marks) == 2
    assert marks[0].x == pytest.approx(ticks["0.20"]) and marks[1].x == pytest.approx(ticks["0.40"])
    bar = next(shape for shape in drawing.shapes if isinstance(shape, Line) and shape.style == "spread")
    assert [x for x, _ in bar.places] == pytest.approx([ticks["0.10"], ticks["0.30"]])
    assert "first" in drawing.__html__()


def test_marks_differ_in_shape():
    assert len({repr(mark(shape, 0, 0, "full")) for shape in MARKS}) == len(MARKS)


def test_equal_values_still_make_a_chart():
    flat = curve([0.5, 0.5], ["1", "2"], CAPTION, marked=1)
    assert "nan" not in flat.__html__()
    same = dots([""], [Series("s", [Point(0.0)])], CAPTION, write=str, axis="")
    assert "nan" not in same.__html__()


def test_lines_of_a_plot_stand_where_their_values_say():
    """A missing point leaves its line whole; points of one x stand above each other."""
    first = Series("a", [Point(0.1, (0.0, 0.2)), None, Point(0.3)])
    second = Series("b", [None, Point(0.2, words="K=2"), None])
    drawing = plot([first, second], [1, 2, 3], CAPTION, axes=("K", "points"), tick=lambda value: f"{value:.2f}")
    dots = [shape for shape in drawing.shapes if isinstance(shape, Dot)][2:]  # after those of the legend
    assert dots[0].y - dots[2].y == pytest.approx(dots[2].y - dots[1].y)  # 0.1, 0.2, 0.3
    assert dots[2].x - dots[0].x == pytest.approx(dots[1].x - dots[2].x)  # 1, 2, 3
    texts = [shape.written for shape in drawing.shapes if isinstance(shape, Text)]
    assert all(texts.count(word) == 1 for word in ("K=2", "K", "points", "1", "2", "3"))
    assert "nan" not in drawing.__html__()


@pytest.mark.parametrize("count", [3, WRITTEN_CELLS + 1])
def test_negative_cells_are_marked_without_colour(count):
    """Small maps have written values; in large ones a stroke says it."""
    values = np.full((count, count), 0.5)
    values[0, 1] = -0.5
    labels = [f"x{i}" for i in range(count)]
    drawing = heatmap(values, labels, labels, CAPTION, tip=lambda i, j: "")
    inside = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.style.startswith("hatch")]
    written = [shape.written for shape in drawing.shapes if isinstance(shape, Text)]
    if count <= WRITTEN_CELLS:
        assert not inside and written.count("\u22120.50") == 2  # the cell, and the scale
    else:
        assert len(inside) == 1 + 5  # the cell, and the scale


def test_linkage_is_of_the_mean_of_both_directions():
    """Two pairs: (0, 2) at 1 - 0.8, (1, 3) at 1 - 0.5; together at 1 - the mean of the four others."""
    similarity = np.array([[9, 0.1, 0.9, 0.2], [0.1, 9, 0.0, 0.5], [0.7, 0.2, 9, 0.1], [0.0, 0.5, 0.1, 9]])
    linked = linkage(similarity)
    assert {frozenset(map(int, row[:2])) for row in linked[:2]} == {frozenset({0, 2}), frozenset({1, 3})}
    between = [(similarity[i, j] + similarity[j, i]) / 2 for i in (0, 2) for j in (1, 3)]
    assert linked[:, 2] == pytest.approx([0.2, 0.5, 1 - np.mean(between)])
    order = leaves(linked)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}


@pytest.mark.parametrize("similarity", [np.eye(1), np.array([[1, np.nan], [0.5, 1]])])
def test_no_dendrogram_of_one_language_or_missing_similarities(similarity):
    assert dendrogram(similarity, ["a", "b"][: len(similarity)], {}, name="t", title="t") is None


@pytest.mark.parametrize("value", [1.0, 2.0, -3.0, 0.0])
def test_dendrogram_of_equal_similarities(value):
    drawing = dendrogram(np.full((3, 3), value), ["a", "b", "c"], {"g1": [(0, True)]}, name="t", title="t")
    assert "nan" not in drawing.__html__() and "a: served by g1" in drawing.__html__()
    numbers = [float(number) for number in re.findall(r'[xy]="(-?[\d.]+)"', drawing.__html__())]
    assert min(numbers) >= 0 and max(numbers) <= max(drawing.width, drawing.height)
