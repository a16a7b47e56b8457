"""Long responses are written in a thread: meanwhile other requests are answered."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import fake_engine
import pytest

from gradsim_serving.http import information
from gradsim_serving.http import texts as answers


def is_on_a_loop() -> bool:
    """Say whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(
    ("texts", "on_the_loop"), [(["a b"], True), (["a b"] * 16, True), (["a b"] * 200, False), (["a b" * 4000], False)]
)
def test_long_answers_are_written_in_a_thread(tiny, monkeypatch, texts, on_the_loop):
    places, write = [], answers.results_json

    def noted(*arguments):
        places.append(is_on_a_loop())
        return write(*arguments)

    monkeypatch.setattr(answers, "results_json", noted)
    with fake_engine.running(tiny) as service:
        assert len(service.ask(*texts).json()["predictions"]) == len(texts)
    assert places == [on_the_loop]


def test_the_document_is_written_in_a_thread_and_once_after_each_reload(tiny, monkeypatch):
    places, write = [], information.complete

    def noted(*arguments):
        places.append(is_on_a_loop())
        return write(*arguments)

    monkeypatch.setattr(information, "complete", noted)
    with fake_engine.running(tiny) as service, ThreadPoolExecutor(4) as several:
        for reloads in (1, 2):
            found = list(several.map(lambda _: service.client.get("/openapi.json").content, range(8)))
            assert len(set(found)) == 1
            assert places == [False] * reloads
            assert service.client.post("/admin/reload").status_code == 200
