"""What the service's answers look like on dev, per language that a text was taken for: drift is measured against it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from gradsim_shared.decoding import Decoded, said
from gradsim_shared.routing import Route

BINS = 10  # of the confidence


def baseline(answers: Sequence[tuple[Route, Decoded]]) -> dict[str, Any] | None:
    """Return the manifest's ``baseline``; ``None`` where nothing was answered.

    Args:
        answers: The route of every dev text, and what was decoded.
    """
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    bins: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for route, decoded in answers:
        if route.language is None or route.confidence is None:
            continue
        labels[route.language].update(said(decoded))
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
