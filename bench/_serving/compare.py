"""The comparison: every system under the same loads, in turns, with medians and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import _report

from _serving import systems, traffic
from _serving.load import Outcome
from _serving.systems import Running, System

CHECKED = 64
"""Texts on which the systems' labels are compared before anything is timed."""


@dataclass(frozen=True)
class Shape:
    """One kind of load: ``clients`` of a closed loop, or ``rate`` requests a second of an open one."""

    texts: int
    clients: int = 0
    rate: float | None = None

    def __str__(self) -> str:
        """Name it in a table."""
        loop = f"c = {self.clients}" if self.rate is None else f"open loop, {self.rate:g} requests/s"
        return f"{loop}, {self.texts} texts a request"


@dataclass(frozen=True)
class Timing:
    """How long each measurement takes, and how often it is repeated."""

    seconds: float
    warm_up: float
    repeats: int


def compare(
    chosen: Sequence[System], shapes: Sequence[Shape], texts: Sequence[str], timing: Timing, scratch: Path
) -> dict[str, Any]:
    """Start all systems, load them in turns, print a table for each shape, and return every figure."""
    with ExitStack() as stack:
        up: dict[str, Running] = {}
        for system in chosen:
            up[system.name] = stack.enter_context(systems.running(system))
            up[system.name].freeze()
            print(f"started {system.name}", flush=True)
        agreement = _agreement(up, texts[:CHECKED])
        print("labels that agree with those of the first: " + ", ".join(f"{n} {v:.3f}" for n, v in agreement.items()))
        content: dict[str, Any] = {"agreement": agreement, "shapes": []}
        for shape in shapes:
            bodies = traffic.write_bodies(texts, shape.texts, scratch / "bodies.jsonl")
            outcomes = measure(up, shape, bodies, timing)
            show(shape, outcomes)
            content["shapes"].append(
                {"shape": asdict(shape), "runs": {n: [asdict(o) for o in v] for n, v in outcomes.items()}}
            )
    return content


def measure(up: Mapping[str, Running], shape: Shape, bodies: Path, timing: Timing) -> dict[str, list[Outcome]]:
    """Load each system in turns; the others stand still meanwhile."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in up}
    for repeat, name in _report.interleaved(list(up), timing.repeats):
        up[name].thaw()
        try:
            outcomes[name].append(
                systems.send(
                    up[name],
                    bodies,
                    shape.texts,
                    clients=shape.clients,
                    rate=shape.rate,
                    seconds=timing.seconds,
                    warm_up=timing.warm_up,
                    seed=repeat,
                )
            )
        finally:
            up[name].freeze()
    return outcomes


def show(shape: Shape, by_system: Mapping[str, Sequence[Outcome]]) -> None:
    """Print a table: throughput, ratio of the first system to each, latencies, what was not answered with 200."""
    first = next(iter(by_system.values()))
    rows = []
    for name, outcomes in by_system.items():
        speeds = [outcome.texts_per_second for outcome in outcomes]
        pairs = [outcome.texts_per_second / other for outcome, other in zip(first, speeds, strict=True) if other]
        rows.append(
            [
                name,
                _report.in_words(speeds, 0),
                _report.in_words(pairs, 2) if pairs else "-",
                *(_middle([getattr(outcome, part) for outcome in outcomes], 1) for part in ("p50", "p99")),
                sum(count for outcome in outcomes for status, count in outcome.statuses.items() if status != 200),
                f"{statistics.median(outcome.load_cores for outcome in outcomes):.2f}",
            ]
        )
    print(f"\n{shape}")
    head = ["system", "texts/s", "first / this", "p50 ms", "p99 ms", "not 200", "load, cores"]
    _report.table(head, rows)


def _middle(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.{digits}f}" if known else "-"


def _agreement(up: Mapping[str, Running], texts: Sequence[str]) -> dict[str, float]:
    """Return the share of texts to which each system gives the label that the first gives."""
    labels: dict[str, list[str]] = {}
    for name, running in up.items():
        running.thaw()
        labels[name] = [found["label"] for text in texts for found in running.ask([text])]
        running.freeze()
    first = next(iter(labels.values()))
    return {name: statistics.mean(a == b for a, b in zip(first, found, strict=True)) for name, found in labels.items()}
