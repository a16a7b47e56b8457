"""One label per text, such as its sentiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradsim_offline.core.dataset import Example
from gradsim_offline.models.loading import labelled_model
from gradsim_offline.training.batching import Row, halves, pad
from gradsim_offline.training.task import Task
from gradsim_shared.decode import text_classification as decoder
from gradsim_shared.decoding import Reader


def encode(
    reader: Reader, examples: Sequence[Example], labels: Sequence[str], *, language: int, seed: int
) -> list[Row]:
    """Tokenise a language's examples, one row each; each is put into one of two halves at random."""
    index = {label: i for i, label in enumerate(labels)}
    sides = halves(len(examples), language=language, seed=seed)
    ids = reader.read([example.text for example in examples]).ids
    return [
        Row(tuple(text_ids), (index[example.label],), language, half)
        for text_ids, example, half in zip(ids, examples, sides, strict=True)
    ]


def collate(rows: Sequence[Row], pad_id: int) -> Callable[[Sequence[int], int, int], dict[str, Tensor]]:
    """Return the function that lays out a batch with its labels, ``[batch]``."""

    def lay_out(indices: Sequence[int], _epoch: int, _step: int) -> dict[str, Tensor]:
        chosen = [rows[i] for i in indices]
        labels = torch.tensor([row.labels[0] for row in chosen])
        return {**pad([row.ids for row in chosen], pad_id), "labels": labels}

    return lay_out


def metric(_labels: Sequence[str]) -> str:
    """Name the figure that epochs, groups and methods are judged by: the paper's."""
    return "weighted_f1"


def scores(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Return weighted F1 (the paper's), macro F1 and accuracy, 0 to 1."""
    sums = statistics(gold, predicted, labels).sum(axis=0)
    right, f1, _ = _right_f1_true(sums, len(labels))
    return {
        "weighted_f1": float(metric_from(sums, labels)),
        "macro_f1": float(f1.mean()),
        "accuracy": float(right.sum() / max(1, len(gold))),
    }


def statistics(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Return what each text adds to the counts that the metric is made of, ``[texts, 3 * labels]``.

    Per label: was it right, was it predicted, was it gold. Sums over any texts go to ``metric_from``. An answer that is
    no label, as of a text that a service refused, is wrong.
    """
    index = {label: i for i, label in enumerate(labels)}
    rows = np.eye(len(labels) + 1, len(labels), dtype=np.int64)  # the last: none
    true, answered = (rows[[index.get(label, -1) for label in some]] for some in (gold, predicted))  # [texts, labels]
    return np.concatenate([true * answered, answered, true], axis=1)


def metric_from(sums: NDArray[Any], labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the weighted F1 of summed ``statistics``, ``[..., 3 * labels]`` to ``[...]``, as ``scores`` does."""
    _, f1, true = _right_f1_true(sums, len(labels))
    weighted: NDArray[np.float64] = (f1 * true).sum(axis=-1) / np.maximum(true.sum(axis=-1), 1)
    return weighted


def _right_f1_true(sums: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[Any]]:
    """Return of each of ``count`` labels how often it was right, its F1, and how often it was gold."""
    right, answered, true = (sums[..., i * count : (i + 1) * count] for i in range(3))
    return right, 2 * right / np.maximum(answered + true, 1), true  # a label that is nowhere: 0, and it weighs nothing


def pairs(gold: Sequence[str], predicted: Sequence[str], _labels: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Return the gold and the answered label of each text."""
    return zip(gold, predicted, strict=True)


load_model = partial(labelled_model, "AutoModelForSequenceClassification")

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
)
