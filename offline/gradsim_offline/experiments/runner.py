"""The runner of experiments, seeds by trainings: train each model once, keep its answers and cost, remove the model.

The answers are a stage, ``seed-<n>/.../predictions/<name>``. Its inputs name all that they depend on, so that they are
up to date without the model: an interrupted experiment resumes, and a larger one trains only what is new.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset, Gold, Split
from gradsim_offline.core.engine import Engine, Job
from gradsim_offline.core.progress import duration
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.pipeline.model_store import ModelStore

PREDICTIONS_FILE = "predictions.json"
SCORED: tuple[Split, ...] = ("dev", "test")
_ANSWERING = 1 / 3  # the work of answering a text, as a share of training on it: forward, not backward

Answers = dict[str, dict[str, list[Gold]]]  # split -> language -> the answer to each text


@dataclass(frozen=True)
class TrainingJob:
    """A model to train, and the texts that it answers.

    Attributes:
        name: Its folder below ``train/`` and ``predictions/``.
        title: What people read.
        store: How it is trained; its run directory gets the stages.
        members: The languages that it trains on.
        inputs: Everything that the training depends on.
        train: Train the model, or find it, and return its directory.
        texts: Holds the texts that it answers.
        languages: Whose texts it answers.
        splits: Which of their splits.
        keep: Leave the model there until all jobs of the seed are done, because others start from it.
    """

    name: str
    title: str
    store: ModelStore
    members: Sequence[str]
    inputs: Mapping[str, Any]
    train: Callable[[], Path]
    texts: Dataset
    languages: Sequence[str]
    splits: Sequence[Split] = SCORED
    keep: bool = False

    @property
    def work(self) -> float:
        """Estimate the work, in texts that are trained on plainly."""
        from gradsim_offline.training.fine_tune import epochs_for

        training, sizes = self.store.settings.training, self.store.dataset.counts("train")
        texts = round(training.fraction * sum(sizes[code] for code in self.members))
        models = training.ensemble + training.distil if training.ensemble > 1 else 1
        passes = 1 if training.strategy == "mixed" else 2  # other strategies compute several gradients per step
        answered = sum(len(self.texts.split(code, split)) for code in self.languages for split in self.splits)
        return models * texts * epochs_for(texts, training) * passes + _ANSWERING * answered

    @property
    def is_done(self) -> bool:
        """Whether there are answers; the stage checks that they are up to date."""
        return (self.store.run.directory / "predictions" / self.name / PREDICTIONS_FILE).is_file()


@dataclass(frozen=True)
class Predictions:
    """The result of a job.

    Attributes:
        answers: Split to language to the answer to each text.
        cost: Of the training, see ``training.costs``; ``seconds``, those of answering with them.
    """

    answers: Answers
    cost: dict[str, float]


@dataclass(frozen=True)
class SeedRun:
    """One seed of an experiment.

    Attributes:
        seed: The seed.
        position: Counted from 0.
        count: Of all seeds.
        experiment: The run directory of the experiment.
        keep_models: Leave the models there.
    """

    seed: int
    position: int
    count: int
    experiment: RunDirectory
    keep_models: bool = False

    def folder(self, name: str = "") -> RunDirectory:
        """Return the seed's directory, or one in it."""
        return self.experiment.below(f"seed-{self.seed}/{name}")

    def announce(self, text: str, **how: bool) -> None:
        """Write a progress line that starts with the seed."""
        self.experiment.progress.note(f"seed {self.seed} ({self.position + 1} of {self.count}){text}", **how)

    def predictions(
        self, jobs: Sequence[TrainingJob], engine: Engine, seconds: float = 0.0
    ) -> Iterator[tuple[TrainingJob, Predictions]]:
        """Yield what each job's model answers; a model is removed when the next one is asked for.

        Args:
            jobs: In their order; those whose models are kept, because others start from them, stand first.
            engine: Runs them, those whose models are kept before all others.
            seconds: What a seed takes beside its jobs; for the estimate of the time that is left.
        """
        done: list[tuple[TrainingJob, Predictions]] = []
        for some in ([job for job in jobs if job.keep], [job for job in jobs if not job.keep]):
            found = engine.run([Job(job.title, partial(predict, job)) for job in some], self.experiment.progress)
            for job in some:
                left = self._seconds_left(jobs, done, seconds) / engine.width
                about = f", about {duration(left)} left" if left > 1 else ""
                self.announce(f", model {len(done) + 1} of {len(jobs)}: {job.title}{about}")
                done.append((job, next(found)))
                self.experiment.tracking.catch_up()
                yield done[-1]
                if not job.keep:
                    self.remove(f"train/{job.name}", job.store.run)
        for job in jobs:
            self.remove("train", job.store.run)

    def _seconds_left(
        self, jobs: Sequence[TrainingJob], done: Sequence[tuple[TrainingJob, Predictions]], seconds: float
    ) -> float:
        """Estimate the seconds of all seeds that are left, from the jobs that are done."""
        if not done:
            return 0.0
        rate = sum(found.cost["seconds"] for _, found in done) / max(sum(job.work for job, _ in done), 1)
        left = sum(job.work for job in jobs[len(done) :] if not job.is_done)
        later_seeds = self.count - self.position - 1
        return rate * left + later_seeds * (seconds + rate * sum(job.work for job in jobs))

    def remove(self, folder: str, run: RunDirectory) -> None:
        """Remove a folder of models, unless models are kept."""
        if not self.keep_models:
            run.remove(folder)


