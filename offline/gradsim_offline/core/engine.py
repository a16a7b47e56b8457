"""Engines: independent jobs one after the other here, in processes of this machine, or on a Ray cluster.

Whoever has many trainings hands jobs to an engine and gets their results in order; only this file knows which engine
there is.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from gradsim_offline.core.progress import KEPT_NOTES, Progress
from gradsim_shared.errors import GradsimError, SettingsError

RETRIES = 3
"""How often a job may lose its process or its machine and is run again."""
Result = TypeVar("Result")
Submitted = TypeVar("Submitted")


@dataclass(frozen=True)
class Job(Generic[Result]):
    """A piece of work that depends on no other.

    Attributes:
        name: What people read.
        work: What is to be done. It can be pickled, and so can its result; what it computes is kept in stages of a run
            directory, so that it goes on where it was lost.
    """

    name: str
    work: Callable[[], Result]


class Engine(Protocol):
    """Runs jobs.

    Attributes:
        width: How many run at once.
    """

    width: int

    def run(self, jobs: Sequence[Job[Result]], progress: Progress) -> Iterator[Result]:
        """Yield the jobs' results in order; what a job says is said when its turn comes.

        At most twice ``width`` jobs are ahead of the one whose result is asked for: their models lie on the disk.

        Raises:
            GradsimError: A job failed; the message names it. What others computed is kept.
        """


@dataclass(frozen=True)
class Outcome:
    """What comes back from another process.

    Attributes:
        value: The job's result.
        notes: What it said, and whether as a heading.
        error: Why there is no result.
    """

    value: Any
    notes: Sequence[tuple[str, bool]]
    error: Exception | None = None


class InThisProcess:
    """One job after the other, each when its result is asked for."""

    width = 1

    def run(self, jobs: Sequence[Job[Result]], progress: Progress) -> Iterator[Result]:  # noqa: ARG002
        """Yield the results in order."""
        for job in jobs:
            yield job.work()


@contextmanager
def open_engine(
    name: str = "local", *, jobs: int = 1, job_cpus: int | None = None, job_gpus: float | None = None
) -> Iterator[Engine]:
    """Open an engine; what it started ends with the context.

    Args:
        name: ``local`` or ``ray``.
        jobs: Processes of the local engine; 1: this one.
        job_cpus: Threads of a job; ``None``: on this machine its share of the cores, on a cluster one.
        job_gpus: Of a cluster's GPUs, what a job takes; ``None``: none.

    Raises:
        SettingsError: These do not go together, or Ray is not there.
    """
    if name == "ray":
        if jobs != 1:
            raise SettingsError(
                "--jobs is for the local engine; on Ray as many run as the cluster has CPUs and GPUs for"
            )
        from gradsim_offline.core.ray_engine import ray_engine

        with ray_engine(job_cpus or 1, job_gpus or 0.0) as engine:
            yield engine
        return
    if job_gpus is not None:
        raise SettingsError("--job-gpus is for --engine ray, which hands out GPUs; local jobs share what is visible")
    if jobs == 1:
        yield InThisProcess()
        return
    from gradsim_offline.core.process_engine import process_engine

    with process_engine(jobs, job_cpus) as engine:
        yield engine


def in_order(
    jobs: Sequence[Job[Result]],
    submit: Callable[[bytes], Submitted],
    outcome: Callable[[list[Submitted], int], Outcome],
    width: int,
    progress: Progress,
) -> Iterator[Result]:
    """Run jobs in other processes, and yield their results in order.

    Args:
        jobs: What to run.
        submit: Starts a pickled job.
        outcome: Waits for one of those that were started; may start those again that were lost.
        width: How many run at once.
        progress: Shows what the jobs said, and how far they are.
    """
    started: list[Submitted] = []
    with progress.bar(f"trainings, {width} at once", len(jobs)) as advance:
        for position, job in enumerate(jobs):
            started.extend(submit(pickle.dumps(ahead.work)) for ahead in jobs[len(started) : position + 2 * width])
            found = outcome(started, position)
            for text, heading in found.notes:
                progress.note(text, heading=heading)
            if found.error is not None:
                raise GradsimError(f"{job.name}: {_worded(found.error)}") from found.error
            advance(job.name)
            yield found.value


def _worded(error: Exception) -> str:
    """Word what went wrong in a job."""
    if isinstance(error, GradsimError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}. What was computed is kept"


def run_job(packed: bytes, threads: int) -> Outcome:
    """Run a pickled job in this process, which is a worker's."""
    _settle(threads)
    KEPT_NOTES.clear()
    try:
        value = pickle.loads(packed)()  # noqa: S301 - our own
    except Exception as error:  # whatever it is, it is told where somebody reads it
        return Outcome(None, [*KEPT_NOTES], _whole(error))
    return Outcome(value, [*KEPT_NOTES])


def _settle(threads: int) -> None:
    """Have torch compute with this many threads, and warnings read as in the command line."""
    import warnings

    import torch

    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", module="gradsim_offline")
    warnings.showwarning = lambda message, *_rest: KEPT_NOTES.append((f"Warning: {message}", False))


def _whole(error: Exception) -> Exception:
    """Return the error as it can travel: some lose their arguments when they are pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # a constructor of any kind runs here
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
