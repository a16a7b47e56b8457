"""The figures: each call of the observer shows in Prometheus' text form, exactly, under bounded labels."""

from __future__ import annotations

import inspect
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gradsim_serving.observing.log import Log
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.observing.observer import STAGES, Observer
from gradsim_shared.routing import Route

ROOT = Path(__file__).parents[2]
ROUTE = Route("hau", 0.93, "g0", 0.4, "identified")


def shown(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return shown(metrics)[name, frozenset(labels.items())]


def test_a_request_shows_with_endpoint_status_and_code():
    metrics = Metrics()
    metrics.request("/sentiment", 200, None, 0.02)
    metrics.request("/sentiment", 429, "overloaded", 0.001)
    metrics.request("/sentiment", 429, "overloaded", 0.001)
    assert value(metrics, "gradsim_requests_total", endpoint="/sentiment", status="200", code="none") == 1
    assert value(metrics, "gradsim_requests_total", endpoint="/sentiment", status="429", code="overloaded") == 2
    assert value(metrics, "gradsim_request_seconds_count", endpoint="/sentiment") == 3
    assert value(metrics, "gradsim_request_seconds_bucket", endpoint="/sentiment", le="0.001") == 2


def test_every_stage_has_its_histogram_and_unknown_ones_share_one():
    metrics = Metrics()
    for name in (*STAGES, "one", "two"):
        metrics.stage("/ner", name, 0.003)
    for name in STAGES:
        assert value(metrics, "gradsim_stage_seconds_sum", endpoint="/ner", stage=name) == 0.003
    assert value(metrics, "gradsim_stage_seconds_count", endpoint="/ner", stage="other") == 2


def test_batches_and_queues_show_per_group():
    metrics = Metrics()
    metrics.batch("/pos", "g1", 8, 200, 256)
    metrics.batch("/pos", "g1", 1, 9, 9)
    metrics.queued("/pos", "g1", 12)
    metrics.queued("/pos", "g1", 3)
    place = {"endpoint": "/pos", "group": "g1"}
    assert value(metrics, "gradsim_batch_texts_sum", **place) == 9
    assert value(metrics, "gradsim_batch_texts_bucket", **place, le="8.0") == 2
    assert value(metrics, "gradsim_batch_tokens_sum", **place) == 265
    assert value(metrics, "gradsim_tokens_total", **place) == 209
    assert value(metrics, "gradsim_queue_texts", **place) == 3


def test_routes_show_by_language_group_and_reason_and_confidence_only_where_the_identifier_was_asked():
    metrics = Metrics()
    metrics.routed("/sentiment", ROUTE)
    metrics.routed("/sentiment", Route("hau", None, "g0", 0.4, "given"))
    metrics.routed("/sentiment", Route(None, 0.0, "g1", None, "unknown"))
    texts = {"endpoint": "/sentiment", "group": "g0", "language": "hau"}
    assert value(metrics, "gradsim_texts_total", **texts, reason="identified") == 1
    assert value(metrics, "gradsim_texts_total", **texts, reason="given") == 1
    unknown = {"endpoint": "/sentiment", "group": "g1", "language": "none", "reason": "unknown"}
    assert value(metrics, "gradsim_texts_total", **unknown) == 1
    confidence = [(name, labels) for name, labels in shown(metrics) if name == "gradsim_identification_confidence_sum"]
    assert confidence == [
        ("gradsim_identification_confidence_sum", frozenset({("endpoint", "/sentiment"), ("language", "hau")}))
    ]


def test_answers_disagreements_and_drops_are_counted():
    metrics = Metrics()
    metrics.predicted("/ner", "hau", "LOC", 3)
    metrics.predicted("/ner", "hau", "O")
    metrics.given_checked("/ner", "hau", True)
    metrics.given_checked("/ner", "hau", False)
    metrics.dropped("/ner", "disconnected")
    here = {"endpoint": "/ner", "language": "hau"}
    assert value(metrics, "gradsim_predictions_total", **here, label="LOC") == 3
    assert value(metrics, "gradsim_predictions_total", **here, label="O") == 1
    assert value(metrics, "gradsim_given_languages_total", **here, agrees="false") == 1
    assert value(metrics, "gradsim_dropped_requests_total", endpoint="/ner", why="disconnected") == 1


def test_threads_lose_no_count():
    metrics = Metrics()
    metrics.bundle("/sentiment", bundle("one@1"))
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda number: one_request(metrics, number), range(2000)):
                pass
    finally:
        sys.setswitchinterval(switch)
    assert value(metrics, "gradsim_request_seconds_count", endpoint="/sentiment") == 2000
    figures = shown(metrics)
    assert sum(v for (name, _), v in figures.items() if name == "gradsim_predictions_total") == 2000
    assert sum(v for (name, _), v in figures.items() if name == "gradsim_drift_answers") == 2 * 1000


def one_of_each(metrics: Metrics) -> None:
    """Call every method once."""
    metrics.routed("/sentiment", Route("hau", 0.9, "g0", 0.4, "identified", code_mixed=True))
    metrics.predicted("/sentiment", "hau", "positive")
    metrics.given_checked("/sentiment", "hau", True)
    metrics.stage("/sentiment", "run", 0.01)
    metrics.batch("/sentiment", "g0", 1, 9, 9)
    metrics.queued("/sentiment", "g0", 1)
    metrics.dropped("/sentiment", "timeout")
    metrics.request("/sentiment", 200, None, 0.01)


