"""The cells of a comparison, method by seed: measured, grouped, trained and predicted, each piece once.

A seed has a folder of its own, with one stage per piece of work:

    measure/<measure>-<hash of its settings>    S
    group/<method>                              the groups
    predictions/<members>                       what one group's model answers on dev and test
    measuring/...  train/<members>              where these came from: models; gone when the seed is done

The first three are small and stay. Their inputs name all that they depend on, so that they are up to date without the
models, and a later comparison with more methods trains only what is new. A variant, which trains in another way, has a
folder of its own inside the seed's; what was measured for others from the same encoder holds for it, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset, Gold, Split
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.method import Method
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.pipeline.answering import as_labels
from gradsim_offline.pipeline.model_store import Encoder
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.training.costs import cost
from gradsim_offline.training.fine_tune import epochs_for
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import open_trained

PREDICTIONS_FILE = "predictions.json"
PREDICTED: tuple[Split, ...] = ("dev", "test")
MODELS = ("train", "measuring")  # folders that hold models

Answers = dict[str, dict[str, list[Gold]]]  # split -> language -> answer to each text
Say = Callable[[str, float, float], None]


@dataclass(frozen=True)
class Cell:
    """What came of a method with a seed.

    Attributes:
        method: Its name.
        seed: Of measuring, grouping and training.
        measured: S.
        groups: The groups, and how good the choice is known to be.
        answers: What the serving group's model answers to each text, by split and language.
        cost: ``steps``, ``texts_seen`` and ``train_seconds`` of training all its groups, ``measure_seconds``, and
            ``compared``, ``conflicts`` and ``cosines`` (``training.costs``) unless a group was trained before that.
    """

    method: str
    seed: int
    measured: Measured
    groups: Groups
    answers: Answers
    cost: dict[str, float]


@dataclass(frozen=True)
class SeedCells:
    """All methods with one seed.

    Attributes:
        methods: What to compare; they differ in how they group, and in nothing else.
        seed: The seed.
        dataset: The examples.
        task: The torch half of the data set's task.
        encoder: What everything starts from.
        run: The folder of the seed, or of a variant in it.
        keep_models: Leave the models where they are.
        measured_in: The folder that has, or gets, S and the groups; ``None``: the same.
    """

    methods: Sequence[Method]
    seed: int
    dataset: Dataset
    task: Task
    encoder: Encoder
    run: RunDirectory
    keep_models: bool = False
    measured_in: RunDirectory | None = None

    def compute(self, say: Say) -> list[Cell]:
        """Compute what is missing, and return the cells in the order of the methods.

        First everything is measured, because some measures train models that are a group's model, too; then each
        distinct model is trained, asked, and removed.

        Args:
            say: Called before each model with what comes, the seconds left in this seed, and those of a whole seed.
        """
        # the gradient's joint run first: other methods find their multilingual model there
        ordered = sorted(self.methods, key=lambda method: method.settings.measure != "gradient")
        measured = {method.name: self._measure(method) for method in ordered}
        groups = {method.name: self._group(method, measured[method.name]) for method in self.methods}
        distinct = {group.folder: group for found in groups.values() for group in found.groups}
        whole = sum({found.measure: found.seconds for found in measured.values()}.values())
        predicted: dict[str, Any] = {}
        for folder, group in distinct.items():
            left, training = self._seconds(distinct, predicted)
            say(f"model {len(predicted) + 1} of {len(distinct)}: {' '.join(group.members)}", left, whole + training)
            predicted[folder] = self._predict(group)
        for folder in MODELS:
            self._remove(folder)
            self._remove(folder, self._measuring)
        return [self._cell(m.name, measured[m.name], groups[m.name], predicted) for m in self.methods]

    def _pipeline(self, settings: Settings, joint: tuple[str, ...], run: RunDirectory | None = None) -> Pipeline:
        seeded = settings.model_copy(update={"seed": self.seed})
        return Pipeline(seeded, self.dataset, self.task, run or self.run, joint)

    @property
    def _measuring(self) -> RunDirectory:
        return self.measured_in or self.run

    @cached_property
    def _joint(self) -> tuple[str, ...]:
        """Where the gradient's joint runs lie."""
        chosen = [method.settings for method in self.methods if method.settings.measure == "gradient"]
        return tuple(f"measuring/{self._measure_name(self._pipeline(settings, ()))}" for settings in chosen)

    def _measure_name(self, pipeline: Pipeline) -> str:
        """Name a measure's folder by the measure and its settings, so that methods share it."""
        inputs = pipeline.measuring_inputs(self.encoder)
        own = {name: inputs[name] for name in ("measuring", "options", "training") if name in inputs}
        return f"{inputs['measure']}-{sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:8]}"

    def _measure(self, method: Method) -> Measured:
        """Measure S, in a folder of models, and keep it in one without."""
        pipeline = self._pipeline(method.settings, self._joint, self._measuring)
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
        return replace(measured, matrix=measured.layers[method.layer], split_half=None)

    def _group(self, method: Method, measured: Measured) -> Groups:
        """Choose the groups; a measure without split-half values scores a group of one by the diagonal instead."""
        settings = method.settings
        if measured.split_half is None and settings.grouping.singleton_score == "split-half":
            chosen = settings.grouping.model_copy(update={"singleton_score": "self"})
            settings = settings.model_copy(update={"grouping": chosen})
        pipeline = self._pipeline(settings, self._joint)
        return pipeline.group(measured, self.encoder, f"group/{method.name}")

    def _predict(self, group: LanguageGroup) -> dict[str, Any]:
        """Train a group's model if needed, and keep its answers; the model goes."""
        pipeline = self._pipeline(self.methods[0].settings, self._joint)
        inputs = {
            **pipeline.store.training_inputs(self.encoder, group.members, group.served),
            "data": self._fingerprint,
        }

        def predict(directory: Path) -> None:
            model = pipeline.train(self.encoder, group.members, group.served).directory
            content = {
                "answers": self._answers(model, group.served, pipeline),
                "cost": cost(model, pipeline.settings.training.batch_size),
            }
            write_json(directory / PREDICTIONS_FILE, content)

        name = f"predictions/{group.folder}"
        done = self.run.stage(name, inputs, predict, title=f"predictions of {' '.join(group.members)}")
        self._remove(f"train/{group.folder}")
        content: dict[str, Any] = json.loads((done.directory / PREDICTIONS_FILE).read_text(encoding="utf-8"))
        return content

    @cached_property
    def _fingerprint(self) -> str:
        return self.dataset.fingerprint()

    def _answers(self, model_path: Path, served: Sequence[str], pipeline: Pipeline) -> dict[str, dict[str, list[Any]]]:
        """Return what a model answers to each text, by split and language: the index of a label, or one per word."""
        settings, labels = pipeline.settings, self.dataset.labels
        model = open_trained(
            model_path, labels, task=self.task, maximum_length=settings.maximum_length, device=pipeline.store.device
        )
        index = {label: i for i, label in enumerate(labels)}
        found: dict[str, dict[str, list[Any]]] = {}
        for split in PREDICTED:
            for code in served:
                inputs = [example.input for example in self.dataset.split(code, split)]
                if inputs:
                    answers = model.answers(inputs)
                    found.setdefault(split, {})[code] = [
                        index[answer] if isinstance(answer, str) else [index[tag] for tag in answer]
                        for answer in answers
                    ]
        return found

    def _seconds(self, groups: Mapping[str, LanguageGroup], predicted: Mapping[str, Any]) -> tuple[float, float]:
        """Estimate the seconds of the trainings that are left and of all, from those that are done."""
        seen = sum(found["cost"]["texts_seen"] for found in predicted.values())
        pace = sum(found["cost"]["train_seconds"] for found in predicted.values()) / max(seen, 1)
        training, sizes = self.methods[0].settings.training, self.dataset.counts("train")
        texts = {
            folder: round(training.fraction * sum(sizes[code] for code in group.members))
            for folder, group in groups.items()
        }
        many = training.ensemble + training.distil if training.ensemble > 1 else 1
        seconds = {folder: pace * many * count * epochs_for(count, training) for folder, count in texts.items()}
        kept = self.run.directory / "predictions"
        left = [seconds[folder] for folder in groups if not (kept / folder / PREDICTIONS_FILE).is_file()]
        return sum(left), sum(seconds.values())

    def _remove(self, folder: str, run: RunDirectory | None = None) -> None:
        if not self.keep_models:
            (run or self.run).remove(folder)

    def _cell(self, name: str, measured: Measured, groups: Groups, predicted: Mapping[str, Any]) -> Cell:
        answers: Answers = {}
        labels = self.dataset.labels
        for group in groups.groups:
            for split, found in predicted[group.folder]["answers"].items():
                for code in group.served:
                    if code in found:
                        answers.setdefault(split, {})[code] = as_labels(found[code], labels)
        costs = [predicted[group.folder]["cost"] for group in groups.groups]
        told = [key for key in costs[0] if all(key in found for found in costs)]  # before, conflicts were not kept
        total = {key: sum(found[key] for found in costs) for key in told}
        return Cell(name, self.seed, measured, groups, answers, {**total, "measure_seconds": measured.seconds})
