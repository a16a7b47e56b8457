"""Several labels per text, or none, such as its topics or emotions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradsim_offline.core.dataset import MultiLabelExample
from gradsim_offline.models.loading import labelled_model
from gradsim_offline.training.batching import Row, halves, pad
from gradsim_offline.training.task import Task
from gradsim_shared.decode import multi_label_classification as decoder
from gradsim_shared.decoding import Reader
from gradsim_shared.iob import OUTSIDE

Labels = Sequence[str]


def encode(
    reader: Reader, examples: Sequence[MultiLabelExample], labels: Labels, *, language: int, seed: int
) -> list[Row]:
    """Tokenise a language's examples, one row each, with 0 or 1 for each label; each is put into one of two halves."""
    sides = halves(len(examples), language=language, seed=seed)
    ids = reader.read([example.text for example in examples]).ids
    flags = _flags([example.labels for example in examples], labels).tolist()
    return [
        Row(tuple(text_ids), tuple(of_text), language, half)
        for text_ids, of_text, half in zip(ids, flags, sides, strict=True)
    ]


def collate(rows: Sequence[Row], pad_id: int) -> Callable[[Sequence[int], int, int], dict[str, Tensor]]:
    """Return the function that lays out a batch with its labels, 0.0 or 1.0, ``[batch, labels]``."""

    def lay_out(indices: Sequence[int], _epoch: int, _step: int) -> dict[str, Tensor]:
        chosen = [rows[i] for i in indices]
        labels = torch.tensor([row.labels for row in chosen], dtype=torch.float32)
        return {**pad([row.ids for row in chosen], pad_id), "labels": labels}

    return lay_out


def metric(_labels: Labels) -> str:
    """Name the figure that epochs, groups and methods are judged by: every label counts alike, however rare."""
    return "macro_f1"


def scores(gold: Sequence[Labels], predicted: Sequence[Labels], labels: Labels) -> dict[str, float]:
    """Return macro F1 (a label that is nowhere counts as 0), micro F1, and the share of texts with all labels right."""
    counts = statistics(gold, predicted, labels)
    right, answered, true = counts.reshape(-1, 3, len(labels)).sum(axis=0)
    exact = [set(one) == set(other) for one, other in zip(gold, predicted, strict=True)]
    return {
        "macro_f1": float(metric_from(counts.sum(axis=0), labels)),
        "micro_f1": float(2 * right.sum() / max(answered.sum() + true.sum(), 1)),
        "accuracy": float(np.mean(exact)) if exact else 0.0,
    }


def statistics(gold: Sequence[Labels], predicted: Sequence[Labels], labels: Labels) -> NDArray[np.int64]:
    """Return what each text adds to the counts that the metric is made of, ``[texts, 3 * labels]``.

    Per label: was it right, was it answered, was it gold. Sums over any texts go to ``metric_from``.
    """
    true, answered = _flags(gold, labels), _flags(predicted, labels)
    return np.concatenate([true * answered, answered, true], axis=1)


def metric_from(sums: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Return the macro F1 of summed ``statistics``, ``[..., 3 * labels]`` to ``[...]``, as ``scores`` does."""
    right, answered, true = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, len(labels)), -2, 0)
    return np.asarray((2 * right / np.maximum(answered + true, 1)).mean(axis=-1))


def pairs(gold: Sequence[Labels], predicted: Sequence[Labels], _labels: Labels) -> Iterator[tuple[str, str]]:
    """Yield each label of a text with itself where it was answered; ``O`` stands for none."""
    for true, answered in zip(gold, predicted, strict=True):
        for label in dict.fromkeys((*true, *answered)):
            yield (label if label in true else OUTSIDE), (label if label in answered else OUTSIDE)


def tune(chances: NDArray[np.float64], gold: Sequence[Labels], labels: Labels) -> list[float]:
    """Return the threshold of each label that has the highest F1 on some texts, of equal ones the nearest to 0.5.

    Args:
        chances: Probability of each label, ``[texts, labels]``.
        gold: Labels of each text; a label that none has keeps 0.5.
        labels: In their order.
    """
    flags = _flags(gold, labels).astype(bool)
    return [_best_threshold(of_label, flags[:, i]) for i, of_label in enumerate(chances.T)]


def _best_threshold(chances: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    if not true.any():
        return decoder.UNTUNED
    order = np.argsort(-chances, kind="stable")
    ranked = chances[order]
    found = np.cumsum(true[order])  # right answers, where the first 1, 2, ... texts are answered with the label
    f1 = 2 * found / (np.arange(1, len(true) + 1) + true.sum())
    between = (ranked + np.append(ranked[1:], 0.0)) / 2
    apart = (between < ranked) & (between > 0)  # texts of one probability are not told apart
    best = between[apart & (f1 >= f1[apart].max(initial=0.0))] if apart.any() else np.array([decoder.UNTUNED])
    return float(min(best, key=lambda threshold: abs(threshold - decoder.UNTUNED)))


def _flags(golds: Sequence[Labels], labels: Labels) -> NDArray[np.int64]:
    """Return 0 or 1 for each label of each text, ``[texts, labels]``."""
    index = {label: i for i, label in enumerate(labels)}
    flags = np.zeros((len(golds), len(labels)), np.int64)
    for row, gold in enumerate(golds):
        flags[row, [index[label] for label in gold]] = 1
    return flags


load_model = partial(labelled_model, "AutoModelForSequenceClassification", problem_type="multi_label_classification")

PLUGIN = Task(
    decoder=decoder,
    export_task="text-classification",
    load_model=load_model,
    encode=encode,
    collate=collate,
    metric=metric,
    scores=scores,
    statistics=statistics,
    metric_from=metric_from,
    pairs=pairs,
    tune=tune,
)
