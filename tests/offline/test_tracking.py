"""Trackers get what metrics.jsonl holds: of a comparison's seeds too, and from workers."""

from __future__ import annotations

import json
import sys

import pytest

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.tracking import Tracking

from .program import TINY, arguments, gradsim


def scalars(directory):
    """Return what TensorBoard's event files hold: ``{name: [(step, value), ...]}``."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(directory / "tensorboard"))
    events.Reload()
    return {
        name: [(int(found.step), float(found.tensor_proto.float_val[0])) for found in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


def logged(directory):
    """Return the same of metrics.jsonl, in the run directory and in its folders."""
    found = {}
    for file in sorted(directory.rglob("metrics.jsonl")):
        for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            name = file.parent.relative_to(directory) / line["stage"]
            for key in line.keys() - {"time", "epoch", "stage"}:
                found.setdefault(f"{name / key}", []).append((int(line.get("epoch", 0)), line[key]))
    return found


@pytest.mark.filterwarnings("default")  # of tensorboard's and protobuf's own
def test_tensorboard_gets_the_figures_of_a_build(tmp_path):
    given = {"languages": "eng,hau", "model": "mini", "epochs": 1, "tracker": "tensorboard", "out": tmp_path}
    code, _, said = gradsim("measure", "-q", *arguments(given, TINY | {"measuring.fraction": 0.1}))
    assert code == 0, said
    found, expected = scalars(tmp_path), logged(tmp_path)
    assert found.keys() == expected.keys() and {"measure/loss", "measure/score", "encoder/seconds"} <= found.keys()
    for name, values in expected.items():
        assert found[name] == [(step, pytest.approx(value, rel=1e-5)) for step, value in values], name


@pytest.mark.filterwarnings("default")
def test_what_workers_write_is_passed_on_once_and_what_was_there_before_is_not(tmp_path):
    pytest.importorskip("tensorboard")
    RunDirectory(tmp_path, Progress(quiet=True)).below("seed-0").log(stage="before", loss=1.0)
    run = RunDirectory(tmp_path, Progress(quiet=True), ["tensorboard"])
    run.below("seed-0").log(stage="train/eng", loss=0.5, epoch=1)
    with (tmp_path / "seed-0" / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"stage": "train/hau", "loss": 0.25, "epoch": 2}\n{"stage": "tra')  # not yet whole
    run.tracking.catch_up()
    run.tracking.catch_up()
    assert scalars(tmp_path) == {"seed-0/train/eng/loss": [(1, 0.5)], "seed-0/train/hau/loss": [(2, 0.25)]}


def test_mlflow_gets_the_figures(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    RunDirectory(tmp_path / "run", Progress(quiet=True), ["mlflow"]).log(stage="train/a=1", loss=0.5, epoch=3)
    mlflow.end_run()
    (run,) = mlflow.search_runs(experiment_names=["gradsim"], output_format="list")
    assert (run.info.run_name, run.data.metrics) == ("run", {"train/a-1/loss": 0.5})


def test_a_tracker_that_cannot_write_stops_no_training(tmp_path):
    def away(*_):
        raise ConnectionError("no route to host")

    run = RunDirectory(tmp_path, Progress(quiet=True))
    run.tracking = Tracking([away], tmp_path)
    with pytest.warns(UserWarning, match=r"a tracker did not take figures, which are in .*metrics.jsonl: no route"):
        run.log(stage="train/eng", loss=0.5)
    assert logged(tmp_path) == {"train/eng/loss": [(0, 0.5)]}


def test_a_tracker_that_is_not_installed_stops_everything_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    given = {"languages": "eng,hau", "tracker": "wandb", "out": tmp_path}
    code, shown, said = gradsim("build", "-q", *arguments(given, TINY))
    assert (code, shown) == (1, "") and list(tmp_path.iterdir()) == []
    assert said == "Error: tracker wandb: the package is not installed; run: pip install wandb\n"
