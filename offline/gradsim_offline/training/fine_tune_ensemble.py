"""Fine-tune an ensemble, model by model; or one student of it, which is then the only model that stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import WORK, write_json
from gradsim_offline.core.settings import Training
from gradsim_offline.training.distilling import Distilling, judged_logits
from gradsim_offline.training.ensemble import Members, seeds_of
from gradsim_offline.training.fine_tune import RESULT, fine_tune
from gradsim_offline.training.judging import DevTexts
from gradsim_offline.training.strategy import Context, Strategy
from gradsim_offline.training.trained import TrainedModel, open_trained

Log = Callable[..., None]
_TEACHER = "teacher"


def fine_tune_ensemble(
    directory: Path,
    *,
    settings: Training,
    seed: int,
    progress: Progress,
    log: Log,
    first: Callable[[Path], bool] = lambda _: False,
    **rest: Any,  # noqa: ANN401 - of many types
) -> None:
    """Train the models of all seeds, and a student of theirs if the settings ask for one.

    A model that is whole is not trained again; one that was interrupted goes on.

    Args:
        directory: Gets the folder of an ensemble (training/ensemble.py), or the student's, a single model. Its
            training.json is that of the first model, or of the student, and says how many were trained.
        settings: The schedule, how many models, what is averaged, and how the student learns.
        seed: Of the first model and of the student; all models draw the same share of the texts.
        progress: Shows how far it is.
        log: Called with the figures of each epoch, and ``model``: 1, 2, ... or ``student``.
        first: Puts the first model into a folder if it lies somewhere already, and says whether it did.
        rest: The other arguments of ``fine_tune``: data set, members, served, task, encoder, ...
    """
    place = directory / WORK / _TEACHER if settings.distil else directory
    count = settings.ensemble
    arguments = {**rest, "settings": settings, "fraction": settings.fraction, "progress": progress}
    _train_models(place, directory, seeds_of(seed, count), arguments, log, first)
    ensemble, score = _average(place, settings, seed, rest, progress)
    if not settings.distil:
        _amend(directory, ensemble=count, trainings=count)
        return

    def learn(context: Context) -> Strategy:
        logits = judged_logits(ensemble, context.rows)
        ensemble.model.to("cpu")  # the student needs the room
        weight, temperature = settings.distil_weight, settings.distil_temperature
        return Distilling(context.rows, logits, weight=weight, temperature=temperature)

    progress.note(f"  one student of these {count}")
    fine_tune(directory=directory, seed=seed, log=_marked(log, "student"), strategy=learn, **arguments)
    _amend(directory, distilled_from=count, teacher_score=score, trainings=count + 1)


def _train_models(
    place: Path,
    stage: Path,
    seeds: Sequence[int],
    arguments: Mapping[str, Any],
    log: Log,
    first: Callable[[Path], bool],
) -> None:
    """Train what is missing: the first model in ``place``, the others in folders below it."""
    for number, own in enumerate(seeds):
        where = place / _folder(number)
        where.mkdir(parents=True, exist_ok=True)
        is_there = (where / RESULT).is_file() or (number == 0 and first(where))
        name = f"model {number + 1} of {len(seeds)}"
        arguments["progress"].note(f"  {name}{': is there, not trained again' if is_there else ''}")
        if not is_there:
            logged = _marked(log, str(number + 1))
            fine_tune(directory=where, seed=own, data_seed=seeds[0], log=logged, **arguments)
        if where != stage:  # that of the stage goes with it
            shutil.rmtree(where / WORK, ignore_errors=True)


def _average(
    place: Path, settings: Training, seed: int, rest: Mapping[str, Any], progress: Progress
) -> tuple[TrainedModel, float | None]:
    """Write ensemble.json; return the ensemble and its mean dev score, as each model's epochs were judged."""
    seeds = seeds_of(seed, settings.ensemble)
    members = Members(models=[_folder(i) for i in range(len(seeds))], seeds=seeds, average=settings.average)
    members.save(place)
    dataset, task, reading = rest["dataset"], rest["task"], ("task", "maximum_length", "device")
    ensemble = open_trained(place, dataset.labels, **{name: rest[name] for name in reading})
    judged = {code: dataset.split(code, "dev") for code in rest["served"] if dataset.split(code, "dev")}
    if not judged:
        return ensemble, None
    number = {language: i for i, language in enumerate(dataset.languages)}
    found = DevTexts(judged, number, ensemble.reader, task, seed).scores(ensemble)
    metric = task.metric(dataset.labels)
    score = fmean(scores[metric] for scores in found.values())
    alone = [_best_score(place / folder) for folder in members.models]
    members.model_copy(update={"score": score, "scores": alone}).save(place)
    each = ", ".join(f"{100 * one:.2f}" for one in alone)
    progress.note(f"  the average of their {settings.average}: dev {metric} {100 * score:.2f} (alone: {each})")
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


def _marked(log: Log, model: str) -> Log:
    return lambda **figures: log(model=model, **figures)
