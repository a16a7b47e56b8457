"""The map of when grouping pays: its gains, its files, and what it says of sweeps that cannot be placed."""

from __future__ import annotations

import pytest

from gradsim_offline.report.map import draw_map, place, point
from gradsim_shared.errors import DataError


def test_gain_is_over_the_better_end():
    found = place({"encoder": "mini", "share": 0.5, "groups": {"1": 0.60, "2": 0.61, "4": 0.64, "8": 0.62}})
    assert (found.encoder, found.share, found.score, found.best) == ("mini", 0.5, 0.60, 4)
    assert found.gain == pytest.approx(0.02)
    lost = place({"encoder": "mini", "share": 1, "groups": {1: 0.65, 2: 0.61, 3: 0.61, 8: 0.5}})
    assert lost.gain == pytest.approx(-0.04) and lost.best == 2  # the smaller of two equal ones


@pytest.mark.parametrize("groups", [{}, {1: 0.5, 8: 0.4}, {2: 0.5, 3: 0.5, 8: 0.4}])
def test_what_cannot_be_placed(tmp_path, groups):
    with pytest.raises(DataError, match=r"sweep of mini with share 0\.5 .* needs 1, the number of languages"):
        draw_map([{"encoder": "mini", "share": 0.5, "groups": groups}], tmp_path)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(DataError, match="no sweep"):
        draw_map([], tmp_path)


def test_point_of_a_sweep():
    sweep = {
        "sweep": {"over": "groups", "values": [1, 2, 3]},
        "methods": [{"name": f"gradient-k{k}"} for k in (1, 2, 3)],
        "scores": {"dev": {}, "test": {}},
        "averages": {"test": {f"gradient-k{k}": {"plain": {"mean": k / 10}} for k in (1, 2, 3)}, "dev": {}},
        "provenance": {"settings": {"model": "mini", "training": {"fraction": 0.25}}},
    }
    assert point(sweep) == {"encoder": "mini", "share": 0.25, "groups": {1: 0.1, 2: 0.2, 3: 0.3}}
    assert point(sweep, "strong", 1.0)["encoder"] == "strong"


def test_files(tmp_path):
    points = [
        {"encoder": name, "share": share, "groups": {1: 0.5 + share / 10, 2: level, 12: 0.5}}
        for name, level in (("mini", 0.6), ("strong <&> $x$", 0.7))
        for share in (0.25, 1.0)
    ]
    written = draw_map(points, tmp_path / "new")
    assert [path.name for path in written] == ["map.svg", "map.png"]
    assert all(path.stat().st_size > 5000 for path in written)
    assert "share of the training data" in written[0].read_text()
    before = written[0].read_bytes()
    draw_map(points, tmp_path / "new")
    assert written[0].read_bytes() == before
