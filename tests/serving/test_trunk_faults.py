"""On a shared trunk a bad text fails its own request only, and a group whose model fails costs the others nothing."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tiny_trunk
from engines import RunCounts, answers_of, engine_of, numbers, watch

from gradsim_shared.errors import BundleError, RequestError

CODES = list(tiny_trunk.SERVED_BY)
ENDPOINT = "/sentiment"
BAD = "fim " * 30  # 31 tokens: no other text here has as many


def fails_in_a_top(feed, outputs):
    if "hidden_states" in feed and (feed["attention_mask"].sum(axis=1) == 31).any():
        raise ValueError("the text was: Zanbarawa")
    return outputs


def fails_in_the_trunk(feed, outputs):
    if {"input_ids", "attention_mask"} <= feed.keys() and (feed["attention_mask"].sum(axis=1) == 31).any():
        raise ValueError("the text was: Zanbarawa")
    return outputs


def not_finite_in_a_top(feed, outputs):
    if "hidden_states" in feed:
        outputs[0][feed["attention_mask"].sum(axis=1) == 31] = np.nan
    return outputs


@pytest.mark.parametrize("fault", [fails_in_a_top, fails_in_the_trunk, not_finite_in_a_top])
def test_a_bad_text_fails_its_own_request_only(trunk_hidden, monkeypatch, caplog, fault):
    watch(monkeypatch, fault)
    requests = [(["Wannan fim"] * (number % 3 + 1), CODES[number % 3]) for number in range(20)]
    requests[7] = (["Wannan fim", BAD, "Wannan fim"], "hau")

    async def ask(engine):
        asked = (engine.answer(ENDPOINT, *request) for request in requests)
        return await asyncio.gather(*asked, return_exceptions=True)

    with engine_of(trunk_hidden, runners=1) as engine:
        found = asyncio.run(ask(engine))
        alone = {code: answers_of(engine, ENDPOINT, ["Wannan fim"], code)[0] for code in CODES[:3]}
    error = found[7]
    assert isinstance(error, RequestError)
    assert (error.code, error.index) == ("internal_error", 1)
    assert "Zanbarawa" not in str(error) + caplog.text
    for number, ((_, code), answers) in enumerate(zip(requests, found, strict=True)):
        if number != 7:
            for answer in answers:
                assert numbers(answer.prediction) == pytest.approx(numbers(alone[code].prediction), abs=1e-5)


def test_a_group_whose_model_fails_costs_the_others_no_further_run(trunk_hidden, monkeypatch):
    counts, ill = RunCounts(), []

    def change(feed, outputs):
        if ill and "hidden_states" in feed and feed["hidden_states"].shape[0] == 3:  # those of g1
            raise ValueError("ill")
        return outputs

    watch(monkeypatch, change)
    with engine_of(trunk_hidden, observer=counts, runners=1) as engine:
        counts.clear()
        ill.append(True)
        answers = answers_of(engine, ENDPOINT, ["Filamu hii"] * 3 + ["Wannan fim"], ["swa"] * 3 + ["hau"])
    assert len(answers) == 4
    assert [texts for _, texts, _ in counts.batches] == [4, 1, 2]  # all, then halves of the three
    assert sorted(counts.tops) == [("g0", 1), ("g1", 1), ("g1", 2)]


def test_a_canary_goes_through_trunk_and_top(trunk_hidden, monkeypatch):
    def change(feed, outputs):
        return [outputs[0] * np.nan] if "input_ids" in feed and outputs[0].shape[-1] == tiny_trunk.WIDTH else outputs

    watch(monkeypatch, change)
    with pytest.raises(BundleError, match="group g0 does not answer"), engine_of(trunk_hidden):
        pass
