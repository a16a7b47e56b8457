"""Start gradsim-serve or the BentoML server as a process that a test may signal or kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from real_server import ROOT, SOURCES, free_port

SERVERS = ("direct", pytest.param("bentoml", marks=pytest.mark.slow))


@dataclass(frozen=True)
class Started:
    """A server that runs: its port, the first of its processes, and the file that it logs to."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def client(self) -> httpx.Client:
        """Return a client for it, with a connection of its own."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def post(self, path: str, **body: object) -> httpx.Response:
        """Send one request, on a connection of its own."""
        with self.client() as client:
            return client.post(path, json=body or None)

    def ask(self, *texts: str, language: str | None = "hau") -> httpx.Response:
        """Ask about texts."""
        return self.post("/sentiment", texts=list(texts), language=language)

    def status(self, path: str) -> int:
        """Return the status of a path; 0 where nobody answers."""
        try:
            with self.client() as client:
                return client.get(path).status_code
        except httpx.TransportError:
            return 0

    def figure(self, name: str, *labels: str) -> float:
        """Return a figure of ``/metrics``: the sum of the lines that begin so and hold these labels."""
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith(f"{name}{{") and all(label in line for label in labels)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def wait_for(self, name: str, least: float, *labels: str) -> None:
        """Wait until a figure is at least so large."""
        limit = time.monotonic() + 20
        while self.figure(name, *labels) < least:
            assert time.monotonic() < limit, f"{name} is {self.figure(name, *labels)}, expected {least}"
            time.sleep(0.02)

    def wait(self, what: str = "/readyz", seconds: float = 60) -> None:
        """Wait until a path answers 200."""
        limit = time.monotonic() + seconds
        while self.status(what) != httpx.codes.OK:
            assert time.monotonic() < limit, f"{what} does not answer: {self.said()}"
            time.sleep(0.05)

    def said(self) -> str:
        """Return what it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def started(
    kind: str,
    bundle: Path,
    log: Path,
    *,
    port: int | None = None,
    environment: dict[str, str] | None = None,
    more: Sequence[Path] = (),
    **options: object,
) -> Iterator[Started]:
    """Start a server with one bundle, wait until it is ready, and stop it in the end.

    Args:
        kind: ``direct`` or ``bentoml``.
        bundle: What it serves.
        log: Where what it writes goes.
        port: ``None``: any free one.
        environment: Beside ours.
        more: Bundles beside that one.
        options: Of ``gradsim-serve``, as in ``queue_texts=64``; passed as environment variables.
    """
    port = port or free_port()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADSIM", "BENTOML", "PYTHONPATH"))}
    chosen = {"threads": 1, "canary_seconds": 0, **options}
    kept |= {f"GRADSIM_{name.upper()}": str(value) for name, value in chosen.items()}
    bundles = [str(bundle), *map(str, more)]
    if kind == "direct":
        command = [sys.executable, "-m", "gradsim_serving", *bundles, "--port", str(port)]
        kept |= {"PYTHONPATH": SOURCES}
    else:
        command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
        command += ["--port", str(port)]
        kept |= {
            "GRADSIM_BUNDLES": os.pathsep.join(bundles),
            "BENTOML_HOME": str(log.parent),
            "BENTOML_DO_NOT_TRACK": "True",
        }
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env=kept | (environment or {}), stdout=stream, stderr=stream, start_new_session=True
        )
    server = Started(port, process, log)
    try:
        server.wait()
        yield server
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Tell a server to end, with all of its processes; one that has to be killed fails the test."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise AssertionError(f"the server did not end within {seconds:g} seconds of SIGTERM") from None


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that a process has started (Linux)."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(number) for number in found.split()]
