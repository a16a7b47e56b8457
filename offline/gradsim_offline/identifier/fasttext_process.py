"""Train fastText in a process of its own, where it is reproducible.

With several threads fastText gives another model every time. With one thread, version 0.9.3 initialises a tenth of
its input matrix and reads the rest as the memory happens to be, NaN included: where malloc zeroes what it gives, the
same seed gives the same model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gradsim_offline.core.disk import require_space
from gradsim_shared.errors import ModelError

_ZEROED = {"MALLOC_PERTURB_": "255"}  # glibc: allocated memory is filled with the complement of this byte, zero


def train_candidates(file: Path, folder: Path, candidates: Sequence[Mapping[str, Any]], *, seed: int) -> Iterator[Path]:
    """Train one model per candidate, two at a time, and yield their files in order.

    Args:
        file: fastText's training file.
        folder: Where the models go.
        candidates: Settings of each model.
        seed: fastText's seed.

    Raises:
        ModelError: fastText failed.
    """
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        paths = [folder / f"{number}.bin" for number in range(len(candidates))]
        jobs = [
            pool.submit(_train_apart, str(file), str(path), seed, dict(candidate))
            for path, candidate in zip(paths, candidates, strict=True)
        ]
        for path, job in zip(paths, jobs, strict=True):
            job.result()
            yield path


def _train_apart(*arguments: object) -> None:
    """Call ``_train`` in a new interpreter; multiprocessing would run a script that calls the toolkit once more."""
    command = [sys.executable, "-P", "-m", __name__, json.dumps(arguments)]
    environment = {**os.environ, **_ZEROED, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ModelError(f"fastText could not train the language identifier: {reason}")


def _train(file: str, path: str, seed: int, settings: Mapping[str, Any]) -> None:
    import fasttext

    model = fasttext.train_supervised(file, loss="softmax", thread=1, seed=seed, verbose=0, **settings)
    save(model, Path(path))


def save(model: Any, path: Path) -> None:  # noqa: ANN401 - fastText's
    """Write a model; on a full disk fastText leaves a truncated file and raises nothing.

    Raises:
        OSError: The disk is full.
    """
    model.save_model(str(path))
    require_space(path)


if __name__ == "__main__":
    _train(*json.loads(sys.argv[1]))
