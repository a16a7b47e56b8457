"""The method ``sprachbund`` of a comparison groups as the command ``sprachbund`` does."""

from __future__ import annotations

import json

import pytest

from ..program import gradsim


@pytest.fixture(scope="module")
def found(words, tmp_path_factory):
    """The result of a comparison with this one method, and its run directory."""
    run = tmp_path_factory.mktemp("runs") / "compare"
    code, _, said = gradsim(*words("compare", run, seeds=1), "--methods", "sprachbund")
    assert code == 0, said
    return json.loads((run / "compare.json").read_text(encoding="utf-8")), run


def test_same_groups_and_same_cosines(found, inputs, tmp_path):
    result, run = found
    start = ["--model", run / "encoder", "--maximum-length", 32, "--pooling", "mean"]
    data = ["--data", "files", "--data-dir", inputs / "data"]
    code, _, said = gradsim("sprachbund", *start, *data, "--groups", 2, "--out", tmp_path / "out")
    assert code == 0, said
    other = json.loads((tmp_path / "out" / "sprachbunds.json").read_text(encoding="utf-8"))
    members = {frozenset(group["members"]) for group in result["groups"]["sprachbund"]["0"]}
    assert len(members) == 2
    assert members == {frozenset(cluster["members"]) for cluster in other["groups"]}
    assert result["similarity"]["sprachbund"]["0"]["languages"] == other["languages"]
    for row, expected in zip(result["similarity"]["sprachbund"]["0"]["matrix"], other["similarity"], strict=True):
        assert row == pytest.approx(expected, abs=1e-4)
