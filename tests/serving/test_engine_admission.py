"""The admission queue: each step is bounded in texts and characters; a large job is taken in slices."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time

import pytest
from engines import Gate, engine_of, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine import admission as module
from gradsim_serving.engine.admission import AdmissionQueue
from gradsim_serving.engine.job import Job
from gradsim_shared.errors import RequestError

SERVED = Served("/sentiment", None, None, None, {})
GOOD = "Wannan fim yana da kyau sosai"


def job(texts, over=False):
    return Job(SERVED, texts, [None] * len(texts), None, 1e9, concurrent.futures.Future(), ended=over)


@pytest.fixture
def small(monkeypatch):
    """Bounds that a test can reach."""
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 4)
    monkeypatch.setattr(module, "CHARACTERS_AT_ONCE", 20)


SIZES = st.lists(st.tuples(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.booleans()), max_size=12)


@given(requests=SIZES)
@settings(deadline=None)
def test_every_live_text_is_taken_once_within_the_bounds_of_a_step(requests):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "TEXTS_AT_ONCE", 4)
        patched.setattr(module, "CHARACTERS_AT_ONCE", 20)
        waiting = AdmissionQueue()
        jobs = [job(["a" * size for size in sizes], over) for sizes, over in requests]
        for one in jobs:
            waiting.add(one)
        assert waiting.texts == sum(len(one.texts) for one in jobs)
        found = {id(one): [] for one in jobs}
        while parts := waiting.take(0.0):
            texts = [part.job.texts[i] for part in parts for i in range(part.first, part.last)]
            assert len(texts) <= 4
            assert len(texts) == 1 or sum(map(len, texts)) <= 20
            for part in parts:
                found[id(part.job)] += range(part.first, part.last)
        assert (len(waiting), waiting.texts) == (0, 0)
        for one in jobs:
            assert found[id(one)] == ([] if one.ended else list(range(len(one.texts))))


def test_small_jobs_do_not_wait_for_the_rest_of_a_large_one(small):
    waiting = AdmissionQueue()
    large, first, second = job(["a"] * 10), job(["b"]), job(["c"])
    for one in (large, first, second):
        waiting.add(one)
    rounds = []
    while parts := waiting.take(0.0):
        rounds.append([(part.job, part.first, part.last) for part in parts])
    assert rounds == [[(large, 0, 4)], [(first, 0, 1), (second, 0, 1)], [(large, 4, 8)], [(large, 8, 10)]]


def test_usual_jobs_are_taken_whole_and_together():
    waiting = AdmissionQueue()
    for _ in range(5):
        waiting.add(job(["a" * 200] * 32))
    assert [len(part.job.texts) for part in waiting.take(0.0)] == [32] * 4
    assert [(part.first, part.last) for part in waiting.take(0.0)] == [(0, 32)]


@pytest.mark.parametrize("end", ["gone", "late"])
def test_the_rest_of_a_large_job_is_dropped_once_it_has_ended(tiny, small, monkeypatch, end):
    with engine_of(tiny) as engine:
        identifier = engine.served["/sentiment"].identifier
        identify, seen = identifier.identify, []
        reached, opened = threading.Event(), threading.Event()

        def identifies(texts):
            seen.append(len(texts))
            reached.set()
            assert opened.wait(20)
            return identify(texts)

        monkeypatch.setattr(identifier, "identify", identifies)

        async def ask():
            deadline = time.monotonic() + 0.1 if end == "late" else None
            large = asyncio.create_task(engine.answer("/sentiment", ["fim"] * 40, None, deadline=deadline))
            while not reached.is_set():
                await asyncio.sleep(0.001)
            if end == "gone":
                large.cancel()
            (outcome,) = await asyncio.gather(large, return_exceptions=True)
            opened.set()
            (last,) = await engine.answer("/sentiment", [GOOD], None)
            return outcome, last

        outcome, last = asyncio.run(ask())
    assert isinstance(outcome, RequestError if end == "late" else asyncio.CancelledError)
    assert last.prediction.label == "positive"
    assert seen == [4, 1]  # one slice, and the text that came after


@pytest.mark.parametrize("end", ["gone", "late"])
def test_the_rest_of_a_long_text_is_not_run_once_its_job_has_ended(tiny_ner, monkeypatch, end):
    gate = Gate()
    watch(monkeypatch, gate)
    with engine_of(tiny_ner, batch_tokens=64) as engine:
        gate.close()

        async def ask():
            deadline = time.monotonic() + 0.3 if end == "late" else None
            long = asyncio.create_task(engine.answer("/ner", ["Musa a Kano " * 300], "hau", deadline=deadline))
            while not gate.reached.is_set():
                await asyncio.sleep(0.001)
            if end == "gone":
                long.cancel()
            await asyncio.gather(long, return_exceptions=True)
            gate.opened.set()
            return await engine.answer("/ner", ["Musa"], "hau")

        (last,) = asyncio.run(ask())
    assert [entity.text for entity in last.prediction.entities] == ["Musa"]
    assert len(gate.rows) == 2  # one window, and the text that came after
