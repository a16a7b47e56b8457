"""The systems that are compared: how each is started, frozen while others are measured, and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from _serving.load import Outcome, Settings
from gradsim_shared.errors import SettingsError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATH = "/sentiment"
START_SECONDS = 180


@dataclass(frozen=True)
class System:
    """A system that can be started.

    Attributes:
        name: In tables.
        command: Its command line; ``{port}`` stands for the port.
        ready: Answers 200 as soon as texts are answered.
        environment: Beside ours; ``{port}`` stands for the port.
        cwd: Where it is started.
    """

    name: str
    command: list[str]
    ready: str
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT


@dataclass(frozen=True)
class Running:
    """A system that runs."""

    system: System
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def freeze(self) -> None:
        """Let it take no time at all while another is measured."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run again."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def ask(self, texts: list[str]) -> list[dict[str, Any]]:
        """Return the predictions for some texts."""
        body = json.dumps({"texts": texts}).encode()
        address = f"http://127.0.0.1:{self.port}{PATH}"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                found = json.load(response)
        except urllib.error.HTTPError as error:
            raise SettingsError(f"{self.system.name}: status {error.code}: {error.read()[:300]!r}") from error
        return list(found["predictions"] if isinstance(found, dict) else found)

    def get(self, path: str) -> str:
        """Return what a path answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return str(response.read().decode())

    def memory_mb(self) -> float:
        """Return the resident memory of all its processes, MB; pages that they share count for each."""
        total = 0
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(directory.name)) == self.process.pid:
                    total += int((directory / "statm").read_text().split()[1])
            except (OSError, ProcessLookupError):
                continue
        return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def gradsim(bundle: Path, name: str = "gradsim-serve", options: tuple[str, ...] = (), checkout: Path = ROOT) -> System:
    """Return our service, direct, as it stands in a checkout of this repository."""
    command = [sys.executable, "-m", "gradsim_serving", str(bundle.resolve()), "--port", "{port}", *options]
    return System(name, command, "/readyz", {"PYTHONPATH": sources(checkout)}, checkout)


def sources(checkout: Path = ROOT) -> str:
    """Return the ``PYTHONPATH`` with which the packages of a checkout are imported."""
    return os.pathsep.join(str(checkout / part) for part in ("serving", "shared", "offline"))


def gradsim_in_bentoml(bundle: Path, options: tuple[str, ...] = ()) -> System:
    """Return our service under BentoML, with options of ``gradsim-serve`` as environment variables."""
    command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
    environment = {"GRADSIM_BUNDLES": str(bundle)} | dict(_variable(option) for option in options)
    return System("gradsim in BentoML", [*command, "--port", "{port}"], "/readyz", environment)


def _variable(option: str) -> tuple[str, str]:
    """Return an option as name and value of its environment variable: ``--queue-texts=64``, ``--no-arena``.

    Raises:
        SettingsError: It is of another form.
    """
    name, sign, value = option.removeprefix("--").partition("=")
    if not option.startswith("--") or not name:
        raise SettingsError(f"--option {option}: behind BentoML it must be of the form --name=value, or --name")
    if not sign:
        value = "0" if name.startswith("no-") else "1"
        name = name.removeprefix("no-")
    return f"GRADSIM_{name.upper().replace('-', '_')}", value


def fastapi(bundle: Path, trained: Path, threads: int) -> System:
    """Return plain transformers behind FastAPI."""
    command = [sys.executable, "-m", "uvicorn", "peer_fastapi:app", "--host", "127.0.0.1", "--port", "{port}"]
    quiet = ["--log-level", "warning", "--no-access-log"]
    environment = _peer(bundle, threads) | {"PEER_TRAINED": str(trained)}
    return System("transformers + FastAPI", [*command, *quiet], "/health", environment, HERE)


def litserve(bundle: Path, python: Path, threads: int) -> System:
    """Return LitServe with onnxruntime; it has an environment, and so a Python, of its own."""
    environment = _peer(bundle, threads) | {"PEER_PORT": "{port}"}
    return System("LitServe + onnxruntime", [str(python), "peer_litserve.py"], "/health", environment, HERE)


def bentoml(bundle: Path, threads: int) -> System:
    """Return BentoML's own batching with onnxruntime."""
    command = [sys.executable, "-m", "bentoml", "serve", "peer_bentoml:Sentiment", "--host", "127.0.0.1"]
    return System("BentoML + onnxruntime", [*command, "--port", "{port}"], "/readyz", _peer(bundle, threads), HERE)


def _peer(bundle: Path, threads: int) -> dict[str, str]:
    return {"PEER_BUNDLE": str(bundle.resolve()), "PEER_THREADS": str(threads)}


@contextmanager
def running(system: System) -> Iterator[Running]:
    """Start a system, wait until it answers, stop it in the end.

    Raises:
        SettingsError: It does not start; the message ends with what it logged last.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADSIM_", "OMP_NUM"))}
    given = {name: value.replace("{port}", str(port)) for name, value in system.environment.items()}
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**kept, "PYTHONPATH": sources(), "BENTOML_HOME": scratch, **given}
        command = [part.replace("{port}", str(port)) for part in system.command]
        log = Path(scratch) / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=system.cwd, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )
        started = Running(system, port, process, log)
        try:
            _wait(started)
            yield started
        finally:
            _stop(process)


def _wait(found: Running) -> None:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and found.process.poll() is None:
        try:
            found.get(found.system.ready)
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    tail = found.log.read_text(encoding="utf-8", errors="replace")[-600:]
    raise SettingsError(f"{found.system.name} does not start: {tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGCONT, signal.SIGTERM):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    try:
        os.killpg(process.pid, signal.SIGKILL)  # children that outlive it
    except ProcessLookupError:
        return
    process.wait()


def send(to: Running, bodies: Path, texts: int, **settings: Any) -> Outcome:  # noqa: ANN401 - fields of Settings
    """Send load from a process of its own, and return how it went."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        chosen = Settings(port=to.port, path=PATH, bodies=str(bodies), texts=texts, **settings)
        json.dump(asdict(chosen), file)
        file.flush()
        done = subprocess.run([sys.executable, str(HERE / "load.py"), file.name], capture_output=True, check=True)
    found = json.loads(done.stdout)
    return Outcome(**found | {"statuses": {int(status): count for status, count in found["statuses"].items()}})
