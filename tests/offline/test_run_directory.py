"""A stage that is killed at any moment, also while old results are removed, leaves a run directory that resumes."""

from __future__ import annotations

import shutil

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
