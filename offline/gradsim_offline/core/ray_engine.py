"""The engine on a Ray cluster: one that RAY_ADDRESS names, or one that is started on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradsim_offline.core.engine import RETRIES, Engine, Job, Outcome, Result, in_order, run_job
from gradsim_offline.core.progress import Progress
from gradsim_shared.errors import GradsimError, SettingsError


@contextmanager
def ray_engine(cpus: int, gpus: float) -> Iterator[Engine]:
    """Connect to the cluster, with what each job takes of it; a connection that was there before stays.

    Raises:
        SettingsError: Ray is not installed, or the cluster is not there, or too small for a job.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SettingsError("--engine ray: ray is not installed; run: pip install 'gradsim-router[ray]'") from error
    connected, address = ray.is_initialized(), os.environ.get("RAY_ADDRESS")
    if not connected:
        try:
            _require_listener(address or "")
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError) as error:
            at = f"no cluster at RAY_ADDRESS={address}" if address else "no cluster could be started here"
            raise SettingsError(f"--engine ray: {at}: {str(error).strip().partition(chr(10))[0]}") from error
    try:
        yield _Cluster(ray, cpus, gpus)
    finally:
        if not connected:
            ray.shutdown()


def _require_listener(address: str) -> None:
    """Raise ``OSError`` if nobody listens at a host and port: Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


class _Cluster:
    """Runs jobs on a cluster; Ray itself runs those again whose worker or node is lost."""

    def __init__(self, ray: Any, cpus: int, gpus: float) -> None:  # noqa: ANN401 - the module
        there = ray.cluster_resources()
        fits = [there.get("CPU", 0) / cpus, *([there.get("GPU", 0) / gpus] if gpus else [])]
        if min(fits) < 1:
            has = f"{there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs"
            raise SettingsError(f"a job takes {cpus} CPUs and {gpus:g} GPUs, and the cluster has {has}")
        self.width = int(min(fits))
        self._ray = ray
        self._cpus = cpus
        self._remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(run_job)

    def run(self, jobs: Sequence[Job[Result]], progress: Progress) -> Iterator[Result]:
        """Yield the results in order."""

        def submit(job: bytes) -> Any:  # noqa: ANN401 - a reference of Ray's
            return self._remote.remote(job, self._cpus)

        def outcome(started: list[Any], position: int) -> Outcome:
            try:
                found: Outcome = self._ray.get(started[position])
            except self._ray.exceptions.RayError as error:
                lost = f"{jobs[position].name}: lost {RETRIES + 1} times on the cluster"
                said = str(error).strip().splitlines()[0]
                raise GradsimError(f"{lost} ({said}). What was computed is kept") from error
            return found

        return in_order(jobs, submit, outcome, self.width, progress)
