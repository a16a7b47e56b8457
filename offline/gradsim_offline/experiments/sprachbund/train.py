"""Fine-tune from each sprachbund's encoder: on all its languages, on its pivot, or on a language such as English.

The three settings of Fan et al. 2021; every model is scored on the test texts of all languages of its sprachbund, and
stands beside one that starts from the encoder before it was adapted, with a test of the difference.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset, Gold, Split
from gradsim_offline.core.engine import Engine, InThisProcess
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.settings import Settings
from gradsim_offline.core.significance import PERMUTATIONS
from gradsim_offline.datasets.summary import announce
from gradsim_offline.experiments.adapt_encoders import read_members
from gradsim_offline.experiments.runner import TrainingJob, seed_runs
from gradsim_offline.experiments.sprachbund.results import PLAIN, STARTS, summarise
from gradsim_offline.grouping.result import folder_name
from gradsim_offline.pipeline.build import load_data
from gradsim_offline.pipeline.model_store import ModelStore
from gradsim_offline.pipeline.recipes import changed
from gradsim_offline.training.encoders import pretrained
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.nearest import unknown

RESULT = "sprachbund-train.json"
ALL, PIVOT = "all", "pivot"  # what to train on; any other word is a language

Answers = dict[str, dict[str, dict[str, list[list[Gold]]]]]  # start -> trained on -> language -> by seed, of each text


@dataclass(frozen=True)
class Cluster:
    """A sprachbund in a data set.

    Attributes:
        id: Its id.
        languages: Its members that the data set has.
        pivot: Its pivot.
        encoder: The encoder that was adapted to it.
    """

    id: str
    languages: tuple[str, ...]
    pivot: str
    encoder: Path

    def training_languages(self, on: str) -> tuple[str, ...]:
        """Return the languages to train on."""
        return self.languages if on == ALL else (self.pivot if on == PIVOT else on,)


def train_clusters(
    settings: Settings,
    groups: Path,
    adapted: Path,
    out: Path,
    progress: Progress,
    *,
    on: Sequence[str],
    seeds: int,
    permutations: int = PERMUTATIONS,
    keep_models: bool = False,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Train a model per sprachbund, start, setting and seed; write sprachbund-train.json.

    A model is kept at the epoch of the best dev score of the languages that it was trained on: no dev text of another
    language chooses, so that scores on languages not trained on are zero-shot ones.

    Args:
        settings: How to train; ``model`` is the encoder before it was adapted, ``seed`` the first of the seeds.
        groups: sprachbunds.json.
        adapted: The run directory of ``adapt --groups``.
        out: The run directory; what is in it is used again.
        progress: Shows how far it is.
        on: ``all``, ``pivot``, or codes of languages of the data set.
        seeds: How many.
        permutations: Of each test; with one seed there are no tests.
        keep_models: Leave the trained models there.
        engine: Runs the trainings; ``None``: this process does, one after the other.

    Returns:
        What sprachbund-train.json holds: ``scores[start][on][language]``, one per seed, 0 to 1, and ``tests``.

    Raises:
        GradsimError: Something is wrong with data, groups or models.
    """
    if settings.adapting.mode != "none":
        raise SettingsError(
            f"adapting.mode = {settings.adapting.mode}: sprachbund-train starts from adapted encoders; leave it out"
        )
    if settings.training.trained_blocks != "all":
        settings = changed(settings, "training.trained_blocks", "all")  # its encoders differ from below
    plain = pretrained.find(settings.model, progress)
    dataset = load_data(settings)
    announce(dataset, progress)
    clusters = read_clusters(groups, adapted, dataset)
    split = _judging_split(dataset)
    for word in on:
        if word not in (ALL, PIVOT, *dataset.languages):
            raise SettingsError("--on: " + unknown("setting", word, [ALL, PIVOT, *dataset.languages]))
        if word == PIVOT:
            _check_pivots(clusters, dataset)
    run = RunDirectory(out, progress, settings.trackers)
    with run.locked():
        trains = engine or InThisProcess()
        answers = _all_answers(
            settings, dataset, clusters, plain, run, split, trains, on=on, seeds=seeds, keep_models=keep_models
        )
        task = load_task(dataset.task)
        tested = permutations if seeds > 1 else 0
        summary = summarise(answers, dataset, task, split, permutations=tested, progress=progress)
    content = {
        "data": dataset.name,
        "metric": task.metric(dataset.labels),
        "split": split,
        "seeds": list(range(settings.seed, settings.seed + seeds)),
        "sprachbunds": {cluster.id: [*cluster.languages] for cluster in clusters},
        "pivots": {cluster.id: cluster.pivot for cluster in clusters},
        **summary,
        "settings": settings.model_dump(mode="json"),
    }
    write_json(out / RESULT, content)
    return content


