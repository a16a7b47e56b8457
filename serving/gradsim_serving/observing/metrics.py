"""Prometheus metrics of requests, stages, batches, routes and predictions; every label has a bounded set of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from gradsim_serving.observing.drift import WINDOW, Drift
from gradsim_serving.observing.observer import STAGES, Observer
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Route

AnyMetric = TypeVar("AnyMetric", Counter, Gauge, Histogram)

LIMIT = 4096
"""Series of one metric. Bundles name the label values, so it is only reached when something is wrong."""

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384, 32768)
TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Series(dict[tuple[Any, ...], AnyMetric], Generic[AnyMetric]):
    """The series of a metric by label values: ``series["/sentiment", "hau"].inc()``.

    A dictionary, because a look-up in one is several times quicker than `Counter.labels`.

    Args:
        metric: Whose series these are.
        limit: How many there may be; past it, new label values are counted under ``other``.
    """

    def __init__(self, metric: AnyMetric, limit: int = LIMIT) -> None:
        super().__init__()
        self._metric: AnyMetric = metric
        self._limit = limit

    def __missing__(self, values: tuple[Any, ...]) -> AnyMetric:
        """Make a series; ``None`` becomes ``none``."""
        if len(self) >= self._limit:
            return self._metric.labels(*("other" for _ in values))
        series = self[values] = self._metric.labels(*("none" if value is None else value for value in values))
        return series


class Metrics(Observer):
    """An `Observer` that counts, in a registry of its own; docs/observing.md lists the metrics for users.

    Args:
        limit: Series of one metric; past it, new label values are counted under ``other``.
        window: Predictions of one language that the drift metrics rest on.
    """

    def __init__(self, *, limit: int = LIMIT, window: int = WINDOW) -> None:
        disable_created_metrics()  # one more line for every metric, of no use
        self.registry = CollectorRegistry()
        self._limit = limit
        self._requests = self._counter("requests", "Answered requests.", "endpoint", "status", "code")
        self._seconds = self._histogram(
            "request_seconds", "Time from a request's headers to the end of its answer.", REQUEST_SECONDS, "endpoint"
        )
        self._stages = self._histogram(
            "stage_seconds", "Time of one stage of the work.", STAGE_SECONDS, "endpoint", "stage"
        )
        self._dropped = self._counter("dropped_requests", "Requests whose work was given up.", "endpoint", "why")
        queue = self._gauge("queue_texts", "Texts that wait for a group.", "endpoint", "group")
        self._queued = Series(queue, limit)
        self._batch_texts = self._histogram(
            "batch_texts", "Texts that a model ran on at once.", TEXTS, "endpoint", "group"
        )
        self._batch_tokens = self._histogram(
            "batch_tokens", "Places of the tensor that a model ran on, padding included.", TOKENS, "endpoint", "group"
        )
        self._tokens = self._counter("tokens", "Tokens of texts, without padding.", "endpoint", "group")
        self._routes = self._counter(
            "texts",
            "Routed texts by the language they were taken for, the group they were sent to, and why.",
            *("endpoint", "language", "group", "reason"),
        )
        self._mixed = self._counter("code_mixed_texts", "Texts that seem to mix languages.", "endpoint", "language")
        self._confidence = self._histogram(
            "identification_confidence",
            "The identifier's probability of the language that a text was taken for.",
            TENTHS,
            *("endpoint", "language"),
        )
        self._given = self._counter(
            "given_languages",
            "Languages that callers named, and whether the identifier agrees.",
            *("endpoint", "language", "agrees"),
        )
        self._predictions = self._counter(
            "predictions",
            "Labels of texts, types of entities or tags of words that were answered.",
            *("endpoint", "language", "label"),
        )
        self._bundle = self._gauge("bundle_info", "The bundle that answers now: always 1.", "endpoint", "bundle")
        self._titles: dict[str, str] = {}
        self._drift = Drift(window)
        self.registry.register(self._drift)
        ProcessCollector(registry=self.registry)

    def serves(self, manifests: Mapping[str, Manifest]) -> None:
        """Set the bundles that answer from now on; drift begins anew. Call it at the start and after each reload."""
        for endpoint in self._titles.keys() - manifests.keys():
            self._bundle.remove(endpoint, self._titles.pop(endpoint))
            self._drift.expect(endpoint, {}, {}, {})
        for endpoint, manifest in manifests.items():
            self.bundle(endpoint, manifest)

    def bundle(self, endpoint: str, manifest: Manifest) -> None:
        """Set the bundle that answers at one endpoint from now on."""
        if endpoint in self._titles:
            self._bundle.remove(endpoint, self._titles[endpoint])
        self._titles[endpoint] = manifest.title
        self._bundle.labels(endpoint, manifest.title).set(1)
        baseline = manifest.baseline
        dev_texts = {language.code: language.counts.get("dev", 0) for language in manifest.languages}
        if baseline is None:
            self._drift.expect(endpoint, {}, {}, {})
        else:
            self._drift.expect(endpoint, baseline.predictions, baseline.confidence, dev_texts)

    def ready_when(self, is_ready: Callable[[], bool]) -> None:
        """Set the function that tells whether the service is ready; it is called at each scrape."""
        gauge = self._gauge("ready", "1: every group answers; 0: /readyz says 503.")
        gauge.set_function(lambda: float(is_ready()))

    def register(self, collector: Collector) -> None:
        """Add the metrics of something else, such as a `Log`."""
        self.registry.register(collector)

    def stage(self, endpoint: str, name: str, seconds: float) -> None:
        """Count the time of a stage."""
        self._stages[endpoint, name if name in STAGES else "other"].observe(seconds)

    def batch(self, endpoint: str, group: str, texts: int, tokens: int, padded_tokens: int) -> None:
        """Count a batch."""
        key = endpoint, group
        self._batch_texts[key].observe(texts)
        self._batch_tokens[key].observe(padded_tokens)
        self._tokens[key].inc(tokens)

    def top(self, endpoint: str, group: str, texts: int) -> None:
        """Count a run of a group's model over what the trunk said."""
        self._batch_texts[endpoint, group].observe(texts)

    def queued(self, endpoint: str, group: str, texts: int) -> None:
        """Set how many texts wait."""
        self._queued[endpoint, group].set(texts)

    def routed(self, endpoint: str, route: Route) -> None:
        """Count a text by its route."""
        language, confidence = route.language, route.confidence
        self._routes[endpoint, language, route.group, route.reason].inc()
        if confidence is not None and language is not None and route.reason != "given":
            self._confidence[endpoint, language].observe(confidence)
            self._drift.identified(endpoint, language, confidence)
        if route.code_mixed:
            self._mixed[endpoint, language].inc()

    def predicted(self, endpoint: str, language: str | None, label: str, count: int = 1) -> None:
        """Count a predicted label."""
        self._predictions[endpoint, language, label].inc(count)
        self._drift.predicted(endpoint, language, label, count)

    def given_checked(self, endpoint: str, language: str, agrees: bool) -> None:
        """Count whether the identifier agrees with a caller."""
        self._given[endpoint, language, "true" if agrees else "false"].inc()

    def request(self, endpoint: str, status: int, code: str | None, seconds: float) -> None:
        """Count one request."""
        self._requests[endpoint, status, code].inc()
        self._seconds[(endpoint,)].observe(seconds)

    def dropped(self, endpoint: str, why: str) -> None:
        """Count a request whose work was dropped."""
        self._dropped[endpoint, why].inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return generate_latest(self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Series[Counter]:
        return Series(Counter(f"gradsim_{name}", what, labels, registry=self.registry), self._limit)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Series[Histogram]:
        histogram = Histogram(f"gradsim_{name}", what, labels, buckets=buckets, registry=self.registry)
        return Series(histogram, self._limit)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"gradsim_{name}", what, labels, registry=self.registry)
