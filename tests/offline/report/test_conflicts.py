"""The report's section on conflicts: figures against counting, drawings where values say, and when it is there."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.report.conflicts import Training, conflicts, drawings, read_trainings
from gradsim_offline.report.drawing import Caption, Dot, Line, Text
from gradsim_offline.report.figures import write_figures
from gradsim_offline.report.lines import Strip, strips
from gradsim_offline.report.numbers import MINUS, MISSING
from gradsim_offline.report.page import drawings as page_drawings
from gradsim_offline.report.page import render

from .conftest import make_manifest, make_measured


def epoch(number, compared, found, cosine=None):
    figures = {"epoch": float(number), "loss": 0.5, "compared": float(compared), "conflicts": float(found)}
    return figures if cosine is None else {**figures, "cosine": cosine}


PLAIN = Training("multilingual", ("amh", "hau"), "mixed", 1, ({"epoch": 1.0, "loss": 0.7},))
FIRST = Training("multilingual", ("amh", "hau"), "surgery", 2, (epoch(1, 40, 10, 0.3), epoch(2, 60, 30, -0.1)))
ALONE = Training("g1", ("amh",), "surgery", 1, (epoch(1, 0, 0), epoch(2, 0, 0)))


def page_of(trainings):
    codes = ("amh", "hau")
    manifest = make_manifest(dict(zip(codes, codes, strict=True)), dict.fromkeys(codes, "g1"), {"g1": codes}, splits=())
    measured = make_measured(codes, matrix=np.eye(2), split_half=None, epochs=(), layers={}, settings={})
    arguments = manifest, measured, {}, {}
    return render(*arguments, trainings=trainings), page_drawings(*arguments, trainings=trainings)


def test_shares_and_cosines_are_what_counting_gives():
    found = conflicts([FIRST, ALONE])
    together = found.rows[0].together
    assert (together.compared, together.share) == (100, 0.4)
    assert together.cosine == pytest.approx((40 * 0.3 + 60 * -0.1) / 100)
    assert [counts.share for counts in found.rows[0].epochs] == [0.25, 0.5]
    assert (found.rows[1].together.compared, found.rows[1].together.share) == (0, None)


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1, 1), max_size=9), min_size=1, max_size=6))
def test_all_epochs_together_are_all_pairs_together(cosines):
    """The reference counts the pairs themselves, not per epoch."""
    history = tuple(
        epoch(i, len(own), sum(c < 0 for c in own), float(np.mean(own)) if own else None)
        for i, own in enumerate(cosines)
    )
    together = conflicts([Training("g1", (), "pcgrad", 1, history)]).rows[0].together
    pairs = [cosine for own in cosines for cosine in own]
    assert together.compared == len(pairs)
    if pairs:
        assert together.share == pytest.approx(np.mean(np.array(pairs) < 0))
        assert together.cosine == pytest.approx(np.mean(pairs), abs=1e-9)
    else:
        assert together.share is None and together.cosine is None


def test_page_has_a_row_for_each_model_and_epoch(read):
    page, figures = page_of([FIRST, ALONE])
    found = read(page)
    assert "Conflicts between gradients" in found.text
    assert "surgery , which compares the gradient of the training batch" in found.text
    assert ["multilingual", "amh hau", "100", "40.00", "0.060"] in found.rows_of("multilingual")
    assert ["multilingual", "1", "40", "25.00", "0.300"] in found.rows_of("multilingual")
    assert ["2", "60", "50.00", f"{MINUS}0.100"] in found.rows_of("2")
    assert ["g1", "amh", "0", MISSING, MISSING] in found.rows_of("g1")
    assert [figure.name for figure in figures if figure.name in ("conflicts", "cosines")] == ["conflicts", "cosines"]
    assert all(figure.__html__() in page for figure in figures)


@pytest.mark.parametrize("trainings", [[], [PLAIN]])
def test_no_section_after_plain_training(trainings):
    page, figures = page_of(trainings)
    assert "conflict" not in page.lower()
    assert not {"conflicts", "cosines"} & {figure.name for figure in figures}
    assert drawings(trainings) == ()


def test_a_strategy_that_found_nothing_to_compare(read):
    page, figures = page_of([ALONE])
    assert "No model had two gradients to compare." in read(page).text
    assert not {"conflicts", "cosines"} & {figure.name for figure in figures}


def test_hostile_names_are_escaped(read):
    hostile = '"><script>alert(1)</script>{{ 7*7 }}'
    page, _ = page_of([Training(hostile, (hostile,), hostile, 1, FIRST.history)])
    assert "script" not in read(page).tags
    assert "as the strategy chose them" in page


def test_conflict_figures_label_each_strip(tmp_path):
    written = write_figures(tmp_path, drawings([FIRST, ALONE]))
    assert [path.name for path in written] == ["conflicts.svg", "conflicts.png", "cosines.svg", "cosines.png"]
    texts = [text.text for text in ET.parse(written[0]).getroot().iter("{http://www.w3.org/2000/svg}text")]
    assert "multilingual" in texts and "50.00" in texts  # a strip has its own label and last value: no legend
    assert "g1" not in texts  # compared nothing


def test_strip_dots_stand_at_their_values():
    rows = [Strip("a", [0.0, 0.5, None, 1.0], ringed=1), Strip("b", [1.0]), Strip("c", [None])]
    drawing = strips(rows, Caption("n", "t", "d"), write=str, tick=str)
    dots = [shape for shape in drawing.shapes if isinstance(shape, Dot) and shape.style == "dot"]
    (ring,) = [shape for shape in drawing.shapes if isinstance(shape, Dot) and shape.style == "hollow"]
    assert (dots[1].x, dots[1].y) == (ring.x, ring.y)
    assert dots[0].y - dots[1].y == pytest.approx(dots[1].y - dots[2].y)  # 0, 0.5, 1
    assert dots[2].x - dots[0].x == pytest.approx(3 * (dots[1].x - dots[0].x))
    assert dots[3].x == dots[0].x
    lines = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.style == "line"]
    assert len(lines) == 1  # no line over the missing value
    assert [shape.written for shape in drawing.shapes if isinstance(shape, Text)].count("1.0") >= 2


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | st.floats(-1, 1), min_size=1, max_size=40), min_size=1, max_size=12))
def test_every_value_lies_inside_its_strip(values):
    rows = [Strip(f"g{i}", own, ringed=0) for i, own in enumerate(values)]
    drawing = strips(rows, Caption("n", "t", "d"), write=str, tick=str)
    count = sum(value is not None for own in values for value in own)
    if not count:
        assert drawing is None
        return
    dots = [shape for shape in drawing.shapes if isinstance(shape, Dot) and shape.style == "dot"]
    assert len(dots) == count
    assert all(0 <= dot.x <= drawing.width and 0 <= dot.y <= drawing.height for dot in dots)


def test_trainings_are_read_from_the_run(tmp_path):
    def keep(folder, model):
        path = tmp_path / folder
        path.mkdir(parents=True)
        content = {
            "members": list(model.members),
            "strategy": model.strategy,
            "best_epoch": model.kept,
            "history": model.history,
        }
        (path / "training.json").write_text(json.dumps(content))
        return path

    alone = LanguageGroup("g1", ("amh",), ("amh",), {"amh": 1.0})
    unrecorded = LanguageGroup("g2", ("hau",), ("hau",), {"hau": 1.0})
    everything = keep("train/multilingual", FIRST)
    keep(f"train/{alone.folder}", ALONE)
    groups = Groups("exact", "self", 1.0, 1.0, True, (alone, unrecorded))
    assert read_trainings(tmp_path, groups, everything) == [FIRST, ALONE]
    (everything / "training.json").write_text("{")
    assert read_trainings(tmp_path, groups, everything) == [ALONE]
    assert read_trainings(Path("nowhere"), groups, Path("nowhere")) == []
