"""What seeing inside costs: CPU time of figures and of log for one request with one text, all threads together.

The baseline is the same figures in memory-mapped files, which is where prometheus_client keeps them when BentoML
names a directory to its workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _report import arguments, at_least, finish, in_words, interleaved, run, start, table

PART = "--part"
STAGES = {"identify": 1e-4, "tokenise": 1e-4, "queue": 5e-5, "run": 3e-3, "decode": 1e-4}  # seconds
HERE = "/sentiment"


def figures() -> Callable[[], None]:
    """Return what counts one request, as the engine and the HTTP side do."""
    from gradsim_serving.observing.metrics import Metrics
    from gradsim_shared.routing import Route

    metrics, route = Metrics(), Route("hau", 0.93, "g0", 0.4, "identified")

    def once() -> None:
        for name, seconds in STAGES.items():
            metrics.stage(HERE, name, seconds)
        metrics.queued(HERE, "g0", 1)
        metrics.queued(HERE, "g0", 0)
        metrics.batch(HERE, "g0", 1, 33, 40)
        metrics.routed(HERE, route)
        metrics.predicted(HERE, "hau", "positive")
        metrics.request(HERE, 200, None, 0.004)

    return once


def microseconds(part: str, requests: int) -> float:
    """Return the CPU time of one request."""
    from gradsim_serving.observing.log import Log, log_request

    with tempfile.TemporaryDirectory() as folder:
        log, once = Log(Path(folder) / "log", waiting_lines=requests + 1), figures()
        line = {"endpoint": HERE, "status": 200, "code": None, "texts": 1, "seconds": 4e-3, "groups": ("g0",)}
        log.listen()
        log.start()
        call = (lambda: log_request(request_id="5f1c9a70b2de4c11", stages=STAGES, **line)) if part == "log" else once
        call()
        begin = time.process_time()
        for _ in range(requests):
            call()
        log.close(60)  # writes what waits
        return (time.process_time() - begin) / requests * 1e6


def main() -> None:
    """Measure each part in processes of its own, in turns, and print a table."""
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=at_least(1), default=5)
    parser.add_argument("--requests", type=at_least(1), default=20_000, help="in each repeat")
    parser.add_argument(PART, help="only measure that, and print microseconds")
    options = parser.parse_args()
    if options.part:
        print(microseconds(options.part, options.requests))
        return
    content = start()
    by_part: dict[str, list[float]] = {"figures, memory-mapped": [], "figures": [], "log": []}
    for _, part in interleaved(list(by_part), options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            more = {"PROMETHEUS_MULTIPROC_DIR": folder} if part == "figures, memory-mapped" else {}
            command = [sys.executable, __file__, PART, part, "--requests", str(options.requests)]
            done = subprocess.run(command, env={**os.environ, **more}, check=True, capture_output=True, text=True)
            by_part[part].append(float(done.stdout))
    table(
        ("part", "microseconds of CPU per request"),
        [(part, in_words(times, 1)) for part, times in by_part.items()],
    )
    finish(options.json, {**content, "microseconds": by_part})


if __name__ == "__main__":
    run(main)
