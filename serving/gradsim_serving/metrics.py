"""Count requests, texts and time for Prometheus; every label has a bounded set of values."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The figures of one app, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second line for every figure, which nobody reads
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gradsim_requests", "Answered requests.", ["endpoint", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "gradsim_request_seconds",
            "Time from a request's headers to the end of its answer.",
            ["endpoint"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._texts = Counter(
            "gradsim_texts",
            "Answered texts by the language they were taken for, the group that answered, and why.",
            ["task", "language", "group", "reason"],
            registry=self.registry,
        )

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def texts(self, task: str, answers: Iterable[dict[str, Any]]) -> None:
        """Count the texts of one answer by their routes."""
        for answer in answers:
            route = answer["route"]
            self._texts.labels(task, route["language"] or "none", route["group"], route["reason"]).inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus' text form."""
        return generate_latest(self.registry)


class RequestMetrics:
    """ASGI middleware: counts and times every request.

    Args:
        app: What is behind it.
        metrics: Where it counts.
        endpoints: The known paths; all others count as ``other``.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, endpoints: Collection[str]) -> None:
        self.app = app
        self.metrics = metrics
        self.endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count it when it is answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 499  # 499: the client went away before an answer

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self.app(scope, receive, watched_send)
        endpoint = scope["path"] if scope["path"] in self.endpoints else "other"
        self.metrics.request(endpoint, status, time.perf_counter() - begin)
