"""Drift: how far recent predictions and identifier confidences are from those on the dev texts, by language."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily

BINS = 10
"""Equal bins of the identifier's confidence, 0 to 1."""

WINDOW = 1000
"""Latest predictions, for each language, that a distance rests on. One byte of memory each."""

_Z_999 = 3.0902
"""The 99.9 % quantile of the standard normal distribution."""


class Window:
    """A ring buffer of the latest answers for one language, as counts of classes. Thread-safe.

    Args:
        expected: Share of each class on dev, ``[classes]``; at most 255 classes.
        size: How many answers it remembers.
    """

    def __init__(self, expected: Sequence[float], size: int = WINDOW) -> None:
        total = sum(expected)
        self._expected = [share / total for share in expected]
        self._counts = [0] * len(expected)
        self._ring = bytearray(size)
        self._seen = 0
        self._lock = threading.Lock()

    def add(self, index: int, count: int = 1) -> None:
        """Remember that class ``index`` was answered, and forget the oldest answer when the window is full."""
        ring, counts = self._ring, self._counts
        size = len(ring)
        with self._lock:
            for _ in range(min(count, size)):
                place = self._seen % size
                if self._seen >= size:
                    counts[ring[place]] -= 1
                ring[place] = index
                counts[index] += 1
                self._seen += 1

    def distance(self, dev_texts: int) -> Distance:
        """Return how far the window is from what was expected."""
        with self._lock:
            counts, answers = list(self._counts), min(self._seen, len(self._ring))
        if not answers:
            return Distance(0.0, 0.0, 0)
        observed = [count / answers for count in counts]
        classes = sum(1 for share, count in zip(self._expected, counts, strict=True) if share or count)
        return Distance(divergence(observed, self._expected), chance(classes, answers, dev_texts), answers)


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance and what it rests on.

    Attributes:
        divergence: Jensen-Shannon divergence in bits, 0 (the same) to 1 (nothing in common).
        chance: What chance alone stays below, 999 times of 1000.
        answers: How many recent answers were compared.
    """

    divergence: float
    chance: float
    answers: int


def divergence(observed: Sequence[float], expected: Sequence[float]) -> float:
    """Return the Jensen-Shannon divergence of two distributions ``[classes]``, in bits (Lin 1991, eq. 3.1).

    Unlike the population stability index it stays finite where a class was never seen on dev.
    """
    total = 0.0
    for p, q in zip(observed, expected, strict=True):
        middle = (p + q) / 2
        total += (p * math.log2(p / middle) if p else 0.0) + (q * math.log2(q / middle) if q else 0.0)
    return max(0.0, total / 2)


def chance(classes: int, answers: int, dev_texts: int) -> float:
    """Return what the divergence of two samples of one distribution stays below, 999 times of 1000.

    For near distributions the divergence is chi-squared / (8 ln 2), and between samples of n and m it is
    (1/n + 1/m) / (8 ln 2) times a chi-squared variable with ``classes - 1`` degrees of freedom; its quantile is Wilson
    and Hilferty's approximation. The words of one text are not independent: for taggers the level is too low.
    """
    degrees = classes - 1
    if degrees < 1:
        return 0.0
    part = 2 / (9 * degrees)
    quantile = degrees * (1 - part + _Z_999 * math.sqrt(part)) ** 3
    return min(1.0, quantile * (1 / answers + 1 / max(dev_texts, 1)) / (8 * math.log(2)))


@dataclass(frozen=True, slots=True)
class _Watched:
    """The windows of one language at one endpoint."""

    dev_texts: int
    labels: Mapping[str, int] = field(default_factory=dict)
    predictions: Window | None = None
    confidence: Window | None = None


class Drift:
    """A Prometheus collector of the distances.

    A language that the baseline does not know is not watched. Memory: two windows for each language.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._watched: dict[tuple[str, str | None], _Watched] = {}

    def expect(
        self,
        endpoint: str,
        predictions: Mapping[str, Mapping[str, float]],
        confidence: Mapping[str, Sequence[float]],
        dev_texts: Mapping[str, int],
    ) -> None:
        """Watch an endpoint against the baseline of its bundle; windows of an earlier bundle are forgotten.

        Args:
            endpoint: Path of the bundle.
            predictions: Language -> label -> share of the answers on dev.
            confidence: Language -> share of dev texts in each of ten equal bins of the identifier's confidence.
            dev_texts: Language -> texts that the shares rest on.
        """
        watched = {key: value for key, value in self._watched.items() if key[0] != endpoint}
        for language in {*predictions, *confidence}:
            shares = dict(list(predictions.get(language, {}).items())[:254])
            bins = list(confidence.get(language, []))
            watched[endpoint, language] = _Watched(
                dev_texts.get(language, 0),
                {label: index for index, label in enumerate(shares)},
                Window([*shares.values(), 0.0], self._window) if sum(shares.values()) > 0 else None,  # last: others
                Window(bins, self._window) if len(bins) == BINS and sum(bins) > 0 else None,
            )
        self._watched = watched  # in one step: other threads read it

    def predicted(self, endpoint: str, language: str | None, label: str, count: int = 1) -> None:
        """Remember an answer."""
        watched = self._watched.get((endpoint, language))
        if watched is not None and watched.predictions is not None:
            watched.predictions.add(watched.labels.get(label, len(watched.labels)), count)

    def identified(self, endpoint: str, language: str | None, confidence: float) -> None:
        """Remember how sure the identifier was."""
        watched = self._watched.get((endpoint, language))
        if watched is not None and watched.confidence is not None:
            watched.confidence.add(bin_of(confidence))

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges, for Prometheus."""
        names = ["endpoint", "language", "of"]
        far = GaugeMetricFamily(
            "gradsim_drift", "Jensen-Shannon divergence (bits) between recent answers and dev.", labels=names
        )
        level = GaugeMetricFamily(
            "gradsim_drift_chance", "What chance alone keeps that below, 999 times of 1000.", labels=names
        )
        rests = GaugeMetricFamily("gradsim_drift_answers", "Recent answers that it rests on.", labels=names)
        for (endpoint, language), watched in sorted(self._watched.items(), key=str):
            for kind, window in (("predictions", watched.predictions), ("confidence", watched.confidence)):
                if window is None:
                    continue
                distance, labels = window.distance(watched.dev_texts), [endpoint, str(language), kind]
                far.add_metric(labels, distance.divergence)
                level.add_metric(labels, distance.chance)
                rests.add_metric(labels, distance.answers)
        return (far, level, rests)


def bin_of(confidence: float) -> int:
    """Return the bin of a confidence, 0 to 9; the last one holds 1.0."""
    return min(BINS - 1, max(0, int(confidence * BINS)))
