"""Start an engine as the app does, without HTTP, and stop it; sessions that can be held up, or that fail."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from gradsim_serving.app import create_engine
from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.engine.engine import Engine
from gradsim_serving.engine.job import JobResult
from gradsim_serving.observing.observer import Observer
from gradsim_serving.options import Options
from gradsim_shared.routing import Policy


@contextmanager
def living(*bundles: Path, observer: Observer | None = None, **options: object) -> Iterator[tuple[Lifecycle, Engine]]:
    """Load bundles, and stop in the end."""
    settings = {"threads": 1, "canary_seconds": 0, "check_given": 0} | options
    lifecycle, engine = create_engine(bundles, Options(**settings), observer=observer)
    engine.start()
    try:
        lifecycle.load()
        yield lifecycle, engine
    finally:
        asyncio.run(lifecycle.stop(1))


@contextmanager
def engine_of(*bundles: Path, observer: Observer | None = None, **options: object) -> Iterator[Engine]:
    """Load bundles into an engine, and stop it in the end."""
    with living(*bundles, observer=observer, **options) as (_, engine):
        yield engine


def answers_of(engine: Engine, *request: object, policy: Policy | None = None) -> JobResult:
    """Let an engine answer in an event loop of this thread; ``request``: endpoint, texts, and language or languages."""
    return asyncio.run(engine.answer(*request, policy=policy))


def unsure(bundle: Path, directory: Path) -> Path:
    """Return a copy of a bundle that is sure of nothing: under the policy ``soft`` every text has two groups."""
    shutil.copytree(bundle, directory)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    manifest["identifier"] |= {"threshold": 1.0, "soft_threshold": 1.0}
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return directory


class Watched:
    """A real session, or what a test makes of one.

    Args:
        session: The real one.
        change: Called with the inputs and the outputs; returns the outputs, or fails.
    """

    def __init__(self, session: object, change: Callable[[dict[str, np.ndarray], list[np.ndarray]], list[np.ndarray]]):
        self.session, self.change = session, change

    def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run the real session, and change what it says."""
        return self.change(feed, self.session.run(names, feed))


def watch(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, np.ndarray], list[np.ndarray]], list[np.ndarray]]
) -> None:
    """Let every session that is opened from now on be watched."""
    module = "gradsim_serving.bundles.loading"
    real = __import__(module, fromlist=["open_session"]).open_session
    monkeypatch.setattr(f"{module}.open_session", lambda *arguments: Watched(real(*arguments), change))


class Gate:
    """Holds up every run while it is closed, and remembers how many tokens each row had that ran."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.opened.set()
        self.reached = threading.Event()
        self.rows: list[int] = []

    def __call__(self, feed: dict[str, np.ndarray], outputs: list[np.ndarray]) -> list[np.ndarray]:
        """Wait until the gate is open."""
        self.rows += feed["attention_mask"].sum(axis=1).tolist()
        self.reached.set()
        assert self.opened.wait(20)
        return outputs

    def close(self) -> None:
        """Hold up what comes from now on."""
        self.rows.clear()
        self.reached.clear()
        self.opened.clear()


def session(app, ask):
    """Start the app, let ``ask`` use a client, and stop it."""

    async def run():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as http,
        ):
            return await ask(http)

    return asyncio.run(run())


async def ready(http):
    """Wait until the service is ready."""
    while (await http.get("/readyz")).status_code != 200:
        await asyncio.sleep(0.005)


@dataclass
class RunCounts(Observer):
    """Remembers which models ran on how many texts."""

    batches: list[tuple[str, int, int]] = field(default_factory=list)
    tops: list[tuple[str, int]] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)

    def batch(self, endpoint, group, texts, tokens, padded_tokens):  # noqa: D102
        self.batches.append((group, texts, tokens))

    def top(self, endpoint, group, texts):  # noqa: D102
        self.tops.append((group, texts))

    def queued(self, endpoint, group, texts):  # noqa: D102
        self.waiting.add(group)

    def clear(self):
        """Forget everything."""
        for each in (self.batches, self.tops, self.waiting):
            each.clear()


def numbers(prediction):
    """Return all numbers of a prediction."""
    if hasattr(prediction, "scores"):
        return list(prediction.scores.values())
    return [number for found in prediction.entities for number in (found.start, found.end, found.score)]
