"""The local engine: a pool of processes that shares the cores, and ends when this process does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection

from gradsim_offline.core.engine import RETRIES, Engine, Job, Outcome, Result, in_order, run_job
from gradsim_offline.core.progress import Progress
from gradsim_runtime.cores import cores
from gradsim_shared.errors import GradsimError


@contextmanager
def process_engine(jobs: int, threads: int | None) -> Iterator[Engine]:
    """Open a pool of ``jobs`` processes; ``threads`` of each: ``None``: an equal share of the cores."""
    engine = _Processes(jobs, threads or max(1, cores() // jobs))
    try:
        yield engine
    finally:
        engine.close()


class _Processes:
    """The pool; a worker that the system kills takes the pool down, which is then made again."""

    def __init__(self, jobs: int, threads: int) -> None:
        self.width = jobs
        self._threads = threads
        self._pool: ProcessPoolExecutor | None = None
        self._alive: Connection | None = None  # workers end when it is closed, by us or with this process
        self._losses = 0

    def run(self, jobs: Sequence[Job[Result]], progress: Progress) -> Iterator[Result]:
        """Yield the results in order."""
        packed: list[bytes] = []

        def submit(job: bytes) -> Future[Outcome]:
            packed.append(job)
            return self._submit(job)

        def outcome(started: list[Future[Outcome]], position: int) -> Outcome:
            while True:
                try:
                    return started[position].result()
                except BrokenProcessPool as error:
                    self._count_loss(jobs[position].name, error)
                    for i in range(position, len(started)):
                        if started[i].cancelled() or started[i].exception() is not None:
                            started[i] = self._submit(packed[i])

        return in_order(jobs, submit, outcome, self.width, progress)

    def close(self) -> None:
        """End the workers, at once."""
        if self._alive is not None:
            self._alive.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = self._alive = None

    def _submit(self, job: bytes) -> Future[Outcome]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            watched, self._alive = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.width, context, _begin, (watched, self._threads))
        try:
            return self._pool.submit(run_job, job, self._threads)
        except BrokenProcessPool as error:
            lost: Future[Outcome] = Future()
            lost.set_exception(error)
            return lost

    def _count_loss(self, name: str, error: BrokenProcessPool) -> None:
        """Put the broken pool away.

        Raises:
            GradsimError: It broke too often.
        """
        self.close()
        self._losses += 1
        if self._losses > RETRIES:
            raise GradsimError(
                f"{name}: its process, or one beside it, was killed {self._losses} times, as the system does where "
                "memory runs out; take fewer --jobs. What was computed is kept"
            ) from error


def _begin(watched: Connection, threads: int) -> None:
    """Prepare a worker: its threads, and its end when the other end of the pipe is closed."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends us
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()


def _end_with(watched: Connection) -> None:
    try:
        watched.recv()
    except (EOFError, OSError):
        os._exit(1)