def one_request(metrics: Metrics, number: int) -> None:
    metrics.stage("/sentiment", "run", 0.01)
    metrics.routed("/sentiment", ROUTE)
    metrics.predicted("/sentiment", "hau", ("positive", "negative")[number % 2])
    metrics.request("/sentiment", 200, None, 0.01)


def bundle(title: str, **baseline: object) -> SimpleNamespace:
    """The part of a manifest that the figures read."""
    shares = {"hau": {"positive": 0.5, "negative": 0.5}}
    confidence = {"hau": [0.0] * 9 + [1.0]}
    return SimpleNamespace(
        title=title,
        baseline=SimpleNamespace(**{"predictions": shares, "confidence": confidence, **baseline}),
        languages=[SimpleNamespace(code="hau", counts={"dev": 400})],
    )


def test_label_values_are_bounded_whatever_comes():
    metrics = Metrics(limit=20)
    for number in range(500):
        metrics.request(f"/{number}", 404, f"code{number}", 0.001)
        metrics.predicted("/sentiment", "hau", f"label{number}")
    figures = shown(metrics)
    assert value(metrics, "gradsim_requests_total", endpoint="other", status="other", code="other") == 480
    assert sum(1 for name, _ in figures if name == "gradsim_predictions_total") == 21
    assert sum(v for (name, _), v in figures.items() if name == "gradsim_requests_total") == 500


@pytest.mark.parametrize("kind", [Observer, Metrics])
def test_both_observers_offer_every_method_of_the_protocol(kind):
    methods = {name: method for name, method in vars(Observer).items() if inspect.isfunction(method) and name[0] != "_"}
    assert len(methods) == 9
    for name, method in methods.items():
        assert inspect.signature(getattr(kind, name)) == inspect.signature(method)


def test_the_bundle_that_answers_is_named_once_even_after_a_reload():
    metrics = Metrics()
    metrics.bundle("/sentiment", bundle("one@1"))
    metrics.bundle("/ner", bundle("two@1", predictions={}, confidence={}))
    metrics.bundle("/sentiment", bundle("one@2"))
    named = [dict(labels) for name, labels in shown(metrics) if name == "gradsim_bundle_info"]
    assert sorted(label["bundle"] for label in named) == ["one@2", "two@1"]
    metrics.serves({"/sentiment": bundle("one@3")})
    named = [dict(labels) for name, labels in shown(metrics) if name == "gradsim_bundle_info"]
    assert [label["bundle"] for label in named] == ["one@3"]


def test_readiness_is_asked_at_each_look():
    metrics, states = Metrics(), iter([False, True])
    metrics.ready_when(lambda: next(states))
    assert [value(metrics, "gradsim_ready"), value(metrics, "gradsim_ready")] == [0, 1]


def test_the_documentation_names_every_metric_and_no_other():
    metrics = Metrics()
    metrics.register(Log())
    metrics.ready_when(lambda: True)
    exported = set(re.findall(r"^# TYPE (gradsim_\w+) ", metrics.text().decode(), re.M))
    page = (ROOT / "docs" / "observing.md").read_text()
    assert set(re.findall(r"^\| `(gradsim_\w+)`", page, re.M)) == exported
    rules = (ROOT / "deploy" / "prometheus-rules.yml").read_text()
    asked = re.findall(r"gradsim_\w+", page + rules)
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in asked} <= exported


def test_the_documented_labels_are_those_of_the_metrics():
    metrics = Metrics()
    metrics.bundle("/sentiment", bundle("one@1"))
    metrics.register(Log())
    metrics.ready_when(lambda: True)
    one_of_each(metrics)
    page = (ROOT / "docs" / "observing.md").read_text()
    documented = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(gradsim_\w+)` \|([^|]*)\|", page, re.M)
    }
    for name, labels in shown(metrics):
        if name.startswith("gradsim"):
            plain = re.sub("_(bucket|count|sum)$", "", name)
            assert {label for label, _ in labels} - {"le"} == documented.pop(
                plain, {label for label, _ in labels} - {"le"}
            )
    assert documented == {}


def test_every_alert_has_a_condition_a_severity_and_a_sentence():
    yaml = pytest.importorskip("yaml")
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus-rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_random_traffic_sums_up(seed: int = 7):
    """An independent reference: counts kept in a dictionary."""
    metrics, counts, draw = Metrics(), {}, random.Random(seed)
    for _ in range(300):
        language, group, reason = draw.choice("ab"), draw.choice("xyz"), draw.choice(["given", "identified"])
        metrics.routed("/e", Route(language, 0.5, group, None, reason))
        counts[language, group, reason] = counts.get((language, group, reason), 0) + 1
    for (language, group, reason), count in counts.items():
        labels = {"endpoint": "/e", "language": language, "group": group, "reason": reason}
        assert value(metrics, "gradsim_texts_total", **labels) == count
