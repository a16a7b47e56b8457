"""Retry-After: what is queued, by the throughput of the latest batches of all runners."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from engines import Gate, answers_of, engine_of, watch

from gradsim_serving.engine.admission import ThroughputEstimate
from gradsim_shared.errors import RequestError

GOOD = "Wannan fim yana da kyau sosai"


def test_before_the_first_batch_retry_after_is_one_second():
    assert ThroughputEstimate(4).retry_after_seconds(10_000) == 1


@pytest.mark.parametrize(
    ("runners", "texts", "seconds"), [(1, 500, 5), (1, 501, 6), (4, 2000, 5), (4, 3, 1), (1, 9999, 30)]
)
def test_the_first_batch_counts_as_it_is_and_runners_share_the_work(runners, texts, seconds):
    estimate = ThroughputEstimate(runners)
    estimate.record(100, 1.0)
    assert estimate.retry_after_seconds(texts) == seconds


def test_later_batches_move_the_mean():
    estimate = ThroughputEstimate(1)
    for _ in range(100):
        estimate.record(10, 1.0)
    assert estimate.retry_after_seconds(100) == 10
    estimate.record(110, 1.0)  # the mean is 20 now
    assert estimate.retry_after_seconds(100) == 5
    for _ in range(100):
        estimate.record(100, 1.0)
    assert estimate.retry_after_seconds(1000) in {10, 11}


def test_retry_after_follows_the_throughput_without_canaries(tiny, monkeypatch):
    """By a clock of ours batches take 4 seconds; the canaries before them would say one text in 30 seconds."""
    gate, real = Gate(), time.monotonic
    late, seconds = [0.0], [30.0]  # what our clock is ahead, and what a run adds to it

    def run(feed, outputs):
        late[0] += seconds[0]
        return gate(feed, outputs)

    watch(monkeypatch, run)
    monkeypatch.setattr("gradsim_serving.engine.engine.time", SimpleNamespace(monotonic=lambda: real() + late[0]))
    with engine_of(tiny, queue_texts=600) as engine:
        seconds[0] = 4.0
        for _ in range(2):
            answers_of(engine, "/sentiment", [GOOD] * 100, "hau")
        gate.close()

        async def ask():
            first = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau"))
            while not gate.reached.is_set():
                await asyncio.sleep(0.001)
            waiting = asyncio.create_task(engine.answer("/sentiment", [GOOD] * 500, "hau"))
            while engine._scheduler.texts < 500:  # all are read
                await asyncio.sleep(0.001)
            with pytest.raises(RequestError) as refused:
                await engine.answer("/sentiment", [GOOD] * 101, "hau")
            gate.opened.set()
            await asyncio.gather(first, waiting)
            return refused.value.retry_after

        assert 20 <= asyncio.run(ask()) < 28  # 500 texts, 25 a second, and what the machine itself took
