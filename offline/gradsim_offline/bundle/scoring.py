"""Score three columns per language: multilingual model, group model with the language known, whole service path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.bundle.answer_counts import Counts, errors, label_counts
from gradsim_offline.bundle.baseline import baseline
from gradsim_offline.core.bootstrap import interval, times_drawn
from gradsim_offline.core.dataset import Dataset, Gold, Split
from gradsim_offline.core.progress import Progress
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import open_trained
from gradsim_runtime.predictor import Answer, Predictor
from gradsim_shared.decoding import Text
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.manifest import Scores as Columns
from gradsim_shared.routing import Route

COLUMNS = tuple(Columns.model_fields)  # multilingual, group, service
SCORED: tuple[Split, ...] = ("dev", "test")
GAIN, SERVICE_GAIN = "gain", "service_gain"  # group and service, each minus multilingual
DRAWS = 1000  # of each bootstrap
Draws = dict[str, NDArray[np.float64]]  # column, or gain, to the metric of every draw, [draws]
Scores = dict[str, dict[str, dict[str, dict[str, float]]]]  # split -> language -> column -> metric


def score(
    dataset: Dataset,
    multilingual: Path,
    predictor: Predictor,
    *,
    task: Task,
    maximum_length: int,
    device: torch.device,
    progress: Progress,
    most_errors: int = 0,
) -> dict[str, Any]:
    """Score every language on dev and test; of ``most_errors`` errors per language texts and answers are kept.

    Returns:
        ``scores``: split, language, column, metric; ``averages``: split, column, the task's metric as plain mean
        over languages and as mean weighted by the number of texts; ``identifier``: split, language to accuracy;
        ``intervals``: split, language, column or ``gain``, the 95 % bootstrap interval of the task's metric; ``gain``
        is group minus multilingual, on the same texts; ``average_intervals``: split, plain or weighted, the same;
        ``confusion``: of the identifier on test (dev where there is no test), language to taken-for to texts;
        ``routing``: the same, to the group that answered; ``labels``: on the same split, language to the counts of
        the service's answers (``answer_counts``); ``errors``: examples, likewise; ``baseline``: what the service's
        answers look like on dev, ``None`` where there is no dev split.
    """
    metric = task.metric(dataset.labels)
    multilingual_model = open_trained(
        multilingual,
        dataset.labels,
        task=task,
        maximum_length=maximum_length,
        device=device,
        long_texts=predictor.manifest.long_texts,
    )
    policy = scoring_policy(predictor.manifest)
    scores: Scores = {}
    drawn: dict[str, dict[str, Draws]] = {}  # split -> language -> column
    accuracy: dict[str, dict[str, float]] = {}
    confusion: dict[str, dict[str, dict[str, int]]] = {}
    routing: dict[str, dict[str, dict[str, int]]] = {}
    counts: dict[str, dict[str, Counts]] = {}
    wrong: dict[str, dict[str, list[dict[str, Any]]]] = {}
    watched: list[Answer] = []  # on dev
    with progress.bar("evaluating", len(SCORED) * len(dataset.languages)) as advance:
        for split in SCORED:
            for position, language in enumerate(dataset.languages):
                examples = dataset.split(language, split)
                advance(f"{language} {split}")
                if not examples:
                    continue
                texts, inputs = [example.text for example in examples], [example.input for example in examples]
                gold = [example.gold for example in examples]
                routes = predictor.routes(texts, policy=policy)
                known = predictor.answers(inputs, predictor.routes(texts, language))
                served = rerouted(predictor, inputs, known, routes)
                predicted = {
                    "multilingual": multilingual_model.answers(inputs),
                    "group": golds(known),
                    "service": golds(served),
                }
                if split == "dev":
                    watched += served
                columns = {column: task.scores(gold, found, dataset.labels) for column, found in predicted.items()}
                scores.setdefault(split, {})[language] = columns
                drawn.setdefault(split, {})[language] = bootstrap(gold, predicted, dataset.labels, task, seed=position)
                taken = [route.language or "unknown" for route in routes]
                accuracy.setdefault(split, {})[language] = taken.count(language) / len(taken)
                confusion.setdefault(split, {})[language] = dict(sorted(Counter(taken).items()))
                counts.setdefault(split, {})[language] = label_counts(task, gold, predicted["service"], dataset.labels)
                wrong.setdefault(split, {})[language] = errors(examples, served, most_errors)
                answered = Counter(route.group for route in routes)
                routing.setdefault(split, {})[language] = dict(sorted(answered.items()))
    return {
        "metric": metric,
        "scores": scores,
        "averages": {
            split: averages(scores[split], dataset.counts(split), metric) for split in SCORED if split in scores
        },
        "intervals": {
            split: {language: _intervals(draws) for language, draws in found.items()} for split, found in drawn.items()
        },
        "average_intervals": {
            split: average_intervals(drawn[split], dataset.counts(split)) for split in SCORED if split in drawn
        },
        "identifier": accuracy,
        "confusion": confusion.get("test") or confusion.get("dev", {}),
        "routing": routing.get("test") or routing.get("dev", {}),
        "labels": counts.get("test") or counts.get("dev", {}),
        "errors": wrong.get("test") or wrong.get("dev", {}),
        "baseline": baseline(watched),
    }


def scoring_policy(manifest: Manifest) -> Policy:
    """Return the policy that scores are of: every text is answered, those that ``reject`` refuses by ``fallback``."""
    return "fallback" if manifest.identifier.policy == "reject" else manifest.identifier.policy


def rerouted(
    predictor: Predictor, inputs: Sequence[Text], answered: Sequence[Answer], routes: Sequence[Route]
) -> list[Answer]:
    """Return the answers by other routes than they were given by; the same groups are not asked again."""
    rows = [row for row, route in enumerate(routes) if route.mixture != answered[row].route.mixture]
    again = predictor.answers([inputs[row] for row in rows], [routes[row] for row in rows])
    anew = dict(zip(rows, again, strict=True))
    return [anew.get(row, replace(answered[row], route=route)) for row, route in enumerate(routes)]


def golds(answers: Sequence[Answer]) -> list[Gold]:
    """Return answers in the form of the annotators' gold."""
    return [answer.decoded.answer for answer in answers]


