"""What came of the sprachbunds' models: scores, tests of the adapted starts against the plain one, both as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.dataset import Dataset, Gold, Split
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.significance import Metric, holm
from gradsim_offline.experiments.comparison import average_weights, metric_of, paired_tests
from gradsim_offline.report.comparison_tables import AVERAGES
from gradsim_offline.report.table import Cell, Table, share
from gradsim_offline.training.task import Task

PLAIN, ADAPTED = STARTS = ("plain", "adapted")

Answers = Mapping[str, Mapping[str, Mapping[str, Sequence[Sequence[Gold]]]]]  # start, trained on, language: by seed
Counted = dict[str, dict[str, dict[str, NDArray[np.int64]]]]  # the same three keys to [seeds, texts, S]


def summarise(
    answers: Answers, dataset: Dataset, task: Task, split: Split, *, permutations: int, progress: Progress
) -> dict[str, Any]:
    """Score all answers, and test the adapted starts against the plain one.

    Args:
        answers: What each text was answered, by start, by what was trained on, and by language, seed after seed.
        dataset: The gold labels.
        task: Its statistics and its metric.
        split: Whose texts were answered.
        permutations: Per test; 0: no tests.
        progress: Shows how far the tests are.

    Returns:
        ``counts``, ``scores``, ``permutations`` and ``tests`` of sprachbund-train.json (docs/adapting.md).
    """
    metric = metric_of(task, dataset.labels)
    counted = _statistics(answers, dataset, task, split)
    scores = {
        start: {
            word: {code: metric(rows.sum(axis=1)).tolist() for code, rows in by_language.items()}
            for word, by_language in by_word.items()
        }
        for start, by_word in counted.items()
    }
    tests = _tests(counted, metric, permutations, progress) if permutations else []
    counts = {code: rows.shape[1] for by_language in counted[PLAIN].values() for code, rows in by_language.items()}
    return {"counts": counts, "scores": scores, "permutations": permutations, "tests": tests}


def _statistics(answers: Answers, dataset: Dataset, task: Task, split: Split) -> Counted:
    """Return what each text adds to the metric."""
    gold = {code: [example.gold for example in dataset.split(code, split)] for code in dataset.languages}
    return {
        start: {
            word: {
                code: np.stack([task.statistics(gold[code], each, dataset.labels) for each in by_seed])
                for code, by_seed in by_language.items()
            }
            for word, by_language in by_word.items()
        }
        for start, by_word in answers.items()
    }


def _tests(counted: Counted, metric: Metric, permutations: int, progress: Progress) -> list[dict[str, Any]]:
    """Test the adapted against the plain start for each thing trained on; Holm's correction is over these things.

    Only these pairs are asked about. All pairs of start and thing trained on would be corrected for questions such as
    whether one start on all languages is better than the other on the pivot.
    """
    words = list(counted[PLAIN])
    tests: list[dict[str, Any]] = []
    for word in words:
        starts = {start: counted[start][word] for start in (ADAPTED, PLAIN)}
        weights = average_weights({code: rows.shape[1] for code, rows in starts[PLAIN].items()})
        tests += paired_tests(starts, metric, weights, permutations, progress, on={"on": word})
    for average in AVERAGES:
        alike = [test for test in tests if test["average"] == average]
        for test, corrected in zip(alike, holm(np.array([test["p"] for test in alike])), strict=True):
            test["p_holm"] = float(corrected)
    return tests


def tables(content: Mapping[str, Any]) -> list[Table]:
    """Lay out what sprachbund-train.json holds: the scores, and the tests where there are any."""
    return [_scores(content), *_tested(content)]


def _scores(content: Mapping[str, Any]) -> Table:
    """Lay out the scores, in per cent: the mean over seeds, and its standard deviation."""
    columns = [(start, word) for start in STARTS for word in content["scores"][start]]
    rows: list[tuple[str | Cell, ...]] = []
    scores: dict[tuple[str, str], Mapping[str, list[float]]] = {
        (start, word): content["scores"][start][word] for start, word in columns
    }
    for name, languages in content["sprachbunds"].items():
        for code in languages:
            pivot = "*" if code == content["pivots"][name] else ""
            rows.append((f"{name} {code}{pivot}", *(_cell(scores[column][code]) for column in columns)))
    means = [np.mean([*scores[column].values()], axis=0).tolist() for column in columns]
    rows.append(("mean", *map(_cell, means)))
    return Table(
        f"{content['metric']} on {content['split']}, %",
        ("language", *(f"{start}, {word}" for start, word in columns)),
        rows,
        "plain: starts from the encoder as it was; adapted: from its sprachbund's. all, pivot or a language: what the "
        "model was trained on. A star marks the pivot. The mean is over languages.",
        totals=1,
    )


def _tested(content: Mapping[str, Any]) -> list[Table]:
    """Lay out the tests; nothing for one seed."""
    rows = [
        (
            f"{test['on']}, {AVERAGES[test['average']]}",
            f"{100 * test['difference']:+.2f}",
            f"{test['p']:.4f}",
            f"{test['p_holm']:.4f}",
        )
        for test in content["tests"]
    ]
    if not rows:
        return []
    return [
        Table(
            f"adapted against plain, {content['metric']} on {content['split']}, points",
            ("trained on, average", "adapted - plain", "p", "p (Holm, all trained on)"),
            tuple(rows),
            f"Two-sided paired permutation test over texts, {content['permutations']} permutations, the answers of all "
            "seeds to a text swapped together.",
        )
    ]


def _cell(values: Sequence[float]) -> Cell:
    return share(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)
