"""The runner of seeds and trainings: when models are removed, and the time that is left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gradsim_offline.core.engine import InThisProcess
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments import runner
from gradsim_offline.experiments.runner import Predictions, TrainingJob, seed_runs


@pytest.fixture
def experiment(tmp_path, small, monkeypatch):
    """Two seeds of three jobs that take 8 seconds each; the notes; a function that lists the models of a seed."""
    said = []
    run = RunDirectory(tmp_path, SimpleNamespace(note=lambda text, heading=False: said.append(text)))

    def predict(job):
        (job.store.run.directory / "train" / job.name).mkdir(parents=True)
        return Predictions({}, {"seconds": 8.0})

    monkeypatch.setattr(runner, "predict", predict)

    def jobs(seed_run):
        store = SimpleNamespace(run=seed_run.folder(), settings=Settings(), dataset=small)
        names = ("first", "second", "third")
        return [
            TrainingJob(name, name, store, ["eng"], {}, lambda: None, small, ["eng"], keep=name == "first")
            for name in names
        ]

    def models(seed):
        return sorted(path.name for path in (tmp_path / f"seed-{seed}").glob("train/*"))

    return run, jobs, said, models


def test_a_model_is_removed_after_its_answers_and_a_shared_one_after_all(experiment):
    run, jobs, _, models = experiment
    seed_run = seed_runs([3, 4], run, keep_models=False)[0]
    assert [models(3) for _ in seed_run.predictions(jobs(seed_run), InThisProcess())] == [
        ["first"],
        ["first", "second"],
        ["first", "third"],
    ]
    assert models(3) == []


def test_models_stay_if_they_are_asked_for(experiment):
    run, jobs, _, models = experiment
    (seed_run,) = seed_runs([3], run, keep_models=True)
    assert len(list(seed_run.predictions(jobs(seed_run), InThisProcess()))) == 3
    assert models(3) == ["first", "second", "third"]


def test_the_time_left_counts_later_seeds_and_not_what_is_done(experiment):
    run, jobs, said, _ = experiment
    first, last = seed_runs([3, 4], run, keep_models=False)
    list(first.predictions(jobs(first), InThisProcess(), 4))
    done = run.directory / "seed-4" / "predictions" / "third"
    done.mkdir(parents=True)
    (done / runner.PREDICTIONS_FILE).write_text("{}")
    list(last.predictions(jobs(last), InThisProcess(), 4))
    assert said == [
        "seed 3 (1 of 2), model 1 of 3: first",
        "seed 3 (1 of 2), model 2 of 3: second, about 44 s left",
        "seed 3 (1 of 2), model 3 of 3: third, about 36 s left",
        "seed 4 (2 of 2), model 1 of 3: first",
        "seed 4 (2 of 2), model 2 of 3: second, about 8 s left",
        "seed 4 (2 of 2), model 3 of 3: third",
    ]
