"""A failing text fails its own request only; the work of ended requests is dropped."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import numpy as np
import pytest
import tiny_bundle
from engines import Gate, answers_of, engine_of, watch

from gradsim_serving.observing.observer import Observer
from gradsim_shared.errors import RequestError

GOOD = "Wannan fim yana da kyau sosai"
BAD = "fim " * 30  # 31 tokens: no other text here has as many


def fails_on_bad(feed, outputs):
    if (feed["attention_mask"].sum(axis=1) == 31).any():
        raise ValueError("the text was: Zanbarawa")
    return outputs


def not_finite_for_bad(feed, outputs):
    outputs[0][feed["attention_mask"].sum(axis=1) == 31] = np.nan
    return outputs


def one_too_few_for_bad(feed, outputs):
    bad = (feed["attention_mask"].sum(axis=1) == 31).any()
    return [outputs[0][1:]] if bad else outputs


async def outcomes(engine, requests, **options):
    """Ask at the same time; return each answer or error."""
    return await asyncio.gather(
        *(engine.answer("/sentiment", texts, "hau", **options) for texts in requests), return_exceptions=True
    )


@pytest.mark.parametrize("fault", [fails_on_bad, not_finite_for_bad, one_too_few_for_bad])
def test_a_bad_text_fails_its_own_request_only(tiny, monkeypatch, caplog, fault):
    watch(monkeypatch, fault)
    requests = [[GOOD] * (number % 3 + 1) for number in range(20)]
    requests[7] = [GOOD, BAD, GOOD]
    with engine_of(tiny) as engine, caplog.at_level(logging.DEBUG):
        found = asyncio.run(outcomes(engine, requests))
        again = answers_of(engine, "/sentiment", [GOOD], "hau")
    error = found.pop(7)
    assert isinstance(error, RequestError)
    assert (error.code, error.index) == ("internal_error", 1)
    assert "Zanbarawa" not in str(error) + caplog.text
    assert "ValueError" in caplog.text
    for answers in found:
        assert [answer.prediction for answer in answers] == [again[0].prediction] * len(answers)


def test_a_text_that_cannot_be_read_fails_its_own_request_only(tiny, monkeypatch):
    with engine_of(tiny) as engine:
        identifier = engine.served["/sentiment"].identifier
        identify = identifier.identify

        def fails(texts):
            if "bad" in texts:
                raise ValueError("bad")
            return identify(texts)

        monkeypatch.setattr(identifier, "identify", fails)

        async def ask():
            return await asyncio.gather(
                *(engine.answer("/sentiment", [text], None) for text in (GOOD, "bad", GOOD)), return_exceptions=True
            )

        found = asyncio.run(ask())
    assert found[1].code == "internal_error"
    assert [answers[0].prediction.label for answers in (found[0], found[2])] == ["positive"] * 2


class Dropped(Observer):
    """Remembers what was dropped."""

    def __init__(self):
        self.why = []

    def dropped(self, endpoint, why):  # noqa: D102
        self.why.append((endpoint, why))


async def reached(gate):
    """Wait until a run stands at the gate."""
    while not gate.reached.is_set():
        await asyncio.sleep(0.001)


def test_requests_past_the_bound_are_refused_at_once(tiny, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    with engine_of(tiny, queue_texts=6) as engine:
        gate.close()

        async def ask():
            first = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau"))
            await reached(gate)
            rest = asyncio.create_task(outcomes(engine, [[GOOD] * 2] * 5))
            await asyncio.sleep(0)  # all five have asked
            await asyncio.sleep(0)
            gate.opened.set()
            return await first, await rest

        _, found = asyncio.run(ask())
        refused = [error for error in found if isinstance(error, RequestError)]
        assert [error.code for error in refused] == ["overloaded"] * 2
        assert all(1 <= error.retry_after <= 30 for error in refused)
        assert sorted(len(answers) for answers in found if isinstance(answers, list)) == [2] * 3
        assert len(answers_of(engine, "/sentiment", [GOOD] * 50, "hau")) == 50
        assert len(asyncio.run(outcomes(engine, [[GOOD] * 50]))[0]) == 50  # nothing waits: it may come in


def test_a_deadline_ends_a_request_in_time_and_its_work_is_not_run(tiny, monkeypatch):
    gate, dropped = Gate(), Dropped()
    watch(monkeypatch, gate)
    with engine_of(tiny, observer=dropped) as engine:
        gate.close()

        async def ask():
            first = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau", deadline=time.monotonic() + 60))
            await reached(gate)
            (late,) = await outcomes(engine, [[BAD]], deadline=time.monotonic() + 0.05)
            (past,) = await outcomes(engine, [[BAD]], deadline=time.monotonic() - 1)
            last = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau"))
            await asyncio.sleep(0)
            gate.opened.set()
            return late, past, await first, await last

        late, past, first, last = asyncio.run(ask())
    assert late.code == past.code == "timeout"
    assert first[0].prediction == last[0].prediction
    assert 31 not in gate.rows
    assert dropped.why == [("/sentiment", "timeout")] * 2


def test_work_for_a_client_that_has_gone_is_not_run(tiny, monkeypatch):
    gate, dropped = Gate(), Dropped()
    watch(monkeypatch, gate)
    with engine_of(tiny, observer=dropped) as engine:
        gate.close()

        async def ask():
            first = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau"))
            await reached(gate)
            gone = asyncio.create_task(engine.answer("/sentiment", [BAD], "hau"))
            await asyncio.sleep(0.01)
            gone.cancel()
            last = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau"))
            await asyncio.sleep(0)
            gate.opened.set()
            return await first, await last, await asyncio.gather(gone, return_exceptions=True)

        *_, (gone,) = asyncio.run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert 31 not in gate.rows
    assert dropped.why == [("/sentiment", "disconnected")]


def test_one_timer_serves_all_deadlines(tiny):
    with engine_of(tiny) as engine:

        async def ask():
            loop = asyncio.get_running_loop()
            for number in range(200):
                await engine.answer("/sentiment", [GOOD], "hau", deadline=time.monotonic() + 60 + number)
            return len(loop._scheduled)

        assert asyncio.run(ask()) <= 1


def test_texts_wait_for_no_other_group(tiny, monkeypatch):
    gate = Gate()
    watch(monkeypatch, lambda feed, outputs: gate(feed, outputs) if feed["input_ids"].shape[0] == 3 else outputs)
    with engine_of(tiny, threads=2, runners=2) as engine:
        gate.close()

        async def ask():
            held = asyncio.create_task(engine.answer("/sentiment", [GOOD] * 3, "hau"))
            await reached(gate)
            free = await engine.answer("/sentiment", ["sweet well well"], "pcm")
            assert not held.done()
            gate.opened.set()
            return free, await held

        free, held = asyncio.run(ask())
    assert free[0].prediction.label == "positive"
    assert len(held) == 3


def test_a_stopped_engine_answers_admitted_requests_and_refuses_others(tiny, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    others = set(threading.enumerate())
    with engine_of(tiny) as engine:
        gate.close()

        async def ask():
            held = [asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau")) for _ in range(5)]
            await reached(gate)
            stopping = asyncio.create_task(engine.stop(20))
            await asyncio.sleep(0)
            (refused,) = await outcomes(engine, [[GOOD]])
            gate.opened.set()
            await stopping
            return refused, [len(await one) for one in held]

        refused, found = asyncio.run(ask())
    assert refused.code == "shutting_down"
    assert found == [1] * 5
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("gradsim-engine")]
    for thread in set(mine) - others:
        thread.join(5)
        assert not thread.is_alive()


def test_requests_that_outlast_the_stop_are_refused(tiny, monkeypatch):
    monkeypatch.setattr("gradsim_serving.engine.engine.LAST_BATCH_SECONDS", 0.5)
    gate = Gate()
    watch(monkeypatch, gate)
    with engine_of(tiny) as engine:
        gate.close()

        async def ask():
            held = asyncio.create_task(outcomes(engine, [[GOOD]]))
            await reached(gate)
            await engine.stop(0.01)
            return await held

        (error,) = asyncio.run(ask())
        gate.opened.set()
    assert error.code == "shutting_down"


def test_the_observer_hears_of_everything(tiny):
    heard = []

    class Hears(Observer):
        def __getattribute__(self, name):
            return lambda *arguments: heard.append((name, *arguments))

    with engine_of(tiny, observer=Hears(), check_given=1.0) as engine:
        heard.clear()  # canaries
        texts = [text for text, _ in tiny_bundle.sentences("amh")][:3]
        answers_of(engine, "/sentiment", [*texts, GOOD], [None, "amh", "hau", None])
    kinds = {kind for kind, *_ in heard}
    assert kinds == {"stage", "batch", "queued", "routed", "predicted", "given_checked"}
    assert sorted(arguments[2:] for arguments in heard if arguments[0] == "given_checked") == [
        ("amh", True),
        ("hau", False),
    ]
    assert {arguments[2] for arguments in heard if arguments[0] == "stage"} == {
        "identify",
        "tokenise",
        "queue",
        "run",
        "decode",
    }
    assert sum(arguments[3] for arguments in heard if arguments[0] == "batch") == 4
    assert len([arguments for arguments in heard if arguments[0] == "predicted"]) == 4
