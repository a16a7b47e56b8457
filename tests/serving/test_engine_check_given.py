"""Checks of given languages by the identifier: the right share, at every position, each counted once."""

from __future__ import annotations

import concurrent.futures
from collections import Counter

import pytest
from engines import answers_of, engine_of

from gradsim_serving.engine.completion import fail
from gradsim_serving.engine.job import Job, JobSlice
from gradsim_serving.engine.preprocessing import Preprocessor, given_routes
from gradsim_serving.observing.observer import Observer
from gradsim_shared.segments import Pair

GOOD, SWEET = "Wannan fim yana da kyau sosai", "Dis food sweet well well"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.34, 0.5, 0.7, 0.9, 1.0])
def test_the_checked_share_is_exact_and_covers_every_position_of_a_request(tiny, monkeypatch, share):
    with engine_of(tiny, check_given=share) as engine:
        identifier = engine.served["/sentiment"].identifier
        identify, asked = identifier.identify, Counter()

        def identifies(texts):
            asked.update(texts)
            return identify(texts)

        monkeypatch.setattr(identifier, "identify", identifies)
        places = [f"fim {place}" for place in range(10)]
        for _ in range(100):
            answers_of(engine, "/sentiment", places, "hau")
    assert asked.total() == pytest.approx(share * 1000, abs=3)
    for place in places:
        assert asked[place] == pytest.approx(share * 100, abs=5)


class Counts(Observer):
    """Remembers routes and checks."""

    def __init__(self):
        self.routes, self.checks = [], []

    def routed(self, endpoint, route):  # noqa: D102
        self.routes.append((route.language, route.reason))

    def given_checked(self, endpoint, language, agrees):  # noqa: D102
        self.checks.append((language, agrees))


def test_a_pair_of_two_given_languages_is_not_checked(tiny_pairs):
    counts = Counts()
    with engine_of(tiny_pairs, observer=counts, check_given=1.0) as engine:
        answers_of(engine, "/nli", [Pair(GOOD, SWEET), Pair(GOOD, GOOD)], [["hau", "pcm"], "hau"])
    assert counts.checks == [("hau", True)]


def test_retried_preprocessing_is_counted_once(tiny, monkeypatch):
    with engine_of(tiny) as engine:
        served = engine.served["/sentiment"]
    read = served.models["g0"].read

    def fails(texts):
        if "bad" in texts:
            raise ValueError("bad")
        return read(texts)

    monkeypatch.setattr(served.models["g0"], "read", fails)
    requests = [([GOOD, GOOD], [None, "hau"]), (["bad"], ["hau"]), ([SWEET], [None])]
    parts = [
        JobSlice(
            Job(served, texts, given_routes(served, texts, codes), None, 1e9, concurrent.futures.Future()),
            0,
            len(texts),
        )
        for texts, codes in requests
    ]
    counts = Counts()
    found = Preprocessor(counts, fail, 1.0).process(parts)
    assert [(waiting.job, waiting.index) for waiting in found] == [
        (parts[0].job, 0),
        (parts[0].job, 1),
        (parts[2].job, 0),
    ]
    assert parts[1].job.future.exception().code == "internal_error"
    assert counts.checks == [("hau", True)]
    assert sorted(counts.routes) == [("hau", "given"), ("hau", "identified"), ("pcm", "identified")]
