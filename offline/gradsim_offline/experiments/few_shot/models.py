"""The models of a seed: what each is trained on, what it answers, and how the languages' gradients agree in it.

A seed has a folder of its own, with one stage per piece of work:

    predictions/<model>  what the model answers, and what its training cost
    gradients/<model>    how the languages' gradients agree in it, of the models that the heat maps show
    train/<model>        the model itself; gone when it has answered, the source model when the seed is done
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.engine import Engine
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.core.training_settings import Training
from gradsim_offline.experiments.few_shot.plan import Plan
from gradsim_offline.experiments.few_shot.regimes import ZERO_SHOT, Regime
from gradsim_offline.experiments.few_shot.shots import Shots, draw, scored, visible
from gradsim_offline.experiments.runner import Predictions, SeedRun, TrainingJob
from gradsim_offline.pipeline.model_store import ModelStore
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.task import Task

SOURCE = "source"  # the model that zero-shot is, and that the regimes of two steps go on from


@dataclass(frozen=True)
class Model:
    """One training.

    Attributes:
        regime: How it is trained.
        shots: K; 0: none.
        targets: The languages whose shots it trains on.
        answers: The languages whose texts it is asked.
    """

    regime: Regime
    shots: int
    targets: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its folder."""
        if self.regime == ZERO_SHOT:
            return SOURCE
        return f"{self.regime.name}-{self.shots}" + (f"-{self.targets[0]}" if self.regime.apart else "")


def source_model(plan: Plan) -> Model:
    """Return the model that is trained on the source alone."""
    return Model(ZERO_SHOT, 0, (), plan.languages)


def models_of(plan: Plan, regime: Regime, shots: int) -> tuple[Model, ...]:
    """Return the models of a regime at a K: one, or one per target.

    With a model per target, the source is answered by its own model, the one that all of them went on from.
    """
    if regime == ZERO_SHOT:
        return (source_model(plan),)
    if regime.apart:
        return (source_model(plan), *(Model(regime, shots, (code,), (code,)) for code in plan.targets))
    return (Model(regime, shots, plan.targets, plan.languages),)


def all_models(plan: Plan) -> Iterator[Model]:
    """Yield every model of a seed once, the source model first."""
    found = {m.name: m for k in plan.shots for regime in plan.regimes for m in models_of(plan, regime, k)}
    yield from found.values()


@dataclass(frozen=True)
class SeedModels:
    """The models of one seed.

    Attributes:
        plan: What to train.
        seed_run: The seed of shots and training.
        settings: How to train.
        dataset: The examples.
        task: The torch half of the data set's task.
        encoder: What the first step starts from.
    """

    plan: Plan
    seed_run: SeedRun
    settings: Settings
    dataset: Dataset
    task: Task
    encoder: Encoder

    def results(self, engine: Engine) -> tuple[dict[str, Predictions], dict[str, Measured]]:
        """Compute what is missing; return predictions by model, and gradient similarities by regime."""
        models = {model.name: model for model in all_models(self.plan)}
        predictions: dict[str, Predictions] = {}
        measured: dict[str, Measured] = {}
        for job, found in self.seed_run.predictions([self._job(model) for model in models.values()], engine):
            predictions[job.name] = found
            if self._is_shown(models[job.name]):
                measured[models[job.name].regime.name] = self._measure(models[job.name])
        return predictions, measured

    @cached_property
    def _run(self) -> RunDirectory:
        return self.seed_run.folder()

    @cached_property
    def _shots(self) -> dict[int, Shots]:
        return {count: draw(self.dataset, self.plan.targets, count, self.seed_run.seed) for count in self.plan.shots}

    def _training(self, model: Model) -> Training:
        """Return how the model is trained."""
        if model.regime.second_step:
            return self.plan.second_step.training(self.settings)
        chosen = model.regime.strategy(self.plan.targets, self.plan.alpha)
        return self.settings.training.model_copy(update=chosen)

    def _store(self, model: Model) -> ModelStore:
        """Return what trains the model, on the data that its training sees."""
        settings = self.settings.model_copy(update={"seed": self.seed_run.seed, "training": self._training(model)})
        shots = {code: self._shots[model.shots][code] for code in model.targets}
        data = visible(self.dataset, None if model.regime.second_step else self.plan.source, shots)
        return ModelStore(settings, data, self.task, self._run)

    def _languages(self, model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the languages that the model trains on, and those whose dev texts choose the epoch."""
        judging = () if model.regime.second_step else (self.plan.source,)
        return (*judging, *model.targets), judging

    def _inputs(self, model: Model) -> dict[str, Any]:
        """Return what the model depends on, with what the source model does for one that goes on from it."""
        inputs = self._store(model).training_inputs(self.encoder, *self._languages(model))
        start = {"start": self._inputs(source_model(self.plan))} if model.regime.second_step else {}
        return {**inputs, **start}

    def _train(self, model: Model) -> Path:
        """Train a model, or find that it is there; the source model first, for one that goes on from it."""
        from gradsim_offline.training.fine_tune import fine_tune

        store, name = self._store(model), f"train/{model.name}"

        def train(directory: Path) -> None:
            second = model.regime.second_step
            start = Encoder(str(self._train(source_model(self.plan))), "") if second else self.encoder
            fine_tune(
                store.dataset,
                *self._languages(model),
                directory,
                settings=store.settings.training,
                new_head=not second,
                context=store.context(start, name),
            )

        return self._run.stage(name, self._inputs(model), train, title=f"train {model.name}").directory

    def _job(self, model: Model) -> TrainingJob:
        return TrainingJob(
            model.name,
            model.name,
            self._store(model),
            self._languages(model)[0],
            self._inputs(model),
            partial(self._train, model),
            scored(self.dataset, model.answers)[0],
            model.answers,
            keep=model == source_model(self.plan),
        )

    def _is_shown(self, model: Model) -> bool:
        """Whether a heat map shows this model: one training with all languages in it, at the K of the heat maps."""
        regime = model.regime
        return regime.shots and not regime.second_step and model.shots == self.plan.heatmap_shots

    def _measure(self, model: Model) -> Measured:
        """Compare the languages' gradients in a model."""
        from gradsim_offline.experiments.few_shot.gradients import similarities, texts_for

        texts = texts_for(self.dataset, self.plan.source, self._shots[model.shots], self.seed_run.seed)

        def measure(directory: Path) -> None:
            store, trained = self._store(model), self._train(model)
            measured = similarities(trained, texts, self.plan.languages, store, self.settings.measuring)
            measured.save(directory / SIMILARITY_FILE)

        inputs = {
            **self._inputs(model),
            "texts": visible(self.dataset, None, texts).fingerprint("train"),
            "measuring": self.settings.measuring.model_dump(include={"layers", "projection"}),
        }
        title = f"gradients in {model.name}"
        done = self._run.stage(f"gradients/{model.name}", inputs, measure, title=title)
        return replace(read_measured(done.directory / SIMILARITY_FILE), measure=model.regime.name)
