"""Train fastText in a process of its own, where it is reproducible.

With several threads fastText gives another model every time. With one thread, version 0.9.3 initialises a tenth of
its input matrix and reads the rest as the memory happens to be, NaN included: where malloc zeroes what it gives, the
same seed gives the same model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gradsim_offline.core.disk import require_space

_ZEROED = {"MALLOC_PERTURB_": "255"}  # glibc: allocated memory is filled with the complement of this byte, zero


def train_candidates(file: Path, folder: Path, candidates: Sequence[Mapping[str, Any]], *, seed: int) -> Iterator[Path]:
    """Train one model per candidate, two at a time, and yield their files in order.

    Args:
        file: fastText's training file.
        folder: Where the models go.
        candidates: Settings of each model.
        seed: fastText's seed.
    """
    workers = min(2, os.cpu_count() or 1)
    with (
        _environment(_ZEROED),
        ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        paths = [folder / f"{number}.bin" for number in range(len(candidates))]
        jobs = [
            pool.submit(_train, str(file), str(path), seed, dict(candidate))
            for path, candidate in zip(paths, candidates, strict=True)
        ]
        for path, job in zip(paths, jobs, strict=True):
            job.result()
            yield path


def _train(file: str, path: str, seed: int, settings: dict[str, Any]) -> None:
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


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
