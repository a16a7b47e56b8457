"""All models of one seed: each is trained, asked, and removed; answers and gradient similarities stay.

A seed has a folder of its own, with one stage per piece of work:

    answers/<model>      what the model answers, and what its training cost
    gradients/<model>    how the languages' gradients agree in it, of the models that the heat maps show
    train/<model>        the model itself; gone when it was asked, the source model when the seed is done
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset, Gold
from gradsim_offline.core.run_directory import RECORD, RunDirectory, write_json
from gradsim_offline.core.settings import Settings, Training
from gradsim_offline.experiments.few_shot.models import Model, all_models, source_model
from gradsim_offline.experiments.few_shot.plan import Plan
from gradsim_offline.experiments.few_shot.shots import Shots, draw, scored, visible
from gradsim_offline.pipeline.answering import answers, as_labels
from gradsim_offline.pipeline.model_store import Encoder, ModelStore
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.training.task import Task

ANSWERS_FILE = "answers.json"
Say = Callable[[str, float, float], None]
_ASKING = 1 / 3  # the cost of a text that is answered, as a share of one that is trained on: forward, not backward


@dataclass(frozen=True)
class Asked:
    """What came of a model.

    Attributes:
        answers: Language to the answer to each of its texts.
        cost: ``steps``, ``texts_seen``, ``train_seconds``, ``seconds`` with those of asking, and what
            surgery found: ``compared``, ``conflicts`` and ``cosines``, summed over all steps.
    """

    answers: dict[str, list[Gold]]
    cost: dict[str, float]


@dataclass(frozen=True)
class SeedModels:
    """The models of one seed.

    Attributes:
        plan: What to train.
        seed: Of shots and training.
        settings: How to train.
        dataset: The examples.
        task: The torch half of the data set's task.
        encoder: What the first step starts from.
        run: The seed's folder.
        keep_models: Leave the models where they are.
    """

    plan: Plan
    seed: int
    settings: Settings
    dataset: Dataset
    task: Task
    encoder: Encoder
    run: RunDirectory
    keep_models: bool = False

    def compute(self, say: Say) -> tuple[dict[str, Asked], dict[str, Measured]]:
        """Compute what is missing.

        Args:
            say: Called before each model with its name, the seconds left in this seed, and those of a whole seed.

        Returns:
            Answers by the model's name, and gradient similarities by the regime's.
        """
        models = list(all_models(self.plan))
        asked: dict[str, Asked] = {}
        measured: dict[str, Measured] = {}
        for model in models:
            left, whole = self._seconds(models, asked)
            say(f"model {len(asked) + 1} of {len(models)}: {model.name}", left, whole)
            asked[model.name] = self._ask(model)
            if self._is_shown(model):
                measured[model.regime.name] = self._measure(model)
            if model != source_model(self.plan):
                self._remove(f"train/{model.name}")
        self._remove("train")
        return asked, measured

    @cached_property
    def _shots(self) -> dict[int, Shots]:
        return {count: draw(self.dataset, self.plan.targets, count, self.seed) for count in self.plan.shots}

    def _visible(self, model: Model) -> Dataset:
        """Return the data that the model's training sees."""
        shots = {code: self._shots[model.shots][code] for code in model.targets}
        return visible(self.dataset, None if model.regime.second_step else self.plan.source, shots)

    def _training(self, model: Model) -> Training:
        """Return how the model is trained."""
        if model.regime.second_step:
            return self.plan.second_step.training(self.settings)
        chosen = model.regime.strategy(self.plan.targets, self.plan.alpha)
        return self.settings.training.model_copy(update=chosen)

    def _trainer(self, model: Model) -> ModelStore:
        settings = self.settings.model_copy(update={"seed": self.seed, "training": self._training(model)})
        return ModelStore(settings, self._visible(model), self.task, self.run)

    def _sides(self, model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the languages that the model trains on, and those whose dev texts choose the epoch."""
        own = () if model.regime.second_step else (self.plan.source,)
        return (*own, *model.targets), own

    def _inputs(self, model: Model) -> dict[str, Any]:
        """Return what the model depends on; that of the source model, for one that goes on from it."""
        found = self._trainer(model).training_inputs(self.encoder, *self._sides(model))
        if model.regime.second_step:
            found["start"] = self._inputs(source_model(self.plan))
        return found

    def _train(self, model: Model) -> Path:
        """Train a model, or find that it is there; the source model first, for one that goes on from it."""
        from gradsim_offline.training.fine_tune import fine_tune

        store, name = self._trainer(model), f"train/{model.name}"

        def train(directory: Path) -> None:
            second = model.regime.second_step
            start = Encoder(str(self._train(source_model(self.plan))), "") if second else self.encoder
            fine_tune(
                store.dataset,
                *self._sides(model),
                directory,
                settings=store.settings.training,
                new_head=not second,
                context=store.context(start, name),
            )

        return self.run.stage(name, self._inputs(model), train, title=f"train {model.name}").directory

    def _ask(self, model: Model) -> Asked:
        """Train a model if needed, and keep its answers."""
        texts, splits = scored(self.dataset, model.answers)
        labels = self.dataset.labels

        def ask(directory: Path) -> None:
            from gradsim_offline.training.costs import cost

            trained = self._train(model)
            write_json(directory / ANSWERS_FILE, {"answers": answers(trained, texts, splits, self._trainer(model))})
            write_json(directory / "cost.json", cost(trained, self._training(model).batch_size))

        inputs = {**self._inputs(model), "judged_on": texts.fingerprint(), "splits": splits}
        directory = self.run.stage(f"answers/{model.name}", inputs, ask, title=f"answers of {model.name}").directory
        content = json.loads((directory / ANSWERS_FILE).read_text(encoding="utf-8"))["answers"]
        found = {code: as_labels(mine, labels) for code, mine in content.items()}
        figures = json.loads((directory / "cost.json").read_text(encoding="utf-8"))
        seconds = json.loads((directory / RECORD).read_text(encoding="utf-8"))["seconds"]
        return Asked(found, {**figures, "seconds": seconds})

    def _is_shown(self, model: Model) -> bool:
        """Whether a heat map shows this model: one training with all languages in it, at the K of the heat maps."""
        regime = model.regime
        return regime.shots and not regime.second_step and model.shots == self.plan.heatmap_shots

    def _measure(self, model: Model) -> Measured:
        """Compare the languages' gradients in a model."""
        from gradsim_offline.experiments.few_shot.gradients import similarities, texts_for

        shots = self._shots[model.shots]
        texts = texts_for(self.dataset, self.plan.source, shots, self.seed)

        def measure(directory: Path) -> None:
            trained = self._train(model)
            found = similarities(trained, texts, self.plan.languages, self._trainer(model), self.settings.measuring)
            found.save(directory / SIMILARITY_FILE)

        inputs = {
            **self._inputs(model),
            "texts": visible(self.dataset, None, texts).fingerprint("train"),
            "measuring": self.settings.measuring.model_dump(include={"layers", "projection"}),
        }
        title = f"gradients in {model.name}"
        done = self.run.stage(f"gradients/{model.name}", inputs, measure, title=title)
        return replace(read_measured(done.directory / SIMILARITY_FILE), measure=model.regime.name)

    def _seconds(self, models: Iterable[Model], asked: dict[str, Asked]) -> tuple[float, float]:
        """Estimate the seconds that are left and those of all models, from the models that are done."""
        work = {model.name: self._work(model) for model in models}
        pace = sum(found.cost["seconds"] for found in asked.values()) / max(sum(work[name] for name in asked), 1)
        kept = self.run.directory / "answers"
        left = sum(
            found for name, found in work.items() if name not in asked and not (kept / name / "cost.json").is_file()
        )
        return pace * left, pace * sum(work.values())

    def _work(self, model: Model) -> float:
        """Return about how much work a model is, in texts that are trained on plainly."""
        from gradsim_offline.training.fine_tune import epochs_for

        seen = sum(self._visible(model).counts("train").values())
        passes = epochs_for(seen, self._training(model)) * (2 if model.regime.surgery else 1)
        return seen * passes + _ASKING * sum(
            len(self.dataset.split(code, split)) for code, split in scored(self.dataset, model.answers)[1].items()
        )

    def _remove(self, folder: str) -> None:
        if not self.keep_models:
            self.run.remove(folder)
