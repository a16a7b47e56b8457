"""The engine and its observer: what it did with real texts stands in the figures, exactly."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
import tiny_bundle
from prometheus_client.parser import text_string_to_metric_families

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.loading import load_bundle
from gradsim_serving.engine.engine import Engine
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.observing.observer import STAGES
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Baseline

TEXTS = [text for language in ("hau", "pcm", "amh") for text, _ in tiny_bundle.sentences(language)]


async def answers_of(engine: Engine) -> list:
    """Answer each text alone, all at once, then some with a language, then one too late."""
    asked = [engine.answer("/sentiment", [text], None) for text in TEXTS]
    answers = [answer for part in await asyncio.gather(*asked) for answer in part]
    answers += await engine.answer("/sentiment", TEXTS[:5], "swa")
    with pytest.raises(RequestError):
        await engine.answer("/sentiment", TEXTS[:1], None, deadline=time.monotonic() - 1)
    await engine.stop(10)
    return answers


def test_every_text_stands_in_the_figures_once(tiny):
    metrics = Metrics()
    served = load_bundle(open_bundle(tiny), SessionSettings(threads=1))
    confidence = {"hau": [0.0] * 9 + [1.0]}
    baseline = Baseline(predictions={"hau": {"negative": 0.5, "positive": 0.5}}, confidence=confidence)
    metrics.bundle("/sentiment", served.manifest.model_copy(update={"baseline": baseline}))
    engine = Engine(metrics, check_given=1.0)
    engine.serve({"/sentiment": served})
    engine.start()
    answers = asyncio.run(answers_of(engine))

    families = text_string_to_metric_families(metrics.text().decode())
    samples = [sample for family in families for sample in family.samples]

    def total(name: str, **labels: str) -> float:
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    routes = Counter((a.route.language or "none", a.route.group, a.route.reason) for a in answers)
    for (language, group, reason), count in routes.items():
        assert total("gradsim_texts_total", language=language, group=group, reason=reason) == count
    labels = Counter((a.route.language or "none", a.prediction.label) for a in answers)
    for (language, label), count in labels.items():
        assert total("gradsim_predictions_total", language=language, label=label) == count
    assert total("gradsim_texts_total") == total("gradsim_predictions_total") == len(TEXTS) + 5
    assert total("gradsim_batch_texts_sum") == len(TEXTS) + 5
    assert 0 < total("gradsim_tokens_total") <= total("gradsim_batch_tokens_sum")
    assert total("gradsim_queue_texts") == 0
    assert total("gradsim_given_languages_total", language="swa") == 5
    assert total("gradsim_dropped_requests_total", why="timeout") == 1
    for stage in STAGES:
        assert total("gradsim_stage_seconds_count", stage=stage) > 0
    assert total("gradsim_stage_seconds_count", stage="other") == 0
    hausa = sum(count for (language, _), count in labels.items() if language == "hau")
    assert total("gradsim_drift_answers", language="hau", of="predictions") == hausa
