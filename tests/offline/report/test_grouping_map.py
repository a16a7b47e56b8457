"""The map of when grouping pays: its gains, its files, and what it says of sweeps that cannot be placed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from gradsim_shared.errors import DataError

_SOURCE = Path(__file__).parents[3] / "bench" / "_grouping_map.py"
_SPEC = importlib.util.spec_from_file_location(_SOURCE.stem, _SOURCE)
grouping_map = importlib.util.module_from_spec(_SPEC)
sys.modules[_SOURCE.stem] = grouping_map  # dataclasses look their module up
_SPEC.loader.exec_module(grouping_map)
draw_map, place, point = grouping_map.draw_map, grouping_map.place, grouping_map.point


def test_k_is_chosen_on_dev_and_its_gain_is_on_test():
    test, dev = {"1": 0.60, "2": 0.61, "4": 0.64, "8": 0.62}, {"1": 0.5, "2": 0.7, "4": 0.6, "8": 0.4}
    found = place({"encoder": "mini", "share": 0.5, "groups": test, "dev": dev})
    assert (found.encoder, found.share, found.score) == ("mini", 0.5, 0.60)
    assert (found.best, found.end) == (2, 1)  # on test they would be 4 and 8
    assert found.gain == pytest.approx(0.01)
    lost = place(
        {
            "encoder": "mini",
            "share": 1,
            "groups": {1: 0.65, 2: 0.61, 3: 0.62, 8: 0.5},
            "dev": dict.fromkeys((1, 2, 3, 8), 0.5),
        }
    )
    assert (lost.best, lost.end) == (2, 1)  # the smaller of two equal ones
    assert lost.gain == pytest.approx(-0.04)


@pytest.mark.parametrize("groups", [{}, {1: 0.5, 8: 0.4}, {2: 0.5, 3: 0.5, 8: 0.4}])
def test_a_sweep_without_the_numbers_of_groups_that_the_map_needs(tmp_path, groups):
    with pytest.raises(DataError, match=r"sweep of mini with share 0\.5 .* needs 1, the number of languages"):
        draw_map([{"encoder": "mini", "share": 0.5, "groups": groups, "dev": groups}], tmp_path)


def test_a_sweep_without_dev_is_refused():
    with pytest.raises(DataError, match=r"groups 1, 2, 3 on test and none on dev; the map needs both"):
        place({"encoder": "mini", "share": 0.5, "groups": {1: 0.5, 2: 0.5, 3: 0.5}, "dev": {}})


def test_a_map_of_no_sweeps_is_refused(tmp_path):
    with pytest.raises(DataError, match="no sweep"):
        draw_map([], tmp_path)


def test_reading_a_point_from_a_sweep():
    sweep = {
        "sweep": {"over": "groups", "values": [1, 2, 3]},
        "methods": [{"name": f"gradient-k{k}"} for k in (1, 2, 3)],
        "scores": {"dev": {}, "test": {}},
        "averages": {
            split: {f"gradient-k{k}": {"plain": {"mean": k / size}} for k in (1, 2, 3)}
            for split, size in (("dev", 20), ("test", 10))
        },
        "provenance": {"settings": {"model": "mini", "training": {"fraction": 0.25}}},
    }
    assert point(sweep) == {
        "encoder": "mini",
        "share": 0.25,
        "groups": {1: 0.1, 2: 0.2, 3: 0.3},
        "dev": {1: 0.05, 2: 0.1, 3: 0.15},
    }
    assert point(sweep, "strong", 1.0)["encoder"] == "strong"
    del sweep["averages"]["dev"]
    assert point(sweep)["dev"] == {}


def test_map_files_are_complete_and_reproducible(tmp_path):
    points = [
        {"encoder": name, "share": share, "groups": scores, "dev": scores}
        for name, level in (("mini", 0.6), ("strong <&> $x$", 0.7))
        for share in (0.25, 1.0)
        for scores in [{1: 0.5 + share / 10, 2: level, 12: 0.5}]
    ]
    written = draw_map(points, tmp_path / "new")
    assert [path.name for path in written] == ["map.svg", "map.png"]
    assert all(path.stat().st_size > 5000 for path in written)
    shown = written[0].read_text()
    assert "share of the labelled training texts" in shown and "read all training texts at every share" in shown
    before = written[0].read_bytes()
    draw_map(points, tmp_path / "new")
    assert written[0].read_bytes() == before
