"""What Python does not count as an error, such as a panic in Rust, fails its own request and ends no thread."""

from __future__ import annotations

import asyncio
import logging

import pytest
from engines import engine_of, living, watch

from gradsim_serving.observing.observer import STAGES, Observer
from gradsim_shared.errors import BundleError, RequestError

GOOD = "Wannan fim yana da kyau sosai"
BAD = "fim " * 30  # 31 tokens: no other text here has as many


class Panic(BaseException):
    """As the one that Rust's bindings raise: no ``Exception``."""


async def outcomes(engine, *texts):
    """Ask for each text alone, at the same time; return each answer or error."""
    async with asyncio.timeout(20):
        return await asyncio.gather(
            *(engine.answer("/sentiment", [text], "hau") for text in texts), return_exceptions=True
        )


def check(engine, caplog):
    """Check that a bad text fails, those beside it do not, and the next ones do not."""
    before, failed, after = asyncio.run(outcomes(engine, GOOD, BAD, GOOD))
    assert isinstance(failed, RequestError)
    assert failed.code == "internal_error"
    (later,) = asyncio.run(outcomes(engine, GOOD))
    assert [answers[0].prediction.label for answers in (before, after, later)] == ["positive"] * 3
    assert "Zanbarawa" not in caplog.text


def test_a_panic_of_a_session(tiny, monkeypatch, caplog):
    def run(feed, outputs):
        if (feed["attention_mask"].sum(axis=1) == 31).any():
            raise Panic("the text was: Zanbarawa")
        return outputs

    watch(monkeypatch, run)
    with engine_of(tiny) as engine, caplog.at_level(logging.DEBUG):
        check(engine, caplog)
    assert "Panic" in caplog.text


@pytest.mark.parametrize("runners", [1, 2])
def test_a_panic_of_a_tokenizer(tiny, monkeypatch, caplog, runners):
    with engine_of(tiny, threads=runners, runners=runners) as engine, caplog.at_level(logging.DEBUG):
        model = engine.served["/sentiment"].models["g0"]
        read = model.read

        def panics(texts):
            if BAD in texts:
                raise Panic("the text was: Zanbarawa")
            return read(texts)

        monkeypatch.setattr(model, "read", panics)
        check(engine, caplog)
    assert "Panic" in caplog.text


def test_a_decoder_that_forgets_a_text(tiny, monkeypatch, caplog):
    with engine_of(tiny) as engine, caplog.at_level(logging.DEBUG):
        model = engine.served["/sentiment"].models["g0"]
        decode = model.decode

        def forgets(logits, texts, readings):
            return decode(logits, texts, readings)[BAD in texts :]

        monkeypatch.setattr(model, "decode", forgets)
        check(engine, caplog)


@pytest.mark.parametrize("broken", STAGES)
def test_a_fault_outside_of_model_and_tokenizer(tiny, broken):
    """An observer must never raise; if one does, the thread that meets it lives on all the same."""

    class Breaks(Observer):
        ill = False

        def stage(self, endpoint, name, seconds):
            if self.ill and name == broken:
                raise Panic

    observer = Breaks()
    with engine_of(tiny, observer=observer) as engine:
        observer.ill = True
        for _ in range(4):  # more than there are threads
            (failed,) = asyncio.run(outcomes(engine, GOOD))
            assert isinstance(failed, RequestError)
            assert failed.code == "internal_error"
        observer.ill = False
        (later,) = asyncio.run(outcomes(engine, GOOD))
        assert later[0].prediction.label == "positive"


def test_a_panic_at_a_canary_is_told_by_the_life_of_the_service(tiny, monkeypatch):
    ill = []

    def run(_, outputs):
        if ill:
            raise Panic("no memory")
        return outputs

    watch(monkeypatch, run)
    with living(tiny) as (lifecycle, _):
        ill.append(True)
        lifecycle._watch()
        with pytest.raises(RequestError, match="g0 of /sentiment does not answer"):
            lifecycle.require_ready()
        ill.clear()
        lifecycle._watch()
        lifecycle.require_ready()
    ill.append(True)
    with pytest.raises(BundleError, match="group g0 cannot run a batch of its longest texts: no memory"), living(tiny):
        pass
