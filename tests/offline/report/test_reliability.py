"""The reliability figure: a dot for each filled bin, before and after, and its words."""

from __future__ import annotations

import pytest

from gradsim_offline.report.drawing import Dot
from gradsim_offline.report.identifier import reliability
from gradsim_shared.manifest_identifier import Identifier, Reliability


class Bundle:
    """The part of a manifest that is read."""

    def __init__(self, **found):
        self.identifier = Identifier(labels={"__label__hau": "hau"}, threshold=0.4, reliability=found)


def bins(share, error):
    values = [0.0] * 8 + [0.85, 0.95]
    return Reliability(share=share, confidence=values, accuracy=values, expected_calibration_error=error)


def test_a_dot_for_each_filled_bin():
    drawing = reliability(Bundle(before=bins([0.0] * 9 + [1.0], 0.02), after=bins([0.0] * 8 + [0.25, 0.75], 0.01)))
    dots = [shape for shape in drawing.shapes if isinstance(shape, Dot)]
    assert [dot.style for dot in dots] == ["hollow", "dot", "dot"]
    assert dots[1].tip == "after: confidence 85.00 %, right 85.00 %, 25.00 % of the texts"
    assert dots[1].radius < dots[2].radius < dots[0].radius
    assert "2.00 % before, 1.00 % after" in drawing.description
    for dot in dots:
        assert 0 < dot.x < drawing.width and 0 < dot.y < drawing.height
        assert dot.x - dots[0].x == pytest.approx(-(dot.y - dots[0].y))  # on the diagonal


def test_no_figure_without_measured_reliability():
    assert reliability(Bundle()) is None
