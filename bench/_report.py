"""What every benchmark prints: the machine, the command, a table of ratios; and the same figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gradsim_shared.errors import GradsimError

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as gradsim-offline does; read when torch is loaded
BUSY = 0.5  # load average above which the machine is not ours alone


def arguments(docstring: str) -> argparse.ArgumentParser:
    """Return a parser that shows the script's docstring and knows ``--json``."""
    parser = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def at_least(least: int) -> Any:  # noqa: ANN401 - argparse takes any callable
    """Return an argument type: a whole number, not below ``least``."""

    def number(text: str) -> int:
        if (found := int(text)) < least:
            raise argparse.ArgumentTypeError(f"{found} is too few; at least {least}")
        return found

    return number


def start() -> dict[str, Any]:
    """Print machine and command line, and return them for the JSON file."""
    found = {"machine": machine(), "command": shlex.join([Path(sys.executable).name, *sys.argv])}
    words = dict(found["machine"])
    load = " ".join(f"{value:.2f}" for value in words.pop("load_average"))
    print(f"machine: {words.pop('cores')} cores, {words.pop('cpu')}, ", end="")
    print(", ".join(f"{name} {value}" for name, value in words.items()) + f", load average {load}")
    print(f"command: {found['command']}")
    if os.getloadavg()[0] > BUSY:
        print("note: something else runs, or ran a minute ago, on this machine; do not quote these times")
    sys.stdout.flush()
    return found


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    found: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "cpu": _cpu(), "python": platform.python_version()}
    for library in ("torch", "onnxruntime", "fasttext", "scikit-learn"):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    found["OMP_WAIT_POLICY"] = os.environ["OMP_WAIT_POLICY"]
    return {**found, "load_average": os.getloadavg()}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def interleaved(names: Sequence[str], repeats: int) -> Iterator[tuple[int, str]]:
    """Yield ``(repeat, name)`` as A B C, C B A, A B C ...: whoever comes first or last does so in turns."""
    for repeat in range(repeats):
        for name in names if repeat % 2 == 0 else reversed(names):
            yield repeat, name


def ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return the ratio of each pair that was measured in the same repeat."""
    return [value / base for value, base in zip(values, baseline, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def in_words(values: Sequence[float], digits: int = 3) -> str:
    """Return ``median (min to max)``."""
    found = spread(values)
    return f"{found['median']:.{digits}f} ({found['min']:.{digits}f} to {found['max']:.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| "
        + " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|"
    print("\n".join(["", lines[0], rule, *lines[1:], ""]), flush=True)


def finish(path: Path | None, content: dict[str, Any]) -> None:
    """Write the figures to ``path``, if there is one."""
    if path is not None:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def run(main: Callable[[], None]) -> None:
    """Run a script; an error that is somebody's to mend becomes one line and exit code 1."""
    try:
        main()
    except GradsimError as error:
        sys.exit(f"Error: {error}")
