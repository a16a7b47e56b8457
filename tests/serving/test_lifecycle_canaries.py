"""Canaries beside reloads, stops, deep queues and a first loading that failed."""

from __future__ import annotations

import asyncio
import threading

import pytest
import tiny_bundle
from engines import answers_of, living, watch

from gradsim_serving.app import create_engine
from gradsim_serving.options import HttpOptions, Options
from gradsim_shared.errors import BundleError, RequestError

GOOD = "Wannan fim yana da kyau sosai"


def test_a_failing_canary_of_a_replaced_bundle_leaves_the_service_ready(tmp_path, monkeypatch):
    bundle = tiny_bundle.build(tmp_path / "bundle")
    with living(bundle) as (lifecycle, engine):
        check = engine.check

        def fails_after_a_reload(*arguments, **options):
            monkeypatch.setattr(engine, "check", check)
            tiny_bundle.write_manifest(bundle, name="new", threshold=0.5)
            lifecycle.reload_now()
            raise ValueError("the old bundle")

        monkeypatch.setattr(engine, "check", fails_after_a_reload)
        lifecycle._watch()
        lifecycle.require_ready()
        assert lifecycle.manifests["/sentiment"].title == "new@1.0.0"


def test_a_reload_after_a_failed_first_load_makes_the_service_ready_and_canaries_go_on(tiny, monkeypatch):
    ill, ended = [True], threading.Event()
    watch(monkeypatch, lambda _, outputs: [outputs[0][:0]] if ill else outputs)
    lifecycle, engine = create_engine([tiny], Options(threads=1, canary_seconds=0.01))
    lifecycle._on_finished = lambda error: ended.set()
    lifecycle.start()
    try:
        assert ended.wait(20)
        with pytest.raises(RequestError, match="could not be loaded"):
            lifecycle.require_ready()
        ill.clear()
        lifecycle.reload_now()
        lifecycle.require_ready()
        assert answers_of(engine, "/sentiment", [GOOD], "hau")
        watched, watch_again = threading.Event(), lifecycle._watch
        lifecycle._watch = lambda: (watch_again(), watched.set())
        assert watched.wait(20)
        lifecycle.require_ready()
    finally:
        asyncio.run(lifecycle.stop(1))


@pytest.mark.parametrize(("timeout", "least", "most"), [(5, 60, 60), (300, 301, 400)])
def test_a_canary_may_wait_as_long_as_the_requests_in_front_of_it(tiny, monkeypatch, timeout, least, most):
    lifecycle, engine = create_engine([tiny], Options(threads=1, http=HttpOptions(timeout_seconds=timeout)))
    given = []
    monkeypatch.setattr(engine, "check", lambda served, group, seconds, **_: given.append(seconds))
    lifecycle.load()
    lifecycle._watch()
    assert len(given) == 4
    assert all(least <= seconds <= most for seconds in given)


def test_after_the_end_canaries_requests_and_reloads_are_refused_at_once(tiny):
    with living(tiny) as (lifecycle, engine):
        served = engine.served["/sentiment"]
    with pytest.raises(RequestError, match="being stopped"):
        engine.check(served, "g0", 0.2)
    with pytest.raises(BundleError, match="g0 does not answer: the service is being stopped"):
        lifecycle.reload_now()
