"""Dev scores of models trained on one language each: the paper's oracle, N trainings and N x N scores."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.section import Section
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.trained import DevTexts, open_trained
from gradsim_shared.errors import DataError

SCORES = "scores"  # one file per trained language: what is there is not trained or scored again
Matrix = NDArray[np.float64]


class Options(Section):
    """How scores become similarities."""

    normalise: Literal["none", "row", "gain"] = Field(
        "none",
        description="none: S[i, j] is the score; row: divided by S[i, i]; gain: less S[i, i], for singleton_score zero",
    )


def trains(_: Options) -> bool:
    """Return whether this measure needs fine-tuned models."""
    return True


def measure(context: MeasureContext) -> Measured:
    """Train a model on each language alone and score it on every language's dev split (the GradSim paper's oracle).

    ``S[i, j]`` is the score (the task's metric, 0 to 1) on i of the model trained on j. A row is one language's
    scores, and grouping compares a language's partners with each other and, as a group of one (``self``), with its
    own model, ``S[i, i]``: all of one row, so no common scale is needed. ``row`` gives every language the same weight
    whatever its scores; ``gain`` shifts each row by a constant, which changes no grouping under ``self``.

    Two things to know. The diagonal is a little too good: the epoch was chosen on the same dev texts. And a partner is
    judged as if it stood in for the language's own texts, not as an addition to them: ``S[i, i]`` is as a rule the
    largest of its row, so that groups of one are attractive while there are enough groups.

    The models are the monolingual ones of the build. ``scores/<j>.json`` holds every metric of the model trained on j;
    after an interruption those that are there are kept. ``seconds`` counts the trainings that were not found ready.

    Raises:
        DataError: A language has no dev split.
    """
    check(context.dataset, context.options)
    languages = context.dataset.languages
    metric = context.training.task.metric(context.dataset.labels)
    (context.directory / SCORES).mkdir(parents=True, exist_ok=True)
    matrix, seconds = np.zeros((len(languages), len(languages))), []
    spent: list[float] = []  # by the trainings of this run
    for column, language in enumerate(languages):
        file = context.directory / SCORES / f"{language}.json"
        if not file.is_file():
            left = _time_left(spent, len(languages) - column)  # a line, not a bar: each training shows its own
            context.training.progress.note(f"  transfer from {language}, {column + 1} of {len(languages)}{left}")
            started = time.monotonic()
            scores = _scores_of(context, context.train((language,), (language,)))
            spent.append(time.monotonic() - started)
            write_json(file, {"trained_on": language, "dev": scores, "seconds": round(spent[-1], 1)})
            context.training.log(trained_on=language, **{code: scores[code][metric] for code in languages})
        record = json.loads(file.read_text(encoding="utf-8"))
        matrix[:, column] = [record["dev"][code][metric] for code in languages]
        seconds.append(record["seconds"])
    return Measured(
        "transfer",
        languages,
        normalised(matrix, context.options.normalise, languages),
        settings={**context.options.model_dump(), "metric": metric, "split": "dev"},
        seconds=sum(seconds),
    )


def normalised(scores: Matrix, rule: str, languages: tuple[str, ...]) -> Matrix:
    """Turn scores, ``[N, N]``, into similarities; see ``Options``.

    A row whose own score is 0 cannot be divided: it becomes 0, with a warning.
    """
    own = scores.diagonal()[:, None]
    if rule == "gain":
        return scores - own
    if rule == "row":
        nothing = [code for code, score in zip(languages, own[:, 0], strict=True) if score == 0]
        if nothing:
            warnings.warn(f"the model trained on {', '.join(nothing)} scores 0 on it: similarity 0", stacklevel=3)
        divided: Matrix = np.divide(scores, own, out=np.zeros_like(scores), where=own > 0)
        return divided
    return scores


def check(dataset: Dataset, _: Section) -> None:
    """Check before any training that the measure is possible.

    Raises:
        DataError: A language has no dev split.
    """
    without = [code for code in dataset.languages if not dataset.split(code, "dev")]
    if without:
        raise DataError(
            f"{dataset.name}: {', '.join(without)} has no dev split, and the measure transfer scores on it; add one, "
            "leave the language out (--languages), or do without this measure (--measure, --methods)"
        )


def _scores_of(context: MeasureContext, directory: Path) -> dict[str, dict[str, float]]:
    """Score the model of a directory on every language, ``{language: {metric: 0 to 1}}``."""
    dataset, task = context.dataset, context.training.task
    model = open_trained(
        directory,
        dataset.labels,
        task=task,
        maximum_length=context.training.maximum_length,
        device=context.training.device,
    )
    dev = DevTexts.of(dataset, dataset.languages, reader=model, task=task, seed=context.training.seed)
    scores = dev.scores(model)
    del model, dev
    if context.training.device.type == "cuda":
        torch.cuda.empty_cache()
    return scores


def _time_left(spent: Sequence[float], trainings: int) -> str:
    """Say how long that many trainings may take, from the mean seconds of those that were run now."""
    if not spent:
        return ""
    seconds = trainings * sum(spent) / len(spent)
    return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"


PLUGIN = SimilarityMeasure(measure, check=check, trains=trains, options=Options)
