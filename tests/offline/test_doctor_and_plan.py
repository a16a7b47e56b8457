"""``doctor`` says what this machine has; ``plan`` says what a build will do, and does none of it."""

from __future__ import annotations

import json

import pytest

from gradsim_offline.core import machine

from .program import TINY, arguments, gradsim


def test_doctor_finds_what_is_here(monkeypatch, tmp_path):
    (tmp_path / "ud").mkdir()
    monkeypatch.setenv("GRADSIM_DATA", str(tmp_path))
    code, out, error = gradsim("doctor", "--json")
    found = json.loads(out)
    assert (code, error, found["problems"]) == (0, "", [])
    assert found["libraries"]["torch"]["found"] and found["onnxruntime_providers"]
    assert found["data"]["ud"] == str(tmp_path / "ud") and found["data"]["afrisenti"] is None
    assert set(found["processor"]["features"]) == {"AVX2", "AVX512", "VNNI", "AVX512-BF16", "AMX"}
    code, out, _ = gradsim("doctor")
    assert code == 0 and "Nothing is missing" in out and "Encoders here: none" in out


def test_doctor_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(machine, "LEAST_DISK", 10**18)
    code, out, _ = gradsim("doctor")
    assert code == 1 and "Missing: " in out and "of disk are free" in out


def test_libraries_that_are_missing_or_too_old(tmp_path):
    found = {"torch": {"wanted": ">=2.6", "found": None}, "onnx": {"wanted": ">=1.16", "found": "1.2"}}
    said = machine.problems(found, tmp_path)
    assert said[0] == "torch is not installed; run: pip install 'gradsim-router[offline]'"
    assert said[1] == "onnx is 1.2, and >=1.16 is needed; run: pip install 'onnx>=1.16'"


@pytest.mark.parametrize("model", ["mini", "ngrams"])
def test_a_plan_names_the_stages_and_writes_nothing(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = TINY if model == "mini" else {"ngrams.strengths": "[8.0]"}
    options = {"data": "demo", "model": model, "languages": "eng,hau", "groups": 2, "out": tmp_path / "run"}
    code, out, error = gradsim("plan", "--json", *arguments(options, settings))
    assert code == 0, error
    planned = json.loads(out)
    names = [stage["name"] for stage in planned["stages"]]
    assert ("encoder" in names) == ("n-grams" in names) == (model == "mini")
    assert names[-1] == "bundle" and planned["fits"] and planned["languages"] == ["eng", "hau"]
    assert planned["seconds"] == pytest.approx(sum(stage["seconds"] for stage in planned["stages"]), abs=2)
    assert [*tmp_path.iterdir()] == []


def test_more_texts_take_longer(tmp_path):
    def seconds(languages):
        options = {"data": "demo", "model": "mini", "languages": languages, "groups": 1}
        settings = TINY | {"measuring.minimum_steps": 0}
        planned = json.loads(gradsim("plan", "--json", *arguments(options, settings))[1])
        return {stage["name"]: stage["what"] for stage in planned["stages"]}["measure"]

    few, many = (int(seconds(codes).split(", ")[1].split()[0]) for codes in ("eng,hau", "eng,hau,swa,tur"))
    assert many == 2 * few


def test_a_pretrained_encoder_is_timed_by_its_sizes(tiny_xlmr):
    options = {"data": "demo", "model": tiny_xlmr, "languages": "eng,hau", "groups": 1}
    settings = {"training.trained_blocks": 0, "ngrams.strengths": "[8.0]", "maximum_length": 32}
    code, out, error = gradsim("plan", *arguments(options, settings))
    assert code == 0, error
    assert "reads" in out and "texts once" in out and "download" not in out


def test_an_encoder_that_is_not_here_is_not_fetched():
    code, out, error = gradsim("plan", "--model", "some/model")
    assert (code, out) == (1, "") and error.startswith("Error: ") and "a plan downloads nothing" in error
    code, out, error = gradsim(
        "plan", "--model", "e5-small", "--languages", "eng,hau", "--set", "ngrams.strengths=[8.0]"
    )
    assert code == 0 and "e5-small is not on this machine: 490 MB" in out, error
