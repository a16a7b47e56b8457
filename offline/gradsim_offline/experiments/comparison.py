"""From cells to a comparison: scores, both averages over languages, means over seeds, tests, costs; all of it JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.significance import CHUNK, permutation_tests
from gradsim_offline.experiments.cells import PREDICTED, Cell
from gradsim_offline.experiments.method import Method
from gradsim_offline.training.costs import conflicts
from gradsim_offline.training.task import Task

Statistics = dict[str, dict[str, NDArray[np.int64]]]  # method -> language -> [seeds, texts, S]


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
    more entry here; a changed text needs answers of its own first (``cells.py``).
    """
    found = []
    for split in PREDICTED:
        texts = {code: [example.text for example in dataset.split(code, split)] for code in dataset.languages}
        found.append(_subset(split, split, {code: np.ones(len(own), dtype=bool) for code, own in texts.items()}))
        if split == "test":
            known = {code: _texts(dataset, code, "train") | _texts(dataset, code, "dev") for code in texts}
            unseen = {code: np.array([text not in known[code] for text in own]) for code, own in texts.items()}
            found.append(_subset("test_unseen", split, unseen))
    return [subset for subset in found if subset.kept]


def _subset(name: str, split: Split, kept: Mapping[str, NDArray[np.bool_]]) -> Subset:
    return Subset(name, split, {code: mask for code, mask in kept.items() if mask.any()})


def _texts(dataset: Dataset, language: str, split: Split) -> set[str]:
    return {example.text for example in dataset.split(language, split)}


def summarise(
    dataset: Dataset,
    task: Task,
    methods: Sequence[Method],
    seeds: Sequence[int],
    cells: Sequence[Cell],
    *,
    permutations: int,
    bar: Callable[[str, int], AbstractContextManager[Callable[[str], None]]],
) -> dict[str, Any]:
    """Score everything, and test every pair of methods.

    Args:
        dataset: The gold labels.
        task: Its statistics and its metric.
        methods: In the order of the tables.
        seeds: In their order.
        cells: One per method and seed.
        permutations: Per test; 0: no tests, as for a single seed.
        bar: Shows the progress of the tests: from a title and a number of steps to a context.

    Returns:
        docs/comparing.md describes it.
    """

    def metric(sums: NDArray[Any]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = task.metric_from(sums, dataset.labels)
        return found

    chosen = subsets(dataset)
    scores, averages = {}, {}
    tests: list[dict[str, Any]] = []
    for subset in chosen:
        counted = statistics(dataset, task, methods, cells, subset)
        weights = average_weights(subset.counts)
        scores[subset.name] = {
            method: _scores(found, seeds, metric) for method, found in counted.items()
        }  # method -> seed -> language
        averages[subset.name] = {method: _averages(found, weights) for method, found in scores[subset.name].items()}
        if permutations:
            with bar(f"testing on {subset.name}", -(-permutations // CHUNK)) as advance:
                found = permutation_tests(counted, metric, weights, permutations=permutations, advance=advance)
            tests += [{"split": subset.name, **asdict(test)} for test in found]
    return {
        "counts": {subset.name: subset.counts for subset in chosen},
        "groups": _by_cell(cells, _groups),
        "grouping": _by_cell(cells, _grouping),
        "similarity": _by_cell(cells, _similarity),
        "scores": scores,
        "averages": averages,
        "tests": tests,
        "cost": _by_cell(cells, lambda cell: cell.cost),
        "conflicts": _conflicts(cells),
    }


def statistics(
    dataset: Dataset, task: Task, methods: Sequence[Method], cells: Sequence[Cell], subset: Subset
) -> Statistics:
    """Return what each text of a subset adds to the metric: method, language to ``[seeds, texts, S]``."""
    counted: Statistics = {}
    for method in methods:
        mine = [cell.answers[subset.split] for cell in cells if cell.method == method.name]
        counted[method.name] = {}
        for code, kept in subset.kept.items():
            gold = [example.gold for example in dataset.split(code, subset.split)]
            rows = [task.statistics(gold, answers[code], dataset.labels)[kept] for answers in mine]
            counted[method.name][code] = np.stack(rows)
    return counted


def average_weights(counts: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the weight of each language in each average: all alike, or by its number of texts."""
    return {"plain": dict.fromkeys(counts, 1.0), "weighted": {code: float(count) for code, count in counts.items()}}


def _scores(
    found: Mapping[str, NDArray[np.int64]], seeds: Sequence[int], metric: Callable[[NDArray[Any]], NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    """Return a method's scores, seed and language to 0..1."""
    by_language = {code: metric(rows.sum(axis=1)) for code, rows in found.items()}  # each [seeds]
    return {
        str(seed): {code: float(values[position]) for code, values in by_language.items()}
        for position, seed in enumerate(seeds)
    }


def _averages(
    scores: Mapping[str, Mapping[str, float]], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Any]]:
    """Return a method's averages over languages, per seed, with mean and sample standard deviation over seeds."""
    found = {}
    for name, share in weights.items():
        total = sum(share.values())
        by_seed = {
            seed: sum(share[code] * value for code, value in by_language.items()) / total
            for seed, by_language in scores.items()
        }
        values = list(by_seed.values())
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found[name] = {"mean": float(np.mean(values)), "sd": spread, "seeds": by_seed}
    return found


def _conflicts(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """Return each method's share of conflicts and mean cosine, all seeds together; without those that compared none."""
    found = {name: conflicts(by_seed.values()) for name, by_seed in _by_cell(cells, lambda cell: cell.cost).items()}
    return {name: each for name, each in found.items() if each}


def _by_cell(cells: Sequence[Cell], content: Callable[[Cell], Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        found.setdefault(cell.method, {})[str(cell.seed)] = content(cell)
    return found


def _groups(cell: Cell) -> list[dict[str, Any]]:
    return [
        {"id": group.id, "members": list(group.members), "served": list(group.served)} for group in cell.groups.groups
    ]


def _grouping(cell: Cell) -> dict[str, Any]:
    found = cell.groups
    return {
        "score": found.score,
        "bound": found.bound,
        "proven": found.proven,
        "singleton_score": found.singleton_score,
        **({"curve": list(found.curve)} if found.curve else {}),
    }


def _similarity(cell: Cell) -> dict[str, Any]:
    return {"languages": list(cell.measured.languages), "matrix": cell.measured.matrix.tolist()}
