"""From answers to few-shot.json: scores, averages over targets, mean and deviation over seeds, tests, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.comparison import average_weights, metric_of, paired_tests
from gradsim_offline.experiments.few_shot.models import models_of
from gradsim_offline.experiments.few_shot.plan import Plan
from gradsim_offline.experiments.few_shot.regimes import Regime
from gradsim_offline.experiments.few_shot.shots import scored
from gradsim_offline.experiments.runner import Predictions
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.task import Task

Counted = dict[str, dict[str, NDArray[np.int64]]]  # regime -> language -> [seeds, texts, S]
BySeed = Sequence[Mapping[str, Predictions]]  # the models of each seed, by name


def summarise(
    plan: Plan,
    dataset: Dataset,
    task: Task,
    predictions: BySeed,
    measured: Sequence[Mapping[str, Measured]],
    *,
    permutations: int,
    progress: Progress,
) -> dict[str, Any]:
    """Score everything, and test every pair of regimes at every K on the mean over targets.

    Args:
        plan: What was run.
        dataset: The gold labels.
        task: Its statistics and its metric.
        predictions: What the models of each seed answered.
        measured: The gradient similarities of each seed, by regime.
        permutations: Per test; 0: no tests.
        progress: Shows how far the tests are.

    Returns:
        docs/few-shot.md describes it.
    """
    texts, splits = scored(dataset, plan.languages)
    counts = {code: len(texts.split(code, split)) for code, split in splits.items()}
    weights = average_weights({code: counts[code] for code in plan.targets})

    metric = metric_of(task, dataset.labels)
    gold = {code: [example.gold for example in texts.split(code, split)] for code, split in splits.items()}
    scores: dict[str, Any] = {}
    averages: dict[str, Any] = {}
    costs: dict[str, Any] = {}
    tests: list[dict[str, Any]] = []
    for shots in plan.shots:
        counted = _statistics(plan, shots, predictions, gold, splits, task, dataset.labels)
        values = {
            name: {code: metric(rows.sum(axis=1)) for code, rows in by_language.items()}
            for name, by_language in counted.items()
        }  # regime -> language -> [seeds]
        key = str(shots)
        scores[key] = {
            name: {code: _spread(by_seed) for code, by_seed in by_language.items()}
            for name, by_language in values.items()
        }
        averages[key] = {
            name: {average: _spread(_mean(by_language, share)) for average, share in weights.items()}
            for name, by_language in values.items()
        }
        costs[key] = {regime.name: _cost(plan, regime, shots, predictions) for regime in plan.regimes}
        if permutations:
            of_targets = {name: {code: rows[code] for code in plan.targets} for name, rows in counted.items()}
            tests += paired_tests(of_targets, metric, weights, permutations, progress, on={"shots": shots})
    return {
        "splits": splits,
        "counts": counts,
        "scores": scores,
        "averages": averages,
        "tests": tests,
        "cost": costs,
        "gradients": _gradients(plan, measured),
    }


def _statistics(
    plan: Plan,
    shots: int,
    predictions: BySeed,
    gold: Mapping[str, Sequence[Any]],
    splits: Mapping[str, Split],
    task: Task,
    labels: Sequence[str],
) -> Counted:
    """Return what each text adds to the metric, of every regime at a K."""
    counted: Counted = {}
    for regime in plan.regimes:
        of_language = {
            code: m.name for m in models_of(plan, regime, shots) for code in m.answers
        }  # the last one has it
        counted[regime.name] = {
            code: np.stack(
                [
                    task.statistics(gold[code], models[of_language[code]].answers[splits[code]][code], labels)
                    for models in predictions
                ]
            )
            for code in plan.languages
        }
    return counted


def _mean(by_language: Mapping[str, NDArray[np.float64]], share: Mapping[str, float]) -> NDArray[np.float64]:
    """Return a weighted mean over languages, ``[seeds]``."""
    total: NDArray[np.float64] = np.sum([weight * by_language[code] for code, weight in share.items()], axis=0)
    return total / sum(share.values())


def _spread(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return mean and sample standard deviation over seeds, and the values themselves."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": spread, "seeds": values.tolist()}


def _cost(plan: Plan, regime: Regime, shots: int, predictions: BySeed) -> dict[str, float]:
    """Return the cost of a regime, the mean over seeds of the sum over its models, the source model's with them."""
    models = {m.name for m in models_of(plan, regime, shots)}
    if regime.second_step:
        models.add(models_of(plan, plan.regimes[0], 0)[0].name)
    cost: dict[str, float] = {}
    for by_name in predictions:
        for model in sorted(models):
            for figure, value in by_name[model].cost.items():
                cost[figure] = cost.get(figure, 0.0) + value / len(predictions)
    return cost


def _gradients(plan: Plan, measured: Sequence[Mapping[str, Measured]]) -> dict[str, Any]:
    """Return the mean over seeds of each regime's gradient similarities, by tracked layer."""
    names = list(measured[0])
    layers = list(measured[0][names[0]].layers) if names else []
    return {
        "shots": plan.heatmap_shots,
        "languages": list(plan.languages),
        "similarity": {
            layer: {name: np.mean([found[name].layers[layer] for found in measured], axis=0).tolist() for name in names}
            for layer in layers
        },
    }
