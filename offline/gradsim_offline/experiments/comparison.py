"""From the results of methods to what compare.json holds: scores, averages over languages and seeds, tests, costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.significance import CHUNK, Metric, Statistics, permutation_tests
from gradsim_offline.experiments.method import Method
from gradsim_offline.experiments.method_results import MethodResult
from gradsim_offline.experiments.runner import SCORED
from gradsim_offline.training.costs import conflicts
from gradsim_offline.training.task import Task
from gradsim_shared.segments import Sent


@dataclass(frozen=True)
class Subset:
    """Texts that are scored together, under a name.

    Attributes:
        name: As in the results.
        split: Whose answers they are.
        kept: Language to which of the split's texts belong to it, ``[texts]``; languages without any are left out.
    """

    name: str
    split: Split
    kept: Mapping[str, NDArray[np.bool_]]

    @property
    def counts(self) -> dict[str, int]:
        """Texts per language."""
        return {code: int(kept.sum()) for code, kept in self.kept.items()}


def subsets(dataset: Dataset) -> list[Subset]:
    """Return what is scored: dev, test, and ``test_unseen``, the test texts that do not stand in train or dev, too.

    A text counts as seen when the very same text stands in train or dev of its own language. Another subset is one
    more entry here; a changed text needs answers of its own first (``runner.py``).
    """
    chosen = []
    for split in SCORED:
        texts = {code: [example.text for example in dataset.split(code, split)] for code in dataset.languages}
        chosen.append(_subset(split, split, {code: np.ones(len(given), dtype=bool) for code, given in texts.items()}))
        if split == "test":
            known = {code: _texts(dataset, code, "train") | _texts(dataset, code, "dev") for code in texts}
            unseen = {code: np.array([text not in known[code] for text in given]) for code, given in texts.items()}
            if not all(kept.all() for kept in unseen.values()):  # else it would be test again
                chosen.append(_subset("test_unseen", split, unseen))
    return [subset for subset in chosen if subset.kept]


def _subset(name: str, split: Split, kept: Mapping[str, NDArray[np.bool_]]) -> Subset:
    return Subset(name, split, {code: mask for code, mask in kept.items() if mask.any()})


def _texts(dataset: Dataset, language: str, split: Split) -> set[Sent]:
    return {example.text for example in dataset.split(language, split)}


def summarise(
    dataset: Dataset,
    task: Task,
    methods: Sequence[Method],
    seeds: Sequence[int],
    results: Sequence[MethodResult],
    *,
    permutations: int,
    progress: Progress,
) -> dict[str, Any]:
    """Score everything, and test every pair of methods.

    Args:
        dataset: The gold labels.
        task: Its statistics and its metric.
        methods: In the order of the tables.
        seeds: In their order.
        results: One per method and seed.
        permutations: Per test; 0: no tests, as for a single seed.
        progress: Shows how far the tests are.

    Returns:
        docs/comparing.md describes it.
    """
    metric = metric_of(task, dataset.labels)
    chosen = subsets(dataset)
    scores, averages = {}, {}
    tests: list[dict[str, Any]] = []
    for subset in chosen:
        counted = statistics(dataset, task, methods, results, subset)
        weights = average_weights(subset.counts)
        scores[subset.name] = {
            method: _scores(by_language, seeds, metric) for method, by_language in counted.items()
        }  # method -> seed -> language
        averages[subset.name] = {method: _averages(by_seed, weights) for method, by_seed in scores[subset.name].items()}
        if permutations:
            tests += paired_tests(counted, metric, weights, permutations, progress, on={"split": subset.name})
    return {
        "counts": {subset.name: subset.counts for subset in chosen},
        "groups": _by_seed(results, _groups),
        "grouping": _by_seed(results, _grouping),
        "similarity": _by_seed(results, _similarity),
        "scores": scores,
        "averages": averages,
        "tests": tests,
        "cost": _by_seed(results, lambda result: result.cost),
        "conflicts": _conflicts(results),
    }


def statistics(
    dataset: Dataset, task: Task, methods: Sequence[Method], results: Sequence[MethodResult], subset: Subset
) -> Statistics:
    """Return what each text of a subset adds to the metric: method, language to ``[seeds, texts, S]``."""
    counted: dict[str, dict[str, NDArray[np.int64]]] = {}
    for method in methods:
        by_seed = [result.answers[subset.split] for result in results if result.method == method.name]
        counted[method.name] = {}
        for code, kept in subset.kept.items():
            gold = [example.gold for example in dataset.split(code, subset.split)]
            rows = [task.statistics(gold, answers[code], dataset.labels)[kept] for answers in by_seed]
            counted[method.name][code] = np.stack(rows)
    return counted


def metric_of(task: Task, labels: Sequence[str]) -> Metric:
    """Return the function from summed statistics, ``[..., S]``, to the task's metric, 0 to 1."""

    def metric(sums: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(task.metric_from(sums, labels))

    return metric


def paired_tests(
    counted: Statistics,
    metric: Metric,
    weights: Mapping[str, Mapping[str, float]],
    permutations: int,
    progress: Progress,
    *,
    on: Mapping[str, str | int],
) -> list[dict[str, Any]]:
    """Test every pair of methods; ``on`` says what they are tested on, and stands in every test."""
    title = " ".join(map(str, ("testing on", *on.values())))
    with progress.bar(title, -(-permutations // CHUNK)) as advance:
        tests = permutation_tests(counted, metric, weights, permutations=permutations, advance=advance)
    return [{**on, **asdict(test)} for test in tests]


def average_weights(counts: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the weight of each language in each average: all alike, or by its number of texts."""
    return {"plain": dict.fromkeys(counts, 1.0), "weighted": {code: float(count) for code, count in counts.items()}}


def _scores(
    counted: Mapping[str, NDArray[np.integer]], seeds: Sequence[int], metric: Metric
) -> dict[str, dict[str, float]]:
    """Return a method's scores, seed and language to 0..1."""
    by_language = {code: metric(rows.sum(axis=1)) for code, rows in counted.items()}  # each [seeds]
    return {
        str(seed): {code: float(values[position]) for code, values in by_language.items()}
        for position, seed in enumerate(seeds)
    }


def _averages(
    scores: Mapping[str, Mapping[str, float]], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Any]]:
    """Return a method's averages over languages, per seed, with mean and sample standard deviation over seeds."""
    averages = {}
    for name, share in weights.items():
        total = sum(share.values())
        by_seed = {
            seed: sum(share[code] * value for code, value in by_language.items()) / total
            for seed, by_language in scores.items()
        }
        values = list(by_seed.values())
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        averages[name] = {"mean": float(np.mean(values)), "sd": spread, "seeds": by_seed}
    return averages


def _conflicts(results: Sequence[MethodResult]) -> dict[str, dict[str, float]]:
    """Return each method's share of conflicts and mean cosine, all seeds together; without those that compared none."""
    found = {
        name: conflicts(by_seed.values()) for name, by_seed in _by_seed(results, lambda result: result.cost).items()
    }
    return {name: each for name, each in found.items() if each}


def _by_seed(results: Sequence[MethodResult], content: Callable[[MethodResult], Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        found.setdefault(result.method, {})[str(result.seed)] = content(result)
    return found


def _groups(result: MethodResult) -> list[dict[str, Any]]:
    return [
        {"id": group.id, "members": list(group.members), "served": list(group.served)} for group in result.groups.groups
    ]


def _grouping(result: MethodResult) -> dict[str, Any]:
    found = result.groups
    return {
        "score": found.score,
        "bound": found.bound,
        "proven": found.proven,
        "singleton_score": found.singleton_score,
        **({"curve": list(found.curve)} if found.curve else {}),
    }


def _similarity(result: MethodResult) -> dict[str, Any]:
    measured = result.measured
    return {
        "languages": list(measured.languages),
        "matrix": measured.matrix.tolist(),
        "reliability": measured.reliability and vars(measured.reliability),
    }
