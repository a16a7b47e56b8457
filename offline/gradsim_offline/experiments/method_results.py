"""The results of a comparison, method by seed: measured, grouped, trained and predicted, each piece once.

A seed has a folder of its own, with one stage per piece of work:

    measure/<measure>-<hash of its settings>    S
    group/<method>                              the groups
    predictions/<members>                       what one group's model answers on dev and test
    measuring/...  train/<members>              where these came from: models; gone when the seed is done

The first three are small and stay. A variant, which trains in another way, has a folder of its own inside the seed's;
what was measured for others from the same encoder holds for it, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.engine import Engine, Job
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.method import Method
from gradsim_offline.experiments.runner import Answers, Predictions, SeedRun, TrainingJob, seed_runs
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.pipeline.checks import check_build
from gradsim_offline.pipeline.encoders import prepare_encoder
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.task import Task, load_task

_VOCABULARY = ("trim_vocabulary", "common_pieces", "extra_texts")
_START = ("model", *_VOCABULARY, "pretraining", "maximum_length", "device")  # the encoder's, beside its adapting


@dataclass(frozen=True)
class MethodResult:
    """The result of a method with a seed.

    Attributes:
        method: Its name.
        seed: Of measuring, grouping and training.
        measured: S.
        groups: The groups, and how good the choice is known to be.
        answers: What the serving group's model answers to each text, by split and language.
        cost: ``steps``, ``texts_seen`` and ``train_seconds`` of training all its groups, ``measure_seconds``, and
            ``compared``, ``conflicts`` and ``cosines`` (``training.costs``).
    """

    method: str
    seed: int
    measured: Measured
    groups: Groups
    answers: Answers
    cost: dict[str, float]


def method_results(
    settings: Settings,
    methods: Sequence[Method],
    seeds: Sequence[int],
    dataset: Dataset,
    experiment: RunDirectory,
    *,
    engine: Engine,
    keep_models: bool,
) -> list[MethodResult]:
    """Compute what is missing, and return the result of every method with every seed.

    Args:
        settings: What is held equal.
        methods: What differs.
        seeds: In their order.
        dataset: The examples.
        experiment: The run directory.
        engine: Measures the seeds and trains their models.
        keep_models: Leave the trained models there.
    """
    task = load_task(dataset.task)
    pipeline = Pipeline(settings, dataset, task, experiment)
    for method in methods:
        check_build(replace(pipeline.store, settings=method.settings))
    pipeline.save_settings()
    encoder = pipeline.prepare_encoder()
    variants = _by_variant(methods)
    encoders = {
        variant: _variant_encoder(replace(pipeline, settings=members[0].settings), settings, variant)
        for variant, members in variants.items()
    }

    def of_seed(seed_run: SeedRun) -> list[SeedMethods]:
        found = []
        for variant, members in variants.items():
            same_start = encoders[variant] == encoder and _same_start(members[0].settings, settings)
            measured_in = seed_run.folder("" if same_start else variant)
            run = seed_run.folder(variant)
            found.append(SeedMethods(members, seed_run, dataset, task, encoders[variant], run, measured_in))
        return found

    results = []
    runs = seed_runs(seeds, experiment, keep_models=keep_models)
    for start in range(0, len(runs), engine.width):  # the joint models of so many seeds lie on the disk at once
        some = runs[start : start + engine.width]
        jobs = [Job(f"seed {run.seed}: measure and group", partial(_group_all, of_seed(run))) for run in some]
        grouped = engine.run(jobs, experiment.progress)
        for seed_run in some:
            seed_run.announce(f": {', '.join(method.name for method in methods)}", heading=True)
            for variant, found in zip(of_seed(seed_run), next(grouped), strict=True):
                if variant.name:
                    seed_run.announce(f", {variant.name}", heading=True)
                results += variant.results(found, engine)
    return results


def _group_all(variants: Sequence[SeedMethods]) -> list[Grouped]:
    """Measure and group the methods of a seed, variant by variant, since they share what is measured."""
    return [variant.grouped() for variant in variants]


def _by_variant(methods: Sequence[Method]) -> dict[str, list[Method]]:
    """Return the methods of each variant, those that are none first, for others use what was measured for them."""
    variants: dict[str, list[Method]] = {}
    for method in sorted(methods, key=lambda method: method.variant != ""):
        variants.setdefault(method.variant, []).append(method)
    return variants


def _same_start(settings: Settings, base: Settings) -> bool:
    same_blocks = settings.training.trained_blocks == base.training.trained_blocks
    if settings.training.trained_blocks != "all" and settings.adapting != base.adapting:
        return False  # another trunk, which reads all texts again
    return same_blocks and all(getattr(settings, name) == getattr(base, name) for name in _START)


def _variant_encoder(pipeline: Pipeline, base: Settings, variant: str) -> Encoder:
    """Return a variant's encoder: the comparison's, unless a setting that it depends on differs.

    Args:
        pipeline: The variant's, in the comparison's run directory.
        base: The settings of the comparison.
        variant: Names the folder where another start is kept.
    """
    if not _same_start(pipeline.settings, base):
        return replace(pipeline, run=pipeline.run.below(variant)).prepare_encoder()
    if pipeline.settings.adapting != base.adapting:
        return prepare_encoder(pipeline.store, f"{variant}/adapt")
    return pipeline.prepare_encoder()


Grouped = tuple[dict[str, Measured], dict[str, Groups]]
"""S and the groups, by method."""


@dataclass(frozen=True)
class SeedMethods:
    """All methods of a variant with one seed.

    Attributes:
        methods: What to compare; they differ in how they group, and in nothing else.
        seed_run: The seed.
        dataset: The examples.
        task: The torch half of the data set's task.
        encoder: What everything starts from.
        run: The folder of the seed, or of a variant in it.
        measured_in: The folder that has, or gets, S and the groups.
    """

    methods: Sequence[Method]
    seed_run: SeedRun
    dataset: Dataset
    task: Task
    encoder: Encoder
    run: RunDirectory
    measured_in: RunDirectory

    @property
    def name(self) -> str:
        """The variant's."""
        return self.methods[0].variant

    def grouped(self) -> Grouped:
        """Return S and the groups by method; measure first, because some measures train a group's model, too."""
        # the gradient's joint run first: other methods use its multilingual model
        ordered = sorted(self.methods, key=lambda method: method.settings.measure != "gradient")
        measured = {method.name: self._measure(method) for method in ordered}
        return measured, {method.name: self._group(method, measured[method.name]) for method in self.methods}

    def results(self, grouped: Grouped, engine: Engine) -> list[MethodResult]:
        """Train and ask what is missing, and return the results in the order of the methods."""
        measured, groups = grouped
        jobs = {group.folder: self._job(group) for chosen in groups.values() for group in chosen.groups}
        seconds = sum({each.measure: each.seconds for each in measured.values()}.values())
        answered = self.seed_run.predictions([*jobs.values()], engine, seconds)
        predicted = {job.name: predictions for job, predictions in answered}
        for run in (self.run, self.measured_in):
            for folder in ("train", "measuring"):
                self.seed_run.remove(folder, run)
        return [self._result(m.name, measured[m.name], groups[m.name], predicted) for m in self.methods]

    def _pipeline(self, settings: Settings, joint: tuple[str, ...], run: RunDirectory | None = None) -> Pipeline:
        seeded = settings.model_copy(update={"seed": self.seed_run.seed})
        return Pipeline(seeded, self.dataset, self.task, run or self.run, joint)

    @cached_property
    def _joint(self) -> tuple[str, ...]:
        """Where the gradient's joint runs lie."""
        chosen = [method.settings for method in self.methods if method.settings.measure == "gradient"]
        return tuple(f"measuring/{self._measure_name(self._pipeline(settings, ()))}" for settings in chosen)

    def _measure_name(self, pipeline: Pipeline) -> str:
        """Name a measure's folder by the measure and its settings, so that methods share it."""
        inputs = pipeline.measuring_inputs(self.encoder)
        settings = {name: inputs[name] for name in ("measuring", "options", "training") if name in inputs}
        return f"{inputs['measure']}-{sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]}"

    def _measure(self, method: Method) -> Measured:
        """Measure S, in a folder of models, and keep it in one without."""
        pipeline = self._pipeline(method.settings, self._joint, self.measured_in)
        if "training" in pipeline.measuring_inputs(self.encoder):  # it trains as this variant does
            pipeline = self._pipeline(method.settings, self._joint)
        name = self._measure_name(pipeline)

        def measure(directory: Path) -> None:
            pipeline.measure(self.encoder, f"measuring/{name}").save(directory / SIMILARITY_FILE)

        title = f"{method.name}: {method.settings.measure} similarity"
        done = pipeline.run.stage(f"measure/{name}", pipeline.measuring_inputs(self.encoder), measure, title=title)
        measured = read_measured(done.directory / SIMILARITY_FILE)
        if method.layer is None:
            return measured
        return replace(measured, matrix=measured.layers[method.layer], split_half=None, reliability=None)

    def _group(self, method: Method, measured: Measured) -> Groups:
        """Choose the groups; a measure without split-half values scores a group of one by the diagonal instead."""
        settings = method.settings
        if measured.split_half is None and settings.grouping.singleton_score == "split-half":
            chosen = settings.grouping.model_copy(update={"singleton_score": "self"})
            settings = settings.model_copy(update={"grouping": chosen})
        pipeline = self._pipeline(settings, self._joint)
        return pipeline.group(measured, self.encoder, f"group/{method.name}")

    def _job(self, group: LanguageGroup) -> TrainingJob:
        pipeline = self._pipeline(self.methods[0].settings, self._joint)
        return TrainingJob(
            group.folder,
            " ".join(group.members),
            pipeline.store,
            group.members,
            pipeline.store.training_inputs(self.encoder, group.members, group.served),
            partial(_train, pipeline, self.encoder, group),
            self.dataset,
            group.served,
        )

    def _result(self, name: str, measured: Measured, groups: Groups, predicted: dict[str, Predictions]) -> MethodResult:
        answers: Answers = {}
        cost: dict[str, float] = {}
        for group in groups.groups:
            predictions = predicted[group.folder]
            for split, by_language in predictions.answers.items():
                answers.setdefault(split, {}).update(by_language)
            for key, value in predictions.cost.items():
                if key != "seconds":
                    cost[key] = cost.get(key, 0) + value
        return MethodResult(
            name, self.seed_run.seed, measured, groups, answers, {**cost, "measure_seconds": measured.seconds}
        )


def _train(pipeline: Pipeline, encoder: Encoder, group: LanguageGroup) -> Path:
    """Train a group's model, or find it, and return its directory."""
    return pipeline.train(encoder, group.members, group.served).directory
