"""What the service's answers look like on dev, per language that a text was taken for: drift is measured against it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from gradsim_runtime.predictor import Answer
from gradsim_shared.decoding import said

BINS = 10  # of the confidence


def baseline(answers: Sequence[Answer]) -> dict[str, Any] | None:
    """Return the manifest's ``baseline``; ``None`` where nothing was answered.

    Args:
        answers: To every dev text.
    """
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    bins: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for answer in answers:
        route = answer.route
        if route.language is None or route.confidence is None:
            continue
        labels[route.language].update(said(answer.decoded))
        bins[route.language][min(int(BINS * route.confidence), BINS - 1)] += 1
    if not bins:
        return None
    return {
        "predictions": {
            language: {label: count / found.total() for label, count in sorted(found.items())}
            for language, found in sorted(labels.items())
        },
        "confidence": {
            language: [found[number] / found.total() for number in range(BINS)]
            for language, found in sorted(bins.items())
        },
    }