def averages(
    scores: Mapping[str, Mapping[str, Mapping[str, float]]], counts: Mapping[str, int], metric: str
) -> dict[str, dict[str, float]]:
    """Return both averages of each column: ``plain`` over languages, ``weighted`` by the number of texts."""
    total = sum(counts[language] for language in scores)
    return {
        column: {
            "plain": sum(found[column][metric] for found in scores.values()) / len(scores),
            "weighted": sum(counts[code] * found[column][metric] for code, found in scores.items()) / total,
        }
        for column in COLUMNS
    }


def bootstrap(
    gold: Sequence[Gold],
    predicted: Mapping[str, Sequence[Gold]],
    labels: Sequence[str],
    task: Task,
    *,
    seed: int,
    draws: int = DRAWS,
) -> Draws:
    """Draw a language's texts with replacement, and score each draw.

    All columns are scored on the same draws, so that the interval of ``gain`` is that of a paired difference. Its
    models are held fixed: other training seeds are not in it.

    Args:
        gold: Of every text.
        predicted: Column to the answer to every text.
        labels: All there are.
        task: Its ``statistics`` and ``metric_from``.
        seed: Of the draws.
        draws: How many.
    """
    times = times_drawn(len(gold), draws, np.random.default_rng(seed))  # [draws, texts]
    found: Draws = {}
    for column, answers in predicted.items():
        sums = times.astype(float) @ task.statistics(gold, answers, labels).astype(float)  # [draws, S], whole numbers
        found[column] = task.metric_from(sums, labels)
    gains = {GAIN: found["group"], SERVICE_GAIN: found["service"]}
    return {**found, **{name: draws - found["multilingual"] for name, draws in gains.items()}}


def average_intervals(drawn: Mapping[str, Draws], counts: Mapping[str, int]) -> dict[str, dict[str, list[float]]]:
    """Return the intervals of both averages over languages, whose draws have nothing to do with each other."""
    weights = {"plain": [1.0] * len(drawn), "weighted": [float(counts[code]) for code in drawn]}
    return {
        name: _intervals(
            {
                column: np.average([draws[column] for draws in drawn.values()], axis=0, weights=share)
                for column in (*COLUMNS, GAIN, SERVICE_GAIN)
            }
        )
        for name, share in weights.items()
    }


def _intervals(draws: Draws) -> dict[str, list[float]]:
    return {column: [float(end) for end in interval(values)] for column, values in draws.items()}
