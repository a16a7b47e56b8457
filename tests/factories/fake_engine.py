"""The HTTP layer over a fake engine, behind a real server in a thread: without models."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from gradsim_serving.engine.job import JobResult, TextResult
from gradsim_serving.http.api import build
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_serving.server import FAST, configuration
from gradsim_shared.bundle import VerifiedBundle, read_manifest
from gradsim_shared.decode.text_classification import Prediction
from gradsim_shared.errors import BundleError, RequestError
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Candidate, Route

ROUTE = Route("hau", 0.9, "g0", 0.4, "identified", 0.95, (Candidate("hau", 0.9, "g0"), Candidate("swa", 0.05, "g0")))
PREDICTION = Prediction("positive", 0.75, {"negative": 0.125, "neutral": 0.125, "positive": 0.75})


def result(prediction: Any = PREDICTION, route: Route = ROUTE, truncated: bool = False) -> TextResult:
    """Return the result for one text."""
    return TextResult(prediction, route, truncated, "tiny@1.0.0")


@dataclass
class Engine:
    """Answers each text alike, and does what a text asks for: ``wait``, ``fail``, or an error's code."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    dropped: int = 0

    async def answer(
        self, endpoint: str, texts: Sequence[str], language: Any, *, policy: Any = None, deadline: float | None = None
    ) -> JobResult:
        """Answer, or not."""
        self.asked.append((endpoint, list(texts), language, policy, deadline))
        word, _, rest = texts[0].partition(" ")
        if word == "wait":
            try:
                await asyncio.sleep(min(float(rest), (deadline or 1e9) - time.monotonic() + 0.01))  # clocks round
            except asyncio.CancelledError:
                self.dropped += 1
                raise
        if deadline is not None and time.monotonic() >= deadline:
            raise RequestError("the answer took too long; send fewer texts in a request", code="timeout")
        if word == "fail":
            raise ValueError(f"the text was: {rest}")
        if word == "error":
            error = RequestError("it cannot be answered", code=rest, index=0)
            error.retry_after = 2.5  # type: ignore[attr-defined]
            raise error
        return JobResult([result(truncated=text.startswith("long")) for text in texts], {})


@dataclass
class Lifecycle:
    """Serves one bundle; it is ready, and reloads, as it is told."""

    manifests: Mapping[str, Manifest]
    directory: Path
    error: RequestError | None = None
    refuses: str | Exception | None = None

    @property
    def bundles(self) -> Mapping[str, VerifiedBundle]:
        """The bundle in its directory."""
        return {path: VerifiedBundle(self.directory, manifest) for path, manifest in self.manifests.items()}

    def require_ready(self) -> None:
        """Raise the error that it was told, if any."""
        if self.error is not None:
            raise self.error

    async def reload(self) -> Mapping[str, Any]:
        """Serve the next version, or refuse it."""
        if isinstance(self.refuses, Exception):
            raise self.refuses
        if self.refuses is not None:
            raise BundleError(self.refuses)
        before = self.manifests
        self.manifests = {path: manifest.model_copy(update={"version": "1.0.1"}) for path, manifest in before.items()}
        return {path: {"before": before[path].title, "after": self.manifests[path].title} for path in before}


@dataclass(frozen=True)
class Running:
    """A running service, and the fakes behind it."""

    engine: Engine
    lifecycle: Lifecycle
    metrics: Metrics
    port: int
    client: httpx.Client

    def ask(self, *texts: object, **rest: object) -> httpx.Response:
        """Ask about texts."""
        return self.client.post("/sentiment", json={"texts": list(texts), **rest})

    def socket(self) -> socket.socket:
        """Return a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def raw(self, data: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes, or is silent."""
        with self.socket() as connection:
            connection.settimeout(0.5)
            answer = b""
            try:
                connection.sendall(data)
                while piece := connection.recv(65536):
                    answer += piece
            except OSError:
                pass
            return answer


@contextmanager
def running(bundle: Path, *, log_requests: bool = False, fast: bool = FAST, **options: Any) -> Iterator[Running]:
    """Run the HTTP side with these options."""
    engine, lifecycle, metrics = Engine(), Lifecycle({"/sentiment": read_manifest(bundle)}, bundle), Metrics()
    app = build(engine, lifecycle, metrics, HttpOptions(**options), log_requests=log_requests)
    with (
        serving(app, fast) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        yield Running(engine, lifecycle, metrics, port, client)


@contextmanager
def serving(app: Callable[..., Any], fast: bool = FAST, **settings: Any) -> Iterator[int]:
    """Run an app on a free port, in a thread, with these settings of uvicorn."""
    server = uvicorn.Server(configuration(app, fast=fast, log_level="critical", **settings))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)