def _all_answers(
    settings: Settings,
    dataset: Dataset,
    clusters: Sequence[Cluster],
    plain: Encoder,
    experiment: RunDirectory,
    split: Split,
    engine: Engine,
    *,
    on: Sequence[str],
    seeds: int,
    keep_models: bool,
) -> Answers:
    """Return what each language's texts were answered, by start and by what was trained on."""
    task = load_task(dataset.task)
    answers: Answers = {start: {word: {} for word in on} for start in STARTS}
    adapted = {cluster.id: pretrained.find(str(cluster.encoder), experiment.progress) for cluster in clusters}
    encoders = {PLAIN: plain, **adapted}
    everything = sorted(code for cluster in clusters for code in cluster.languages)
    numbers = range(settings.seed, settings.seed + seeds)
    for seed_run in seed_runs(numbers, experiment, keep_models=keep_models):
        seeded = settings.model_copy(update={"seed": seed_run.seed})
        stores = {place: ModelStore(seeded, dataset, task, seed_run.folder(place)) for place in encoders}
        trainings = list(product(STARTS, clusters, on))
        jobs = {}
        for start, cluster, word in trainings:
            place = _place(start, cluster)
            members = cluster.training_languages(word)
            scored = everything if start == PLAIN else cluster.languages  # a plain model may be that of all clusters
            jobs[place, members] = _job(stores[place], encoders[place], place, members, scored, split)
        predicted = seed_run.predictions([*jobs.values()], engine)
        answered = {key: predictions.answers[split] for key, (_, predictions) in zip(jobs, predicted, strict=True)}
        for start, cluster, word in trainings:
            by_language = answered[_place(start, cluster), cluster.training_languages(word)]
            for code in cluster.languages:
                answers[start][word].setdefault(code, []).append(by_language[code])
    return answers


def _place(start: str, cluster: Cluster) -> str:
    """Return the folder of the models that start from one encoder."""
    return PLAIN if start == PLAIN else cluster.id


def _job(
    store: ModelStore, encoder: Encoder, place: str, members: tuple[str, ...], scored: Sequence[str], split: Split
) -> TrainingJob:
    title = f"{place}, on {' '.join(members)}"
    return TrainingJob(
        folder_name(members, members),
        title,
        store,
        members,
        store.training_inputs(encoder, members, members),
        partial(_train, store, encoder, members, title),
        store.dataset,
        scored,
        (split,),
    )


def _train(store: ModelStore, encoder: Encoder, members: tuple[str, ...], title: str) -> Path:
    """Train a model, or find it, and return its directory."""
    return store.train(encoder, members, members, f"train {title}").directory


def read_clusters(groups: Path, adapted: Path, dataset: Dataset) -> tuple[Cluster, ...]:
    """Return the sprachbunds that have languages in the data set, each with its encoder.

    Raises:
        DataError: A file is missing or of another form, an encoder is missing, or no language is in the data set.
    """
    clusters = []
    members = read_members(groups)
    content = json.loads(groups.read_text(encoding="utf-8"))
    for group in content["groups"]:
        if "pivot" not in group:
            raise DataError(f"{groups} names no pivots; `gradsim-offline sprachbund` writes a file that does")
        if group["id"] == PLAIN:
            raise DataError(f"{groups}: {PLAIN} names the start from --model here; give that sprachbund another id")
        encoder = adapted / str(group["id"])
        if not (encoder / "config.json").is_file():
            raise DataError(
                f"{adapted} has no encoder {group['id']}/; make it: gradsim-offline adapt --groups {groups}"
            )
        languages = tuple(code for code in members[str(group["id"])] if code in dataset.languages)
        if languages:
            clusters.append(Cluster(str(group["id"]), languages, str(group["pivot"]), encoder))
    if not clusters:
        raise DataError(f"{dataset.name} has none of the languages of {groups}")
    return tuple(clusters)


def _judging_split(dataset: Dataset) -> Split:
    """Return the split to score on: test, or dev if a language has no test texts.

    Raises:
        DataError: Neither is whole.
    """
    for split in ("test", "dev"):
        if all(dataset.counts(split).values()):
            return split
    raise DataError(f"{dataset.name}: neither every language's test split nor every dev split has texts to score on")


def _check_pivots(clusters: Sequence[Cluster], dataset: Dataset) -> None:
    """Check that the data set has training texts of every pivot.

    Raises:
        DataError: The data set has no texts of one.
    """
    for cluster in clusters:
        if cluster.pivot not in dataset.languages:
            raise DataError(
                f"{dataset.name} has no {cluster.pivot}, the pivot of {cluster.id}; leave out --on pivot, or name a "
                "language that it has"
            )
