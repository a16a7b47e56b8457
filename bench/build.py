"""What a whole build costs: wall time, peak memory and seconds per stage of ``gradsim-offline build``; and its scores.

The build runs as a process of its own in a fresh run directory. Every fifth of a second the resident memory of its
whole process tree is added up (pages that processes share count more than once, so the sum is on the safe side); the
largest single process is what the kernel itself recorded.

    python bench/build.py --data afrisenti --recipe mini
    python bench/build.py --data demo -- --groups 3
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _report

from gradsim_shared.bundle import read_manifest
from gradsim_shared.manifest import Manifest

COLUMNS = ("multilingual", "group", "service")
POLL_SECONDS = 0.2


class TreeMemory(threading.Thread):
    """Watches the memory of a process and all its descendants, until it is told to stop.

    Attributes:
        together: Largest sum of their resident memory at one moment, in bytes.
        largest: Largest that any one of them was seen to have had (VmHWM), in bytes.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.together = 0
        self.largest = 0

    def run(self) -> None:
        """Look, again and again."""
        while not self._over.wait(POLL_SECONDS):
            found = [_memory(pid) for pid in _tree(self._pid)]
            self.together = max(self.together, sum(resident for resident, _ in found))
            self.largest = max(self.largest, *(peak for _, peak in found), 0)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def _tree(root: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                after_name = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            except OSError:
                continue  # it has ended
            children.setdefault(int(after_name.split()[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:  # grows while it is read
        found += children.get(pid, [])
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Return a process's resident memory and the most it has had, in bytes; zero when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0, 0
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    return tuple(1024 * int(values.get(name, "0 kB").split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def main() -> None:
    """Build, and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data", default="afrisenti", metavar="NAME", help="data set  [afrisenti]")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="none: the data set's and model's own")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run directory, must not exist; none: a temporary one")
    parser.add_argument("extra", nargs="*", metavar="-- OPTION", help="further options of gradsim-offline build")
    chosen = parser.parse_args()
    if chosen.out is not None and chosen.out.exists():
        parser.error(f"{chosen.out} exists; a build there would skip what is up to date")
    content = _report.start()
    temporary = None if chosen.out else Path(tempfile.mkdtemp(prefix="gradsim-bench-"))
    run = chosen.out or temporary / "run"  # type: ignore[operator]
    try:
        content |= measure(_command(chosen.data, chosen.recipe, run, chosen.extra))
        content |= report(run, content["wall_seconds"])
    finally:
        if temporary is not None:
            shutil.rmtree(temporary)
    _report.finish(chosen.json, content)


def _command(data: str, recipe: str | None, run: Path, extra: Sequence[str]) -> list[str]:
    program = Path(sys.executable).with_name("gradsim-offline")
    chosen = ["--recipe", recipe] if recipe else []
    return [str(program), "build", "--data", data, *chosen, "--out", str(run), *extra]


def measure(command: Sequence[str]) -> dict[str, Any]:
    """Run the build, print and return wall time and memory."""
    print(f"builds: {shlex.join(command)}", flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(command)
    memory = TreeMemory(process.pid)
    memory.start()
    code = process.wait()
    wall = time.perf_counter() - started
    memory.stop()
    if code:
        raise SystemExit(f"the build failed with exit code {code} after {wall:.0f} s")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    largest = max(memory.largest, used.ru_maxrss * 1024)
    cores = (used.ru_utime + used.ru_stime) / wall
    print(f"\nwall time {wall:.1f} s ({wall / 60:.1f} min), {cores:.2f} cores busy on average")
    print(f"peak memory {memory.together / 1e9:.2f} GB over all processes, {largest / 1e9:.2f} GB in the largest one")
    print(f"load average at the end: {' '.join(f'{value:.2f}' for value in os.getloadavg())}")
    return {
        "build": list(command),
        "wall_seconds": wall,
        "busy_cores": cores,
        "peak_bytes_together": memory.together,
        "peak_bytes_largest": largest,
        "load_average_at_the_end": os.getloadavg(),
    }


def report(run: Path, wall: float) -> dict[str, Any]:
    """Print and return seconds per stage and the test averages."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    stages = {entry["stage"]: entry["seconds"] for entry in entries if "seconds" in entry}
    rest = wall - sum(stages.values())
    rows = [[name, f"{seconds:.1f}"] for name, seconds in {**stages, "imports, data, the rest": rest}.items()]
    _report.table(["stage", "seconds"], rows)
    averages = test_averages(read_manifest(run / "bundle"))
    for column, found in averages.items():
        print(f"test, {column}: plain mean {found['plain']:.2f}, weighted by test size {found['weighted']:.2f}")
    return {"stages": stages, "test": averages}


def test_averages(manifest: Manifest) -> dict[str, dict[str, float]]:
    """Return the metric's plain mean over languages and the mean weighted by test size, per column, 0 to 100."""
    scored = [language for language in manifest.languages if "test" in language.scores]
    total = sum(language.counts["test"] for language in scored)
    averages = {}
    for column in COLUMNS if scored else ():
        values = [100 * getattr(language.scores["test"], column)[manifest.metric] for language in scored]
        weighted = sum(value * language.counts["test"] for value, language in zip(values, scored, strict=True))
        averages[column] = {"plain": sum(values) / len(values), "weighted": weighted / total}
    return averages


if __name__ == "__main__":
    _report.run(main)
