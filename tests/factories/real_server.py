"""Start a server as people do, over a real socket, and stop it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
SOURCES = f"{ROOT / 'serving'}{os.pathsep}{ROOT / 'shared'}"


@dataclass(frozen=True)
class Server:
    """A running server: a client for it, and the file that it logs to."""

    client: httpx.Client
    log: Path

    def ask(self, *texts: object, language: object = None, endpoint: str = "/sentiment") -> httpx.Response:
        """Ask about texts."""
        return self.client.post(endpoint, json={"texts": list(texts), "language": language})

    def send(self, body: bytes, content_type: str = "application/json", endpoint: str = "/sentiment") -> httpx.Response:
        """Send a body as it is."""
        return self.client.post(endpoint, content=body, headers={"Content-Type": content_type})


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str], port: int, log: Path, environment: dict[str, str], cwd: Path = ROOT
) -> Iterator[Server]:
    """Start a server, wait until it is ready, stop it in the end."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADSIM", "BENTOML", "PYTHONPATH"))}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=cwd, env=kept | environment, stdout=stream, stderr=stream)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(client, process, log)
            yield Server(client, log)
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("the server did not end within 120 seconds of SIGTERM") from None


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not become ready: {log.read_text(encoding='utf-8')}")
