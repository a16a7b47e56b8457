"""What proven grouping costs: exact for 12 to 27 languages, search for 108, beside plain enumeration.

Each case runs in a process of its own, one after the other; its time is that of ``solve`` alone, its memory the peak of
the whole process (Python and libraries are about 100 MB of it). The enumerator tries every choice of K groups out of
all 2^N - 1, as the objective reads; that is what task-grouping code does. Where it cannot end, the time is
extrapolated from the choices it made per second, and marked with ~. The solvers count their work and read no clock:
scores and bounds are the same on a busy machine, only the times are not.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations, islice
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from _report import arguments, at_least, finish, in_words, run, start, table
from numpy.typing import NDArray

from gradsim_offline.grouping.objective import collective_similarity
from gradsim_offline.grouping.problem import Problem

Matrix = NDArray[np.float64]
KINDS = ("cosine", "clustered", "noise")
CASES = {  # name: solver, languages, groups, target in seconds by kind of matrix
    "N=12, every K": ("every", 12, 12, dict.fromkeys(KINDS, 0.2)),
    "N=15, every K": ("every", 15, 15, dict.fromkeys(KINDS, 2.0)),
    "N=18, K=4": ("exact", 18, 4, dict.fromkeys(KINDS, 10.0)),
    "N=27, K=6": ("exact", 27, 6, {"cosine": 10.0, "clustered": 10.0, "noise": 90.0}),
    "N=108, K=8": ("search", 108, 8, dict.fromkeys(KINDS, 10.0)),
}


def matrix(kind: str, count: int, seed: int) -> Matrix:
    """Return a similarity matrix with ones on its diagonal: cosines, six clusters with noise, or noise alone."""
    draw = np.random.default_rng(seed)
    if kind == "cosine":
        vectors = draw.normal(size=(count, 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        similarity = vectors @ vectors.T
    elif kind == "clustered":
        cluster = draw.integers(0, 6, count)
        similarity = np.where(cluster[:, None] == cluster, 0.6, 0.1) + draw.normal(0, 0.1, (count, count))
    else:
        similarity = draw.uniform(-1, 1, (count, count))
    np.fill_diagonal(similarity, 1.0)
    return similarity


def measure(solver: str, count: int, groups: int, kind: str, seed: int, amount: float) -> dict[str, Any]:
    """Solve one problem, in this process; ``amount`` is the effort, or the seconds of the enumerator."""
    similarity = matrix(kind, count, seed)
    problem = Problem(similarity, groups, similarity.diagonal().copy(), seed=seed)
    if solver == "enumerate":
        return enumerate_choices(problem, amount)
    problem = replace(problem, effort=amount)
    if solver == "every":
        from gradsim_offline.grouping.solvers.exact import solve_every as solve
    elif solver == "exact":
        from gradsim_offline.grouping.solvers.exact import solve
    else:
        from gradsim_offline.grouping.solvers.search import solve
    began, worked = time.perf_counter(), time.process_time()
    answer = solve(problem)
    times = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked}
    last = answer[-1] if isinstance(answer, list) else answer
    proven = all(each.proven for each in answer) if isinstance(answer, list) else last.proven
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**times, "score": last.score, "bound": last.bound, "proven": proven, "megabytes": megabytes}


def enumerate_choices(problem: Problem, limit: float) -> dict[str, Any]:
    """Try every choice of exactly K groups; past the limit, say what all of them would take."""
    count, groups = problem.count, problem.groups
    subsets = [chosen for size in range(1, count + 1) for chosen in combinations(range(count), size)]
    values = np.full((len(subsets), count), -np.inf)
    for row, subset in enumerate(subsets):
        values[row, list(subset)] = collective_similarity(problem.similarity, subset, problem.singletons)
    choices, best, tried, began = combinations(range(len(subsets)), groups), -np.inf, 0, time.perf_counter()
    while rows := list(islice(choices, 20_000)):
        best = max(best, float(values[np.array(rows)].max(axis=1).sum(axis=1).max()))
        tried += len(rows)
        if time.perf_counter() - began > limit:
            break
    share = tried / comb(len(subsets), groups)
    seconds = (time.perf_counter() - began) / share
    return {"seconds": seconds, "share": share, "score": best if share == 1 else None}


def in_own_process(*given: object) -> dict[str, Any]:
    """Measure in a new process, so that its peak memory is its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"Error: {given} failed: {done.stderr.strip().splitlines()[-1]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def solve_all(seeds: int, effort: float, largest: int, kinds: list[str]) -> list[dict[str, Any]]:
    """Run every case on every kind of matrix and print a table."""
    figures, rows = [], []
    for name, (solver, count, groups, targets) in CASES.items():
        for kind in kinds if count <= largest else []:
            runs = [in_own_process(solver, count, groups, kind, seed, effort) for seed in range(seeds)]
            figures.append({"case": name, "kind": kind, "target_seconds": targets[kind], "runs": runs})
            rows.append(
                [
                    name,
                    kind,
                    in_words([run["seconds"] for run in runs], 2),
                    in_words([run["cpu"] for run in runs], 2),
                    f"{targets[kind]:g}",
                    f"{sum(run['proven'] for run in runs)} of {seeds}",
                    f"{max((run['bound'] - run['score']) / max(abs(run['score']), 1e-9) for run in runs):.2%}",
                    f"{max(run['megabytes'] for run in runs):.0f}",
                ]
            )
            print(f"  {name} {kind}: {rows[-1][2]} s", file=sys.stderr, flush=True)
    head = ["case", "S", "seconds: median (range)", "of a core", "target", "proven", "largest gap", "peak MB"]
    table(head, rows)
    return figures


