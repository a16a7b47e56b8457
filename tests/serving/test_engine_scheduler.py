"""Scheduler: the fullest goes first, nobody is passed over for long, batches stay within their tokens, nothing is lost.

How many texts wait is told right after every change.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
from collections import Counter

import pytest
from engines import Gate, engine_of, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.job import Job, QueuedText
from gradsim_serving.engine.scheduler import Scheduler
from gradsim_serving.observing.observer import Observer
from gradsim_shared.decoding import Reading
from gradsim_shared.routing import Route

SERVED = Served("/sentiment", None, None, None, {})
TEXTS = st.lists(
    st.tuples(st.sampled_from(["g0", "g1", "g2"]), st.integers(1, 60), st.booleans(), st.booleans()), max_size=60
)


def waiting(arrived, group, tokens, over=False, late=False, served=SERVED):
    """Return a text that waits; of a request that is over, or whose deadline has passed."""
    future = concurrent.futures.Future()
    job = Job(served, ["a"], [None], None, 5.0 if late else 1e9, future, arrived=arrived, ended=over)
    return QueuedText(job, 0, group, Route(None, None, group, None, "given"), Reading([[1] * tokens]), tokens)


@given(texts=TEXTS, limit=st.integers(1, 120))
@settings(deadline=None)
def test_batches_hold_live_texts_oldest_first_within_their_tokens(texts, limit):
    queues = Scheduler(limit, starvation_seconds=-math.inf)
    added = [waiting(float(number), *entry) for number, entry in enumerate(texts)]
    queues.add(added)
    assert queues.texts == len(added)
    told = {group: texts for _, group, texts in queues.changes()}
    assert told == Counter(one.group for one in added)
    by_group = {group: sum(one.tokens for one in added if one.group == group) for group in ("g0", "g1", "g2")}
    assert queues.full == sum(tokens >= limit for tokens in by_group.values())
    wanted = [one for one in added if not one.job.ended and one.job.deadline > 10]
    taken: list[QueuedText] = []
    while (batch := queues.take(10.0)) is not None:
        told |= {group: texts for _, group, texts in queues.changes()}
        assert sum(told.values()) == queues.texts
        assert {one.group for one in batch.texts} == {batch.queue}
        assert len(batch.texts) == 1 or sum(one.tokens for one in batch.texts) <= limit
        oldest = min((one for one in wanted if one not in taken), key=lambda one: one.job.arrived)
        assert batch.texts[0] is oldest
        taken += batch.texts
        later = [one for one in added if one.group == batch.queue and one.job.arrived > batch.texts[-1].job.arrived]
        assert told[batch.queue] <= len(later)
    told |= {group: texts for _, group, texts in queues.changes()}
    assert not any(told.values())
    assert sorted(taken, key=added.index) == wanted
    assert (queues.texts, queues.full, queues.oldest()) == (0, 0, None)


@given(texts=TEXTS, limit=st.integers(1, 120), starvation_seconds=st.integers(0, 70))
@settings(deadline=None)
def test_the_fullest_queue_goes_first_unless_a_text_is_starving(texts, limit, starvation_seconds):
    queues = Scheduler(limit, starvation_seconds=starvation_seconds)
    left = [waiting(float(number), group, tokens) for number, (group, tokens, *_) in enumerate(texts)]
    queues.add(left)
    while (batch := queues.take(60.0)) is not None:
        tokens = Counter()
        for one in left:
            tokens[one.group] += one.tokens
        if 60.0 - left[0].job.arrived > starvation_seconds:
            assert batch.texts[0] is left[0]
        else:
            assert tokens[batch.queue] == max(tokens.values())
        own = [one for one in left if one.group == batch.queue]
        assert batch.texts == own[: len(batch.texts)]
        left = [one for one in left if one not in batch.texts]
    assert not left


def test_the_queues_of_an_old_and_a_new_bundle_are_reported_as_one_sum():
    queues = Scheduler(10, starvation_seconds=-math.inf)
    new = Served("/sentiment", None, None, None, {})
    queues.add([waiting(0.0, "g0", 5), waiting(1.0, "g0", 5, served=new), waiting(2.0, "g0", 5, served=new)])
    assert queues.changes() == [("/sentiment", "g0", 3)]
    assert queues.take(10.0).served is SERVED
    assert queues.changes() == [("/sentiment", "g0", 2)]
    assert queues.take(10.0).served is new
    assert queues.changes() == [("/sentiment", "g0", 0)]
    assert queues.changes() == []


@pytest.mark.parametrize("another", [True, False])
def test_the_queue_metric_drops_when_clients_disconnect(tiny, monkeypatch, another):
    told, gate = {}, Gate()

    class Hears(Observer):
        def queued(self, endpoint, group, texts):
            told[group] = texts

    watch(monkeypatch, gate)
    with engine_of(tiny, observer=Hears()) as engine:
        gate.close()

        async def ask():
            held = asyncio.create_task(engine.answer("/sentiment", ["fim"], "hau"))
            while not gate.reached.is_set():
                await asyncio.sleep(0.001)
            gone = asyncio.create_task(engine.answer("/sentiment", ["sweet"], "pcm"))
            while told["g1"] != 1:
                await asyncio.sleep(0.001)
            gone.cancel()
            last = [asyncio.create_task(engine.answer("/sentiment", ["fim"], "hau"))] * another
            await asyncio.sleep(0)
            gate.opened.set()
            await asyncio.gather(held, *last)
            async with asyncio.timeout(20):
                while any(told.values()):
                    await asyncio.sleep(0.001)

        asyncio.run(ask())
