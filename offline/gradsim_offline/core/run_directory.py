"""A run directory: one folder per stage, which is run again only when its inputs have changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gradsim_offline.core.disk import full_disk_said
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.tracking import METRICS, open_tracking
from gradsim_shared.errors import SettingsError

RECORD = "stage.json"
LOCK = ".lock"
DRAFT = ".draft"  # of a file that is being written
WORK = "work"  # a stage's checkpoints; gone when it is done


@dataclass(frozen=True)
class StageResult:
    """A finished stage: where its results lie, and a digest of them for the stages that follow."""

    directory: Path
    digest: str


class RunDirectory:
    """A run directory: settings, one folder per stage, a JSON-lines log of metrics.

    A stage is run again when its inputs have changed: the settings that matter to it, the data, the digests of the
    stages before it. A stage that was interrupted finds its checkpoints again if its inputs are still the same.

    A stage's seconds are its own, without those of stages that it ran.
    """

    def __init__(self, directory: Path, progress: Progress, trackers: Sequence[str] = ()) -> None:
        """Make it, or find it; ``trackers`` also get its metrics."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.progress = progress
        self.tracking = open_tracking(trackers, directory)
        self.went_through: list[str] = []  # stages, those within others too, up to date or run
        self._seconds = 0.0  # of the stages that were run

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker without the trackers: they are fed where its results arrive."""
        return {**vars(self), "tracking": open_tracking((), self.directory)}

    def below(self, name: str) -> RunDirectory:
        """Return a run directory in this one, with its progress and trackers."""
        run = RunDirectory(self.directory / name, self.progress)
        run.tracking = self.tracking
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builds out of this run directory; the lock goes with the process.

        Raises:
            SettingsError: Another build is at work in it.
            GradsimError: Its disk is full.
        """
        try:
            with full_disk_said(self.directory), FileLock(self.directory / LOCK, timeout=0):
                yield
        except Timeout as error:
            raise SettingsError(
                f"another build is at work in {self.directory}; wait for it, or choose another --out"
            ) from error

    def stage(
        self,
        name: str,
        inputs: Mapping[str, Any],
        work: Callable[[Path], None],
        *,
        title: str = "",
        whole: Callable[[], bool] = lambda: True,
    ) -> StageResult:
        """Run a stage, or say that it is up to date.

        Args:
            name: Its folder below the run directory; ``train/ab12`` for one of several.
            inputs: Everything that its results depend on; must be JSON.
            work: Called with the stage's directory; writes its results there, checkpoints below ``work/``.
            title: What people read; empty: the name.
            whole: Whether what it wrote outside its directory is still there and as it was.
        """
        directory = self.directory / name
        wanted = json.loads(json.dumps(inputs, sort_keys=True, default=str))
        record = _read(directory / RECORD)
        if record and record["inputs"] == wanted and record.get("files") == _sizes(directory) and whole():
            self.progress.note(f"{title or name}: up to date, skipped")
            self.went_through += [*record.get("within", []), name]
            return StageResult(directory, record["digest"])
        resumes = bool(record) and record["inputs"] == wanted and "digest" not in record
        if not resumes and directory.exists():
            _require_stage(directory, record)
            self.remove(name)
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / RECORD, {"inputs": wanted})
        reason = ": resumes where it stopped" if resumes else _changes(record, wanted)
        self.progress.note(f"{title or name}{reason}", heading=True)
        before, seconds_before, started = len(self.went_through), self._seconds, time.monotonic()
        with self.progress.reporting(title or name):
            work(directory)
        seconds = time.monotonic() - started - (self._seconds - seconds_before)
        self._seconds += seconds
        shutil.rmtree(directory / WORK, ignore_errors=True)
        digest = _digest(directory)
        files = _sizes(directory)
        record = {"inputs": wanted, "digest": digest, "files": files, "seconds": round(seconds, 1)}
        if within := self.went_through[before:]:
            record["within"] = list(dict.fromkeys(within))
        write_json(directory / RECORD, record)
        self.went_through.append(name)
        self.log(stage=name, seconds=round(seconds, 1))
        return StageResult(directory, digest)

    def remove(self, folder: str) -> None:
        """Remove a folder of stages, if it is there; renamed first, so that a kill leaves it whole or not there."""
        going = self.directory / f".going-{folder.replace('/', '-')}"  # others are removed at the same time
        shutil.rmtree(going, ignore_errors=True)
        with suppress(FileNotFoundError):
            (self.directory / folder).rename(going)
            shutil.rmtree(going, ignore_errors=True)

    def log(self, **fields: object) -> None:
        """Append one line to metrics.jsonl, from where trackers take it."""
        with (self.directory / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"time": round(time.time(), 3), **fields}, ensure_ascii=False) + "\n")
        self.tracking.catch_up(self.directory / METRICS)


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically: the file is whole or not there."""
    draft = path.with_suffix(DRAFT)
    draft.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    draft.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and "inputs" in content else {}


def _require_stage(directory: Path, record: Mapping[str, Any]) -> None:
    """Raise ``SettingsError`` if a folder that is in the way is not one that a stage made.

    A stage that was killed before its first record was whole has left nothing but a draft of it.
    """
    if not record and any(path.name != Path(RECORD).with_suffix(DRAFT).name for path in directory.iterdir()):
        raise SettingsError(f"{directory} is not a stage of a build: it has no {RECORD}; choose another --out")


def _sizes(directory: Path) -> dict[str, int]:
    """Return the sizes of a stage's results, by name."""
    return {
        str(path.relative_to(directory)): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != RECORD
    }


def _changes(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say which inputs of a stage have changed since it was last run; empty when it never was."""
    if not record:
        return ""
    before = record["inputs"]
    names = [name for name in wanted if before.get(name) != wanted[name]]
    return f" (changed: {', '.join(names)})" if names else " (its results are not whole)"


def _digest(directory: Path) -> str:
    """Return a SHA-256 over the names and bytes of all results of a stage."""
    digest = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file() and path.name != RECORD):
        digest.update(str(path.relative_to(directory)).encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