def seed_runs(seeds: Sequence[int], experiment: RunDirectory, *, keep_models: bool) -> list[SeedRun]:
    """Return a run for each seed."""
    return [SeedRun(seed, i, len(seeds), experiment, keep_models) for i, seed in enumerate(seeds)]


def predict(job: TrainingJob) -> Predictions:
    """Train a job's model and let it answer, unless its answers are up to date."""
    labels = job.texts.labels

    def work(directory: Path) -> None:
        from gradsim_offline.training.costs import cost

        model = job.train()
        started = time.monotonic()
        answers = _answers(model, job)
        figures = cost(model, job.store.settings.training.batch_size)
        seconds = figures["train_seconds"] + time.monotonic() - started
        write_json(directory / PREDICTIONS_FILE, {"answers": answers, "cost": {**figures, "seconds": seconds}})

    inputs = {**job.inputs, "answered": [*job.languages], "texts": job.texts.fingerprint(*job.splits)}
    done = job.store.run.stage(f"predictions/{job.name}", inputs, work, title=f"predictions of {job.title}")
    content = json.loads((done.directory / PREDICTIONS_FILE).read_text(encoding="utf-8"))
    answers = {
        split: {code: [_as_label(answer, labels) for answer in kept] for code, kept in by_language.items()}
        for split, by_language in content["answers"].items()
    }
    return Predictions(answers, content["cost"])


def _answers(model: Path, job: TrainingJob) -> dict[str, dict[str, list[Any]]]:
    """Return what a model answers to each text, by split and language: index of its label, one per word, or a text."""
    from gradsim_offline.training.trained import open_trained

    store, labels = job.store, job.texts.labels
    length = store.settings.maximum_length
    opened = open_trained(model, labels, task=store.task, maximum_length=length, device=store.device)
    index = {label: i for i, label in enumerate(labels)}
    answers: dict[str, dict[str, list[Any]]] = {}
    for split in job.splits:
        for code in job.languages:
            inputs = [example.input for example in job.texts.split(code, split)]
            if inputs:
                answers.setdefault(split, {})[code] = [_kept(answer, index) for answer in opened.answers(inputs)]
    return answers


def _kept(answer: Gold, index: Mapping[str, int]) -> int | str | list[int]:
    """Return an answer as ``_as_label`` reads it."""
    if isinstance(answer, tuple):
        return [index[tag] for tag in answer]
    return index.get(str(answer), str(answer))


def _as_label(kept: int | str | Sequence[int], labels: Sequence[str]) -> Gold:
    """Return a kept answer as the label, the tags, or the text, that it was."""
    if isinstance(kept, str):
        return kept
    return labels[kept] if isinstance(kept, int) else tuple(labels[i] for i in kept)
