"""Entities as tags of words: IOB2, where B-X begins an entity of type X and I-X goes on with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"


def is_iob(labels: Sequence[str]) -> bool:
    """Say whether these labels mark entities: ``O``, and ``B-X`` or ``I-X`` for some types."""
    marked = [label for label in labels if label != OUTSIDE]
    return OUTSIDE in labels and bool(marked) and all(label[:2] in ("B-", "I-") and label[2:] for label in marked)


def entities(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield type, first word and the word behind the last of each entity; an I-X that continues none is no entity."""
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        if kind and tag == f"I-{kind}":
            continue
        if kind:
            yield kind, start, place
        kind, start = (tag[2:], place) if tag.startswith("B-") else ("", 0)


def best_tags(logits: NDArray[np.floating], labels: Sequence[str]) -> NDArray[np.intp]:
    """Return the likeliest tags that are IOB2: no I-X but behind B-X or I-X (Viterbi).

    Args:
        logits: ``[words, labels]``.
        labels: Names of the columns.

    Returns:
        Indices of labels, ``[words]``.
    """
    greedy = logits.argmax(axis=1)
    before, start = _allowed(tuple(labels))
    if not len(greedy) or (start[greedy[0]] and before[greedy[:-1], greedy[1:]].all()):
        return greedy  # the best of all is allowed
    forbidden = np.where(before.T, 0.0, -np.inf)  # [label, label before]
    score = np.where(start, logits[0].astype(np.float64), -np.inf)
    came_from = np.zeros(logits.shape, np.intp)
    for word in range(1, len(logits)):
        reached = forbidden + score
        came_from[word] = reached.argmax(axis=1)
        score = reached.max(axis=1) + logits[word]
    path = [int(score.argmax())]
    for word in range(len(logits) - 1, 0, -1):
        path.append(int(came_from[word, path[-1]]))
    return np.array(path[::-1], np.intp)


@cache
def _allowed(labels: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which label may follow which, ``[before, after]``, and which may come first, ``[labels]``."""
    start = np.array([not label.startswith("I-") for label in labels])
    after = [[not b.startswith("I-") or (a[2:] == b[2:] and a != OUTSIDE) for b in labels] for a in labels]
    return np.array(after), start
