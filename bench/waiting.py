"""What passive OpenMP waiting buys: the demo's `measure` stage with and without it, on idle and on busy cores."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time


def seconds(policy: str | None) -> float:
    """Return the wall time of one run in a fresh run directory; ``None`` leaves the library's default."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    code = "from gradsim_offline.cli import cli; cli()"  # the group itself: main() would set the policy
    if policy:
        environment["OMP_WAIT_POLICY"] = policy
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", code, "measure", "-q", "--data", "demo", "--epochs", "2", "--out", out]
        started = time.perf_counter()
        subprocess.run(
            [*command, "--set", "measuring.minimum_steps=0"], env=environment, check=True, capture_output=True
        )
        return time.perf_counter() - started


def main() -> None:
    """Run both in turn, idle and busy, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="pairs for each condition")
    repeats = parser.parse_args().repeats
    print(f"{os.cpu_count()} cores, {platform.machine()}, python {platform.python_version()}; {' '.join(sys.argv)}")
    for title, busy in (("idle", 0), ("one busy process per core", os.cpu_count() or 1)):
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            pairs = [(seconds(None), seconds("PASSIVE")) for _ in range(repeats)]
        finally:
            for other in others:
                other.kill()
        ratios = [default / passive for default, passive in pairs]
        print(
            f"{title}: default {statistics.median(p[0] for p in pairs):.1f} s, passive "
            f"{statistics.median(p[1] for p in pairs):.1f} s; ratio median {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {repeats} pairs"
        )


if __name__ == "__main__":
    main()
