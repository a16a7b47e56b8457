"""A page of tables and figures: every cell is there, escaped, the best in bold, and nothing is loaded."""

from __future__ import annotations

import numpy as np

from gradsim_offline.report.heatmap import heatmap
from gradsim_offline.report.tables import bold, render_tables
from gradsim_offline.report.text_tables import Table

HOSTILE = "<script>alert(1)</script>"


def test_tables_and_figures(read):
    scores = Table("scores", ("K", "a", HOSTILE), (("1", bold("61.20") + " \u00b1 1.00", "5"),), "In per cent.")
    words = Table("words", ("language", "word"), (("hau", HOSTILE),), words=True)
    square = np.eye(2)
    drawing = heatmap(
        square, "ab", "ab", name="map", title="A map", description="Of two.", tip=lambda i, j: f"{i} with {j}"
    )
    shown = render_tables("A result", ["Said first."], [scores, words], [drawing], {"home": HOSTILE})
    page = read(shown)
    assert page.rows == [["K", "a", HOSTILE], ["1", "61.20 \u00b1 1.00", "5"], ["language", "word"], ["hau", HOSTILE]]
    assert "<b>61.20</b> \u00b1 1.00" in shown and page.tags["b"] == 1
    assert "Said first." in page.text and "In per cent." in page.text and "0 with 1" in page.text
    assert page.tags["svg"] == 1 and 'href="#figures"' in shown
    without = render_tables("A result", [], [words], [], {})
    assert read(without).tags["svg"] == 0 and "#figures" not in without
