"""The engine without HTTP beside a bare loop over the same texts, and what it costs to divide batches by length.

python bench/engine.py runs/demo/bundle texts.txt --repeats 5

TEXTS has one text a line. CPU time is the process's, in microseconds per text: it says more than wall time where others
use the machine, too.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import _report

from gradsim_serving.app import create_engine
from gradsim_serving.engine.engine import Engine
from gradsim_serving.options import Options

SHAPES = ((1, 1), (8, 1), (32, 1), (8, 16))
"""Callers at the same time, and texts of each request."""

Trial = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--repeats", type=_report.at_least(1), default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=_report.at_least(1), default=2)
    arguments = parser.parse_args()
    content = _report.start()
    texts = [line for line in arguments.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    life, engine = create_engine([arguments.bundle], Options(threads=arguments.threads, check_given=0.0))
    engine.start()
    life.load()
    found: dict[str, list[Trial]] = {}
    for _ in range(arguments.repeats):  # interleaved: what else runs on the machine meets all of them
        found.setdefault("bare loop, batches of 32", []).append(_bare(engine, texts, arguments.seconds))
        for callers, size in SHAPES:
            trial = asyncio.run(_closed(engine, texts, callers, size, arguments.seconds))
            found.setdefault(f"{callers} callers, {size} texts each", []).append(trial)
    figures = ("texts/s", "cpu us", "p50 ms", "p99 ms", "outside p50 ms")
    medians = {
        name: {figure: statistics.median(trial[figure] for trial in trials) for figure in trials[0]}
        for name, trials in found.items()
    }
    rows = [
        [name, *(f"{of[figure]:.2f}" if figure in of else "" for figure in figures)] for name, of in medians.items()
    ]
    _report.table(["medians", *figures], rows)
    _report.finish(arguments.json, content | {"trials": found})


async def _closed(engine: Engine, texts: Sequence[str], callers: int, size: int, seconds: float) -> Trial:
    """Let callers ask one request after the other; ``outside`` is what a request waits beside model and tokenizer."""
    (endpoint,) = engine.served
    waiting = itertools.cycle(texts)
    end = time.monotonic() + seconds
    milliseconds: list[float] = []
    outside: list[float] = []

    async def ask() -> None:
        while time.monotonic() < end:
            begin = time.perf_counter()
            answers = await engine.answer(endpoint, [next(waiting) for _ in range(size)], None, deadline=end + 60)
            whole = time.perf_counter() - begin
            milliseconds.append(whole * 1000)
            outside.append((whole - answers.seconds["run"] - answers.seconds["tokenise"]) * 1000)

    async def all_callers() -> int:
        await asyncio.gather(*(ask() for _ in range(callers)))
        return len(milliseconds) * size

    wall, cpu = time.perf_counter(), time.process_time()
    count = await all_callers()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    ordered = sorted(milliseconds)
    return {
        "texts/s": count / wall,
        "cpu us": cpu / count * 1e6,
        "p50 ms": ordered[len(ordered) // 2],
        "p99 ms": ordered[int(len(ordered) * 0.99)],
        "outside p50 ms": statistics.median(outside),
    }


def _bare(engine: Engine, texts: Sequence[str], seconds: float) -> Trial:
    """Answer in a loop, without engine: routes are known, batches hold 32 texts of one group."""
    (served,) = engine.served.values()
    by_group: dict[str, list[str]] = {}
    for text, identification in zip(texts, served.identifier.identify(texts), strict=True):
        by_group.setdefault(served.router.identified(text, identification, "best").group, []).append(text)
    work: list[Callable[[], object]] = []
    sizes: list[int] = []
    for group, mine in by_group.items():
        for first in range(0, len(mine), 32):
            batch = mine[first : first + 32]
            work.append(lambda model=served.models[group], batch=batch: model.answers(batch))  # type: ignore[misc]
            sizes.append(len(batch))
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    for run, size in itertools.cycle(zip(work, sizes, strict=True)):
        run()
        count += size
        if time.perf_counter() - wall > seconds:
            break
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"texts/s": count / wall, "cpu us": cpu / count * 1e6}


if __name__ == "__main__":
    _report.run(main)
