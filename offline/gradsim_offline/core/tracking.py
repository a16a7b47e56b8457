"""Trackers: TensorBoard, MLflow, Weights & Biases get the figures that stand in metrics.jsonl."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gradsim_shared.errors import SettingsError

METRICS = "metrics.jsonl"
_ODD = re.compile(r"[^\w\-. /]")  # what MLflow does not take in a name

Write = Callable[[Mapping[str, float], int], None]
"""Takes figures by name, and the epoch that they are of; 0: of a whole stage."""


class Tracking:
    """Passes new lines of a run directory's metrics.jsonl, and of those in its folders, on to trackers."""

    def __init__(self, writers: Sequence[Write], directory: Path) -> None:
        self._writers, self._directory = writers, directory
        self._read = {file: file.stat().st_size for file in directory.rglob(METRICS)} if writers else {}

    def catch_up(self, file: Path | None = None) -> None:
        """Pass on what is new in one file, or in all: workers of an engine write, too."""
        for written in [file] if file else sorted(self._directory.rglob(METRICS)):
            if self._writers:
                self._pass_on(written)

    def _pass_on(self, file: Path) -> None:
        start = self._read.get(file, 0)
        with file.open("rb") as stream:
            stream.seek(start)
            new = stream.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read[file] = start + len(whole)
        folder = file.parent.relative_to(self._directory)
        for line in whole.splitlines():
            fields = json.loads(line)
            name = folder / fields.pop("stage", "")
            figures = {
                _ODD.sub("-", f"{(name / key).as_posix()}"): float(value)
                for key, value in fields.items()
                if key not in ("time", "epoch") and isinstance(value, int | float)
            }
            for write in self._writers:
                try:
                    write(figures, int(fields.get("epoch", 0)))
                except Exception as error:  # a server that is away is no reason to stop a training
                    warnings.warn(f"a tracker did not take figures, which are in {file}: {error}", stacklevel=1)


def open_tracking(names: Sequence[str], directory: Path) -> Tracking:
    """Open trackers.

    Args:
        names: ``tensorboard``, ``mlflow``, ``wandb``.
        directory: The run directory.

    Raises:
        SettingsError: The package of one is not installed, or it cannot be opened.
    """
    writers = []
    for name in names:
        if find_spec(name) is None:
            raise SettingsError(f"tracker {name}: the package is not installed; run: pip install {name}")
        try:
            writers.append(_OPEN[name](directory))
        except Exception as error:
            raise SettingsError(f"tracker {name} cannot be opened: {error}") from error
    return Tracking(writers, directory)


def _tensorboard(directory: Path) -> Write:
    """Write event files into ``<run directory>/tensorboard``."""
    from tensorboard.summary import Writer

    writer = Writer(str(directory / "tensorboard"))

    def write(figures: Mapping[str, float], epoch: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, epoch)
        writer.flush()

    return write


def _mlflow(directory: Path) -> Write:
    """Log to where MLFLOW_TRACKING_URI says, in the experiment ``gradsim`` if MLFLOW_EXPERIMENT_NAME names no other."""
    import mlflow

    if not {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & set(os.environ):
        mlflow.set_experiment("gradsim")
    mlflow.start_run(run_name=directory.name)
    return lambda figures, epoch: mlflow.log_metrics(dict(figures), step=epoch)


def _wandb(directory: Path) -> Write:
    """Log to the project ``gradsim``, if WANDB_PROJECT names no other."""
    import wandb

    run: Any = wandb.init(project=os.environ.get("WANDB_PROJECT", "gradsim"), name=directory.name, dir=str(directory))
    return lambda figures, epoch: run.log({**figures, "epoch": epoch})  # its own step must never fall


_OPEN = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
