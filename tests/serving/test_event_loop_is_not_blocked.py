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


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/sentiment", {"texts": ["a"], "language": [1] * 200_000}, "language 0 is 1"),
        ("/sentiment", {"texts": [1] * 200_000}, "more than 256 texts"),
        ("/sentiment", {"texts": ["a"], **dict.fromkeys(map(str, range(50_000)))}, "more than 100 fields"),
        ("/models/sentiment", {"inputs": [1] * 200_000}, "inputs"),
        ("/models/sentiment", {"inputs": "a", "parameters": {"language": [1] * 200_000}}, "parameters.language"),
        ("/v2/models/sentiment/infer", {"inputs": [1] * 200_000}, "inputs"),
        ("/v2/models/sentiment/infer", {"inputs": [], "outputs": [1] * 200_000}, "inputs"),
    ],
)
def test_a_body_that_is_wrong_in_many_places_is_refused_for_the_first_few(tiny, monkeypatch, path, body, said):
    counts = []

    def counting(explain):
        def counted(errors, **limits):
            counts.append(len(errors))
            return explain(errors, **limits)

        return counted

    for name in ("explained", "explained_by_name"):
        monkeypatch.setattr(answers, name, counting(getattr(answers, name)))
    with fake_engine.running(tiny, max_body_bytes=2**22) as service:
        refused = service.client.post(path, json=body)
    assert refused.status_code == 422
    assert said in refused.text
    assert max(counts, default=0) < 5


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
