"""A tag for each word: named entities where the tags are IOB2, else parts of speech."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradsim_offline.core.dataset import TaggedSentence
from gradsim_offline.models.loading import labelled_model
from gradsim_offline.training.batching import IGNORED, Row, halves, pad
from gradsim_offline.training.task import Task
from gradsim_shared.decode import token_classification as decoder
from gradsim_shared.decoding import Reader
from gradsim_shared.iob import OUTSIDE, entities, is_iob


def encode(
    reader: Reader, examples: Sequence[TaggedSentence], labels: Sequence[str], *, language: int, seed: int
) -> list[Row]:
    """Tokenise a language's sentences, one row for each window; a word's tag stands at its first subword.

    Each sentence is put into one of two halves at random. A window in which no word is judged is left out.
    """
    index = {label: i for i, label in enumerate(labels)}
    sides = halves(len(examples), language=language, seed=seed)
    reading = reader.read([example.words for example in examples])
    rows = []
    for layout, example, half in zip(reading.layout, examples, sides, strict=True):
        for piece in layout.pieces:
            ids = reading.ids[piece.number]
            tags = np.full(len(ids), IGNORED)
            tags[piece.positions] = [index[example.tags[word]] for word in piece.words]
            if len(piece.words):
                rows.append(Row(tuple(ids), tuple(tags.tolist()), language, half))
    return rows


def collate(rows: Sequence[Row], pad_id: int) -> Callable[[Sequence[int], int, int], dict[str, Tensor]]:
    """Return the function that lays out a batch with its labels, ``[batch, tokens]``."""

    def lay_out(indices: Sequence[int], _epoch: int, _step: int) -> dict[str, Tensor]:
        chosen = [rows[i] for i in indices]
        batch = pad([row.ids for row in chosen], pad_id)
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for i, row in enumerate(chosen):
            labels[i, : len(row.labels)] = torch.tensor(row.labels)
        return {**batch, "labels": labels}

    return lay_out


def metric(labels: Sequence[str]) -> str:
    """Name the figure that epochs, groups and methods are judged by: the paper's."""
    return "entity_f1" if is_iob(labels) else "accuracy"


def scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], labels: Sequence[str]
) -> dict[str, float]:
    """Return the metric, 0 to 1, and its companions.

    For entities micro F1, precision and recall over whole entities (type and both ends must agree: what seqeval calls
    strict, with IOB2); for parts of speech the share of words that are right. Both: ``accuracy`` over words.
    """
    sums = statistics(gold, predicted, labels).sum(axis=0)
    words = sum(map(len, gold))
    right = sum(count for count, _ in map(_word_counts, gold, predicted))
    accuracy = right / max(words, 1)
    if not is_iob(labels):
        return {"accuracy": accuracy}
    both, answered, true = sums.tolist()
    return {
        "entity_f1": float(metric_from(sums, labels)),
        "precision": both / max(answered, 1),
        "recall": both / max(true, 1),
        "accuracy": accuracy,
    }


def statistics(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Return what each sentence adds to the counts that the metric is made of.

    For entities ``[sentences, 3]``: found, answered, gold; for parts of speech ``[sentences, 2]``: right words, words.
    Sums over any sentences go to ``metric_from``.
    """
    count = _entity_counts if is_iob(labels) else _word_counts
    width = 3 if is_iob(labels) else 2
    rows = [count(tags, answer) for tags, answer in zip(gold, predicted, strict=True)]
    return np.array(rows, np.int64).reshape(-1, width)


def metric_from(sums: NDArray[Any], labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the metric of summed ``statistics``, ``[..., S]`` to ``[...]``, as ``scores`` does; 0 for none at all."""
    if is_iob(labels):
        return np.asarray(2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1))
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))


def _entity_counts(gold: Sequence[str], predicted: Sequence[str]) -> tuple[int, int, int]:
    true, answered = set(entities(gold)), set(entities(predicted))
    return len(true & answered), len(answered), len(true)


def _word_counts(gold: Sequence[str], predicted: Sequence[str]) -> tuple[int, int]:
    return sum(a == b for a, b in zip(gold, predicted, strict=True)), len(gold)


def pairs(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], labels: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield gold and answered tag of each word; of entities the types of those with the same ends, ``O`` for none."""
    for tags, answer in zip(gold, predicted, strict=True):
        if not is_iob(labels):
            yield from zip(tags, answer, strict=True)
            continue
        true, answered = ({(a, b): kind for kind, a, b in entities(each)} for each in (tags, answer))
        for ends in true | answered:
            yield true.get(ends, OUTSIDE), answered.get(ends, OUTSIDE)


load_model = partial(labelled_model, "AutoModelForTokenClassification")

PLUGIN = Task(
    decoder=decoder,
    export_task="token-classification",
    load_model=load_model,
    encode=encode,
    collate=collate,
    metric=metric,
    scores=scores,
    statistics=statistics,
    metric_from=metric_from,
    pairs=pairs,
)