def compare(seconds: float, sizes: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Run the enumerator and the exact solver on the same matrices, and print the ratio."""
    figures, rows = [], []
    for count, groups in sizes:
        slow = in_own_process("enumerate", count, groups, "cosine", 0, seconds)
        quick = in_own_process("exact", count, groups, "cosine", 0, 1.0)
        same = slow["score"] is None or abs(slow["score"] - quick["score"]) < 1e-9
        if not same:
            sys.exit(f"Error: enumeration finds {slow['score']}, exact finds {quick['score']}")
        figures.append({"languages": count, "groups": groups, "enumerate": slow, "exact": quick})
        about = "" if slow["share"] == 1 else "~"
        rows.append(
            [
                f"N={count}, K={groups}",
                about + duration(slow["seconds"]),
                f"{quick['seconds'] * 1000:.1f} ms",
                f"{about}{slow['seconds'] / quick['seconds']:,.0f}",
                "same" if slow["share"] == 1 else "-",
            ]
        )
    table(["enumeration beside exact", "enumeration", "exact", "ratio", "score"], rows)
    return figures


def duration(seconds: float) -> str:
    """Return seconds in the unit that people would use."""
    for unit, length in (("years", 31_557_600), ("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.2f} s"


def main() -> None:
    """Read the options, run, print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--seeds", type=at_least(1), default=5, help="matrices of each kind (default: 5)")
    parser.add_argument("--effort", type=float, default=1.0, help="of a solve, as the setting (default: 1)")
    parser.add_argument("--largest", type=at_least(12), default=108, metavar="N", help="leave out larger cases")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of matrices (default: all)")
    parser.add_argument("--enumerate-seconds", type=float, default=20.0, help="for the enumerator (default: 20)")
    parser.add_argument("--quick", action="store_true", help="one seed, up to 27 languages, 2 s of enumeration")
    parser.add_argument("--case", help="used by this script itself")
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(*json.loads(given.case))))
        return
    if given.quick:
        given.seeds, given.largest, given.enumerate_seconds = 1, min(given.largest, 27), 2.0
    content = start()
    content["cases"] = solve_all(given.seeds, given.effort, given.largest, given.kinds)
    content["enumeration"] = compare(given.enumerate_seconds, [(6, 3), (8, 3), (10, 3), (12, 3), (12, 4)])
    finish(given.json, content)


if __name__ == "__main__":
    run(main)
