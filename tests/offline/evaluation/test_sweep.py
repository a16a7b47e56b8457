"""Sweeps over K and over layers: scored as a comparison is, from the same results, with a figure."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree as ET

import pytest

from ..program import gradsim


@pytest.fixture
def copy(compared, tmp_path):
    """A copy of the finished comparison."""
    shutil.copytree(compared[0], tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run"


def test_a_sweep_over_k_in_a_comparisons_folder(copy, words, inputs):
    compared = json.loads((copy / "compare.json").read_text())
    code, shown, said = gradsim(*words("sweep", copy, groups="1..3", permutations=50, method=inputs / "alone.toml"))
    assert code == 0, said
    result = json.loads((copy / "sweep-groups.json").read_text())
    assert result["sweep"] == {"over": "groups", "values": [1, 2, 3]}
    assert [method["name"] for method in result["methods"]] == ["alone-k1", "alone-k2", "alone-k3"]
    assert [len(result["groups"][f"alone-k{k}"]["0"]) for k in (1, 2, 3)] == [1, 2, 3]
    for k, name in ((1, "together"), (3, "alone")):  # the same groups: the same answers
        assert result["scores"]["test"][f"alone-k{k}"] == compared["scores"]["test"][name]
    assert "● measure" not in said and "● mini encoder" not in said
    assert "alone-k2" in shown and "sweep-groups.json" in shown
    assert "at most 1, or at most 2, or at most 3" in result["equal"]
    assert (copy / "sweep-groups.png").read_bytes().startswith(b"\x89PNG")
    figure = ET.fromstring((copy / "sweep-groups.svg").read_text())
    assert "weighted_f1 on test, %" in [text.text for text in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert (copy / "compare.json").read_text() == json.dumps(compared, indent=1, ensure_ascii=False) + "\n"


def test_a_sweep_over_layers_measures_once(copy, words):
    code, shown, said = gradsim(
        *words("sweep", copy, layers="head.out,head,encoder.0", seeds=1), "--set", "grouping.groups=2"
    )
    assert code == 0, said
    assert said.count("● measure: gradient similarity") == 1
    result = json.loads((copy / "sweep-layers.json").read_text())
    assert result["sweep"] == {"over": "layers", "values": ["head.out", "head", "encoder.0"]}
    found = [result["similarity"][f"gradient-{layer}"]["0"]["matrix"] for layer in result["sweep"]["values"]]
    assert found[0] != found[1] != found[2] != found[0]
    before = json.loads((copy / "compare.json").read_text())["similarity"]["pairs"]["0"]["matrix"]
    assert found[0] == [pytest.approx(row, abs=1e-4) for row in before]  # tracking more layers changes no gradient
    assert "gradient-encoder.0" in shown and result["tests"] == []
