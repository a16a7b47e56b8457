"""Trials of our service alone: soak, overload, and the time of everything but the model."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import _report

from _serving import systems, traffic
from _serving.load import UNSENT, Outcome
from _serving.systems import Running, System

CLIENTS = 32
SOAK_SHARE = 0.8
"""Of capacity."""
WATCH_SECONDS = 10
"""Between two looks at the memory."""
NOT_ROUTING = {"run", "tokenise"}
"""Stages that are no part of routing: the model's own."""

_STAGE = re.compile(r'gradsim_stage_seconds_(sum|count)\{[^}]*stage="(\w+)"[^}]*\} (\S+)')


def latencies(outcome: Outcome) -> str:
    """Name median and tail of the answers."""
    return f"p50 {outcome.p50 or 0:.1f} ms, p99 {outcome.p99 or 0:.1f} ms"


def capacity(to: Running, bodies: Path, seconds: float, warm_up: float) -> float:
    """Return the requests of one text a second that the service answers to 32 clients."""
    return systems.send(to, bodies, 1, clients=CLIENTS, rate=None, seconds=seconds, warm_up=warm_up).texts_per_second


def soak(system: System, texts: Sequence[str], minutes: float, seconds: float, scratch: Path) -> dict[str, Any]:
    """Load the service for minutes at 80 % of its capacity; print memory, every ten seconds, and errors."""
    bodies = traffic.write_bodies(texts, 1, scratch / "bodies.jsonl")
    with systems.running(system) as up:
        most = capacity(up, bodies, seconds, seconds / 2)
        memory: list[float] = []
        done = threading.Event()

        def watch() -> None:
            while not done.wait(WATCH_SECONDS):
                memory.append(up.memory_mb())
                print(f"after {WATCH_SECONDS * len(memory):4d} s: {memory[-1]:.1f} MB resident", flush=True)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            outcome = systems.send(
                up, bodies, 1, clients=0, rate=SOAK_SHARE * most, seconds=60 * minutes + 1, warm_up=0.0
            )
        finally:
            done.set()
            watching.join()
    each_minute = [mean(memory[first : first + 6]) for first in range(0, len(memory) - 5, 6)]
    rows = [[minute, f"{megabytes:.1f}"] for minute, megabytes in enumerate(each_minute, 1)] or [["-", "-"]]
    print(f"\nsoak of {system.name}: {SOAK_SHARE:.0%} of {most:.0f} requests/s for {minutes:g} minutes")
    _report.table(["minute", "mean resident MB"], rows)
    growth = each_minute[-1] / each_minute[1] - 1 if len(each_minute) > 2 else float("nan")
    errors = sum(count for status, count in outcome.statuses.items() if status != 200)
    print(f"answers by status: {outcome.statuses}; {latencies(outcome)}")
    print(f"errors: {errors}; memory of the last minute against the second: {growth:+.2%} (at most +3 %)")
    return {"system": system.name, "capacity": most, "memory_mb": memory, "growth": growth, "outcome": asdict(outcome)}


def overload(system: System, texts: Sequence[str], factor: float, seconds: float, scratch: Path) -> dict[str, Any]:
    """Send ``factor`` times what the service can answer; every request must be answered all the same."""
    bodies = traffic.write_bodies(texts, 1, scratch / "bodies.jsonl")
    with systems.running(system) as up:
        most = capacity(up, bodies, seconds, seconds / 2)
        refused = _never_accepted()
        outcome = systems.send(
            up, bodies, 1, clients=0, rate=factor * most, seconds=seconds, warm_up=0.0, patience=300.0
        )
        refused = _never_accepted() - refused
        after = capacity(up, bodies, seconds, seconds / 2)
    unsent = outcome.statuses.pop(UNSENT, 0)
    sent = sum(outcome.statuses.values())
    print(
        f"\noverload of {system.name}: {factor:g} times {most:.0f} requests/s for {seconds:g} s: {sent} requests, "
        f"{unsent} never sent"
    )
    named = {0: "lost", 200: "answered", 429: "told to come again", 503: "not ready", 504: "too late"}
    rows = [
        [f"{status} {named.get(status, '')}", count, f"{count / sent:.1%}"]
        for status, count in outcome.statuses.items()
    ]
    _report.table(["status", "requests", "share"], rows)
    odd = sum(count for status, count in outcome.statuses.items() if status not in (200, 429, 503))
    print(f"reset before the service accepted them (the kernel's queue was full): {refused}")
    print(f"neither 200, 429 nor 503: {odd}; answered texts/s during {outcome.texts_per_second:.0f}, after {after:.0f}")
    print(f"{latencies(outcome)}; load {outcome.load_cores:.2f} cores, late {outcome.late:.1f} ms")
    return {"system": system.name, "capacity": most, "after": after, "outcome": asdict(outcome)}


def _never_accepted() -> int:
    """Return how many connections of this machine were reset since its start: what the service accepts, it answers."""
    lines = Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index("EstabResets")])


def routing(system: System, texts: Sequence[str], seconds: float, scratch: Path) -> dict[str, Any]:
    """Print the mean time of each stage at one client, as the service's own metrics have it."""
    bodies = traffic.write_bodies(texts, 1, scratch / "bodies.jsonl")
    with systems.running(system) as up:
        systems.send(up, bodies, 1, clients=1, rate=None, seconds=seconds, warm_up=0.0)
        before = _stages(up)
        outcome = systems.send(up, bodies, 1, clients=1, rate=None, seconds=seconds, warm_up=0.0)
        time.sleep(0.2)
        after = _stages(up)
    spent = {key: after[key] - before.get(key, 0.0) for key in after}
    stages = sorted({stage for _, stage in spent})
    means = {stage: 1000 * spent["sum", stage] / max(1.0, spent["count", stage]) for stage in stages}
    print(f"\nrouting in {system.name}: one client, one text a request")
    print(f"{outcome.texts_per_second:.0f} requests/s, {latencies(outcome)}")
    _report.table(["stage", "mean ms"], [[stage, f"{value:.3f}"] for stage, value in means.items()])
    total = sum(value for stage, value in means.items() if stage not in NOT_ROUTING)
    print(f"all but {' and '.join(sorted(NOT_ROUTING))}: {total:.3f} ms (at most 1 ms)")
    return {"system": system.name, "milliseconds": means, "routing_milliseconds": total, "outcome": asdict(outcome)}


def _stages(up: Running) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for kind, stage, value in _STAGE.findall(up.get("/metrics")):
        found[kind, stage] += float(value)  # type: ignore[assignment] - seconds
    return found
