"""Fine-tune the models of an ensemble one after the other; with distillation, keep only their student."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import WORK, write_json
from gradsim_offline.core.training_settings import Training
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.distilling import Distilling, judged_logits
from gradsim_offline.training.ensemble import Members, seeds_of
from gradsim_offline.training.fine_tune import RESULT, fine_tune
from gradsim_offline.training.strategy import Strategy, StrategyContext
from gradsim_offline.training.trained import DevTexts, TrainedModel, open_trained

MakeStrategy = Callable[[StrategyContext], Strategy]
_TEACHER = "teacher"


def fine_tune_ensemble(
    dataset: Dataset,
    members: Sequence[str],
    served: Sequence[str],
    directory: Path,
    *,
    context: TrainingContext,
    settings: Training,
    first: Callable[[Path], bool] = lambda _: False,
) -> None:
    """Train the models of all seeds, and a student of theirs if the settings ask for one.

    A model that is whole is not trained again; one that was interrupted resumes.

    Args:
        dataset: Where the examples come from.
        members: Languages to train on.
        served: Languages whose plain mean dev score chooses each model's epoch.
        directory: Gets the folder of an ensemble (training/ensemble.py), or the student's, a single model. Its
            training.json is that of the first model, or of the student, with the number of trainings.
        context: As for ``fine_tune``; its seed is that of the first model and of the student, and all models draw the
            same share of the texts. ``log`` gets ``model`` beside the figures: 1, 2, ... or ``student``.
        settings: The schedule, how many models, what is averaged, and how the student learns.
        first: Copies the first model into a folder if it exists elsewhere already; returns whether it did.
    """
    place = directory / WORK / _TEACHER if settings.distil else directory
    count = settings.ensemble

    def train(
        where: Path, model: str, seed: int, strategy: Callable[[StrategyContext], Strategy] | None = None
    ) -> None:
        fine_tune(
            dataset,
            members,
            served,
            where,
            context=replace(context, seed=seed, log=partial(context.log, model=model)),
            settings=settings,
            strategy=strategy,
            data_seed=context.seed,
        )

    for number, seed in enumerate(seeds_of(context.seed, count)):
        where = place / _folder(number)
        where.mkdir(parents=True, exist_ok=True)
        is_there = (where / RESULT).is_file() or (number == 0 and first(where))
        name = f"model {number + 1} of {count}"
        context.progress.note(f"  {name}{': is there, not trained again' if is_there else ''}")
        if not is_there:
            train(where, str(number + 1), seed)
        if where != directory:  # the stage removes its own
            shutil.rmtree(where / WORK, ignore_errors=True)
    ensemble, score = _average(dataset, served, place, context, settings)
    if not settings.distil:
        _amend(directory, ensemble=count, trainings=count)
        return

    def learn(given: StrategyContext) -> Strategy:
        logits = judged_logits(ensemble, given.rows)
        ensemble.model.to("cpu")  # frees memory for the student
        weight, temperature = settings.distil_weight, settings.distil_temperature
        return Distilling(given.rows, logits, weight=weight, temperature=temperature)

    context.progress.note(f"  one student of these {count}")
    train(directory, "student", context.seed, learn)
    _amend(directory, distilled_from=count, teacher_score=score, trainings=count + 1)


def _average(
    dataset: Dataset, served: Sequence[str], place: Path, context: TrainingContext, settings: Training
) -> tuple[TrainedModel, float | None]:
    """Write ensemble.json; return the ensemble and its mean dev score, as each model's epochs were judged."""
    seeds = seeds_of(context.seed, settings.ensemble)
    members = Members(models=[_folder(i) for i in range(len(seeds))], seeds=seeds, average=settings.average)
    members.save(place)
    task = context.task
    ensemble = open_trained(
        place, dataset.labels, task=task, maximum_length=context.maximum_length, device=context.device
    )
    dev = DevTexts.of(dataset, served, reader=ensemble.reader, task=task, seed=context.seed)
    if not dev.examples:
        return ensemble, None
    dev.tune(ensemble, place)
    by_language = dev.scores(ensemble)
    metric = task.metric(dataset.labels)
    score = fmean(scores[metric] for scores in by_language.values())
    alone = [_best_score(place / folder) for folder in members.models]
    members.model_copy(update={"score": score, "scores": alone}).save(place)
    each = ", ".join(f"{100 * single:.2f}" for single in alone)
    context.progress.note(f"  the average of their {settings.average}: dev {metric} {100 * score:.2f} (alone: {each})")
    return ensemble, score


def _folder(number: int) -> str:
    return str(number) if number else "."


def _best_score(directory: Path) -> float:
    trained = json.loads((directory / RESULT).read_text(encoding="utf-8"))
    return float(trained["history"][trained["best_epoch"] - 1]["score"])


def _amend(directory: Path, **facts: object) -> None:
    """Add facts to training.json."""
    path = directory / RESULT
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **facts})
