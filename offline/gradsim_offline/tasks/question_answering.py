"""The answer to a question is a span of a context: where it starts, and where it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gradsim_offline.core.answer_match import exact_match, f1
from gradsim_offline.core.dataset import QuestionExample, RightAnswers
from gradsim_offline.models.loading import labelled_model
from gradsim_offline.training.batching import Row, halves, pad
from gradsim_offline.training.task import Task
from gradsim_shared.decode import question_answering as decoder
from gradsim_shared.decoding import Reader

_NOWHERE = 0  # the token that stands for no answer in a window
_WHOLE = 10**9  # an F1 of 1 where it is counted: whole numbers add up exactly


def encode(
    reader: Reader,
    examples: Sequence[QuestionExample],
    labels: Sequence[str],  # noqa: ARG001
    *,
    language: int,
    seed: int,
) -> list[Row]:
    """Tokenise a language's questions, one row for each window, with the tokens where the answer starts and ends.

    A window that does not hold the whole answer has the first token for both. Each question is put into one of two
    halves at random; of several right answers the first is learnt.
    """
    sides = halves(len(examples), language=language, seed=seed)
    reading = reader.read([example.text for example in examples])
    rows = []
    for layout, example, half in zip(reading.layout, examples, sides, strict=True):
        end = example.starts[0] + len(example.answers[0])
        for piece, places in zip(layout.pieces, _places(layout, example.starts[0], end), strict=True):
            rows.append(Row(tuple(reading.ids[piece.number]), places, language, half))
    return rows


def _places(layout: decoder.Layout, start: int, end: int) -> list[tuple[int, int]]:
    """Return the first and the last token of a span of the context in each window that holds all of it."""
    tokens = [
        np.flatnonzero((piece.characters[:, 1] >= start) & (piece.characters[:, 0] < end)) for piece in layout.pieces
    ]
    reach = [
        (int(piece.characters[inside[0], 0]), int(piece.characters[inside[-1], 1])) if len(inside) else None
        for piece, inside in zip(layout.pieces, tokens, strict=True)
    ]
    there = [each for each in reach if each is not None]
    whole = (min(first for first, _ in there), max(last for _, last in there)) if there else None
    return [
        (int(piece.positions[inside[0]]), int(piece.positions[inside[-1]]))
        if each is not None and each == whole
        else (_NOWHERE, _NOWHERE)
        for piece, inside, each in zip(layout.pieces, tokens, reach, strict=True)
    ]


def collate(rows: Sequence[Row], pad_id: int) -> Callable[[Sequence[int], int, int], dict[str, Tensor]]:
    """Return the function that lays out a batch with first and last token of each answer, ``[batch, 2]``."""

    def lay_out(indices: Sequence[int], _epoch: int, _step: int) -> dict[str, Tensor]:
        chosen = [rows[i] for i in indices]
        return {**pad([row.ids for row in chosen], pad_id), "labels": torch.tensor([row.labels for row in chosen])}

    return lay_out


def span_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross entropy of starts and ends: each is one of a window's tokens.

    Args:
        logits: ``[batch, tokens, 2]``.
        labels: First and last token of the answer, ``[batch, 2]``.
        mask: 0 for padding, ``[batch, tokens]``.
    """
    return F.cross_entropy(logits.float().masked_fill(mask[..., None] == 0, -torch.inf), labels)


def load_model(path: str | Path, labels: Sequence[str], *, new_head: bool = False) -> nn.Module:
    """Load a model that gives each token a logit as start and one as end, with the loss of spans.

    It is a token classifier whose class is derived once more, so that its output has this loss.

    Raises:
        ModelError: It is nowhere to be found, or has no such head.
    """
    model = labelled_model("AutoModelForTokenClassification", path, labels, new_head=new_head)
    kind = type(model)

    @wraps(kind.forward)
    def forward(self: nn.Module, *arguments: Any, labels: Tensor | None = None, **named: Any) -> Any:  # noqa: ANN401
        output = kind.forward(self, *arguments, **named)
        if labels is not None:
            output.loss = span_loss(output.logits, labels, named["attention_mask"])
        return output

    own = {"forward": forward, "__module__": kind.__module__, "__doc__": kind.__doc__}
    model.__class__ = type(kind.__name__, (kind,), own)
    return model


def metric(_labels: Sequence[str]) -> str:
    """Name the figure that epochs, groups and methods are judged by."""
    return "f1"


def scores(gold: Sequence[RightAnswers], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Return the mean F1 of the answers' words and the share of answers that match, 0 to 1."""
    matched = [exact_match(right.texts, answer, right.language) for right, answer in zip(gold, predicted, strict=True)]
    counts = statistics(gold, predicted, labels)
    return {
        "f1": float(metric_from(counts.sum(axis=0), labels)),
        "exact_match": float(np.mean(matched)) if matched else 0.0,
    }


def statistics(gold: Sequence[RightAnswers], predicted: Sequence[str], _labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the F1 of each answer in billionths, and 1, ``[questions, 2]``; sums go to ``metric_from``."""
    found = [f1(right.texts, answer, right.language) for right, answer in zip(gold, predicted, strict=True)]
    return np.array([(round(_WHOLE * each), 1) for each in found], np.int64).reshape(-1, 2)


def metric_from(sums: NDArray[Any], _labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean F1 of summed ``statistics``, ``[..., 2]`` to ``[...]``, as ``scores`` does; 0 for none at all."""
    return np.asarray(sums[..., 0] / (_WHOLE * np.maximum(sums[..., 1], 1)))


def pairs(
    _gold: Sequence[RightAnswers], _predicted: Sequence[str], _labels: Sequence[str]
) -> Iterable[tuple[str, str]]:
    """Return nothing: answers are not of a few kinds that could be counted."""
    return ()


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
