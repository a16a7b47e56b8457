"""A stage that is killed at any moment, also while old results are removed, leaves a run directory that resumes."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from gradsim_offline.core import run_directory
from gradsim_offline.core.run_directory import RECORD, RunDirectory
from gradsim_shared.errors import SettingsError


@pytest.fixture
def run(tmp_path, quiet):
    def stage(inputs, text="result"):
        work = RunDirectory(tmp_path, quiet)
        return work.stage("one", inputs, lambda directory: (directory / "result.txt").write_text(text)).directory

    return stage


def test_a_stage_that_is_killed_while_old_results_are_removed_runs_again(run, monkeypatch):
    directory = run({"value": 1})

    remove = shutil.rmtree

    def killed_half_way(folder, **settings):
        if (folder / RECORD).is_file():
            (folder / RECORD).unlink()
            raise KeyboardInterrupt
        remove(folder, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(run_directory.shutil, "rmtree", killed_half_way)
        with pytest.raises(KeyboardInterrupt):
            run({"value": 2})
    assert (run({"value": 2}, "new") / "result.txt").read_text() == "new"
    assert sorted(path.name for path in directory.iterdir()) == ["result.txt", RECORD]


def test_a_stage_that_is_killed_before_its_record_is_whole_runs_again(run, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/stage.draft").write_text('{"inp')
    assert (run({"value": 1}) / "result.txt").is_file()


def test_a_folder_that_no_stage_made_is_left_alone(run, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is not a stage of a build"):
        run({"value": 1})
    assert (tmp_path / "one/thesis.txt").read_text() == "mine"


def test_a_stage_within_another_is_known_and_counts_once(tmp_path, quiet):
    def go_through():
        run = RunDirectory(tmp_path, quiet)
        run.stage("outer", {}, lambda _: (run.stage("inner", {}, lambda _: time.sleep(0.5)), time.sleep(0.2)))
        return run.went_through

    assert go_through() == ["inner", "outer"] == go_through()
    seconds = {name: json.loads((tmp_path / name / RECORD).read_text())["seconds"] for name in ("inner", "outer")}
    assert seconds["inner"] >= 0.5 > seconds["outer"] >= 0.2
