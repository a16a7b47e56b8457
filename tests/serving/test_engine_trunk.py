"""Groups on one trunk: one queue, one run of the trunk, the answers of the whole encoder; a fault stays where it is."""

from __future__ import annotations

import asyncio
import shutil
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import tiny_trunk
from engines import answers_of, engine_of, living, unsure, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles import model_cache
from gradsim_serving.bundles.loading import Loaded, load_bundle
from gradsim_serving.observing.observer import Observer
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import BundleError, RequestError

CODES = list(tiny_trunk.SERVED_BY)
TEXTS = st.sampled_from([*tiny_trunk.TEXTS, "Привет", "a " * 90, "sweet fim nzuri"])
REQUESTS = st.lists(
    st.tuples(
        st.lists(st.tuples(TEXTS, st.sampled_from([None, None, *CODES])), min_size=1, max_size=9),
        st.sampled_from([None, "soft"]),
    ),
    min_size=1,
    max_size=12,
)
KINDS = {"pooled": ("pooled", False), "hidden": ("hidden", False), "tags": ("hidden", True)}
ENDPOINT = "/sentiment"


@dataclass
class Counts(Observer):
    """Remembers which models ran on how many texts."""

    batches: list[tuple[str, int, int]] = field(default_factory=list)
    tops: list[tuple[str, int]] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)

    def batch(self, endpoint, group, texts, tokens, padded_tokens):  # noqa: D102
        self.batches.append((group, texts, tokens))

    def top(self, endpoint, group, texts):  # noqa: D102
        self.tops.append((group, texts))

    def queued(self, endpoint, group, texts):  # noqa: D102
        self.waiting.add(group)

    def clear(self):
        """Forget everything."""
        for each in (self.batches, self.tops, self.waiting):
            each.clear()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def engines(request, tmp_path_factory):
    """Of the bundle on a trunk, and of that of whole models; both are sure of nothing."""
    root, (output, tags) = tmp_path_factory.mktemp("trunk"), request.param
    made = [tiny_trunk.build(root / str(whole), output, tags=tags, whole=whole) for whole in (False, True)]
    trunk, whole = (unsure(bundle, root / f"unsure-{bundle.name}") for bundle in made)
    options = {"threads": 2, "runners": 2, "batch_tokens": 96}
    with engine_of(trunk, **options) as one, engine_of(whole, **options) as other:
        yield one, other


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    return tiny_trunk.build(tmp_path_factory.mktemp("trunk") / "pooled")


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    return tiny_trunk.build(tmp_path_factory.mktemp("trunk") / "hidden", "hidden")


def numbers(prediction):
    """Return all numbers of a prediction."""
    if hasattr(prediction, "scores"):
        return list(prediction.scores.values())
    return [number for found in prediction.entities for number in (found.start, found.end, found.score)]


@given(requests=REQUESTS)
@settings(max_examples=30)
def test_concurrent_requests_get_the_answers_of_the_whole_encoder(engines, requests):
    async def ask(engine):
        (endpoint,) = engine.served
        asked = (
            engine.answer(endpoint, [text for text, _ in entries], [code for _, code in entries], policy=policy)
            for entries, policy in requests
        )
        return [answer for answers in await asyncio.gather(*asked) for answer in answers]

    on_trunk, whole = (asyncio.run(ask(engine)) for engine in engines)
    assert len(on_trunk) == sum(len(entries) for entries, _ in requests)
    for mine, expected in zip(on_trunk, whole, strict=True):
        assert (mine.route, mine.truncated) == (expected.route, expected.truncated)
        assert numbers(mine.prediction) == pytest.approx(numbers(expected.prediction), abs=1e-5)


@pytest.mark.parametrize("bundle", ["pooled", "hidden"])
def test_texts_of_all_groups_run_through_the_trunk_together(request, bundle):
    counts = Counts()
    with engine_of(request.getfixturevalue(bundle), observer=counts, runners=1) as engine:
        counts.clear()
        answers_of(
            engine,
            ENDPOINT,
            ["Wannan fim"] * 2 + ["Filamu hii"] * 3 + ["Dis film"],
            ["hau"] * 2 + ["swa"] * 3 + ["pcm"],
        )
    assert counts.batches == [("trunk", 6, 18)]
    assert sorted(counts.tops) == [("g0", 2), ("g1", 3), ("g2", 1)]
    assert counts.waiting == {"trunk"}


def test_groups_that_read_tokens_keep_a_queue_of_their_own(pooled):
    counts = Counts()
    with engine_of(pooled, observer=counts, runners=1) as engine:
        counts.clear()
        answers_of(engine, ENDPOINT, ["Wannan fim", "ይህ ፊልም"], ["hau", "amh"])
    assert sorted(counts.batches) == [("g3", 1, 3), ("trunk", 1, 3)]
    assert counts.tops == [("g0", 1)]
    assert counts.waiting == {"trunk", "g3"}


def test_a_text_that_several_groups_answer_runs_through_the_trunk_once(pooled, tmp_path):
    counts = Counts()
    with engine_of(unsure(pooled, tmp_path / "unsure"), observer=counts, runners=1, batch_tokens=8) as engine:
        counts.clear()
        texts = ["sweet fim nzuri", "dis film hii"]
        answers = answers_of(engine, ENDPOINT, texts, None, policy="soft")
    mixed = [{group for group, _ in answer.route.mixture} for answer in answers]
    assert all(len(groups & set(tiny_trunk.ON_TRUNK)) > 1 for groups in mixed)
    assert [batch for batch in counts.batches if batch[0] == "trunk"] == [("trunk", 1, 4)] * 2  # 8 tokens are a batch
    assert len(counts.tops) == sum(len(groups & set(tiny_trunk.ON_TRUNK)) for groups in mixed)


def test_hidden_states_are_handed_on_without_a_copy(hidden, monkeypatch):
    kept, seen = [], []

    def change(feed, outputs):
        if "input_ids" in feed:
            kept.append(outputs[0])
        else:
            seen.append(np.shares_memory(feed["hidden_states"], kept[-1]))
        return outputs

    watch(monkeypatch, change)
    with engine_of(hidden, runners=1) as engine:
        seen.clear()
        answers_of(engine, ENDPOINT, ["Wannan fim"] * 4, ["hau", "swa", "hau", "pcm"])
    assert seen == [True] * 3


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
def test_a_bad_text_fails_its_own_request_only(hidden, monkeypatch, caplog, fault):
    watch(monkeypatch, fault)
    requests = [(["Wannan fim"] * (number % 3 + 1), CODES[number % 3]) for number in range(20)]
    requests[7] = (["Wannan fim", BAD, "Wannan fim"], "hau")

    async def ask(engine):
        asked = (engine.answer(ENDPOINT, *request) for request in requests)
        return await asyncio.gather(*asked, return_exceptions=True)

    with engine_of(hidden, runners=1) as engine:
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


def test_a_group_whose_model_fails_costs_the_others_no_further_run(hidden, monkeypatch):
    counts, ill = Counts(), []

    def change(feed, outputs):
        if ill and "hidden_states" in feed and feed["hidden_states"].shape[0] == 3:  # those of g1
            raise ValueError("ill")
        return outputs

    watch(monkeypatch, change)
    with engine_of(hidden, observer=counts, runners=1) as engine:
        counts.clear()
        ill.append(True)
        answers = answers_of(engine, ENDPOINT, ["Filamu hii"] * 3 + ["Wannan fim"], ["swa"] * 3 + ["hau"])
    assert len(answers) == 4
    assert [texts for _, texts, _ in counts.batches] == [4, 1, 2]  # all, then halves of the three
    assert sorted(counts.tops) == [("g0", 1), ("g1", 1), ("g1", 2)]


def test_a_canary_goes_through_trunk_and_top(hidden, monkeypatch):
    def change(feed, outputs):
        return [outputs[0] * np.nan] if "input_ids" in feed and outputs[0].shape[-1] == tiny_trunk.WIDTH else outputs

    watch(monkeypatch, change)
    with pytest.raises(BundleError, match="group g0 does not answer"), engine_of(hidden):
        pass


def test_a_reload_to_another_trunk_loses_no_request(pooled, tmp_path):
    served = tmp_path / "served"
    shutil.copytree(pooled, served)
    other = shutil.copytree(pooled, tmp_path / "other")
    shutil.copy(other / "groups/g1/top.onnx", other / "groups/g0/top.onnx")
    tiny_trunk.write_manifest(other, name="other")
    with living(served, runners=2, threads=2) as (lifecycle, engine):
        loop_ends = threading.Event()

        def reload():
            for source in (other, pooled, other):
                shutil.copytree(source, served, dirs_exist_ok=True)
                lifecycle.reload_now()
            loop_ends.set()

        async def ask():
            answered = []
            reloading = asyncio.create_task(asyncio.to_thread(reload))
            while not loop_ends.is_set() or len(answered) < 50:
                asked = (engine.answer(ENDPOINT, ["Wannan fim"], code) for code in CODES)
                answered += [answers[0].bundle for answers in await asyncio.gather(*asked)]
            await reloading
            return answered, (await engine.answer(ENDPOINT, ["Wannan fim"] * 2, ["hau", "swa"]))

        answered, (hau, swa) = asyncio.run(ask())
    assert set(answered) == {"trunked@1.0.0", "other@1.0.0"}
    assert hau.bundle == "other@1.0.0"
    assert numbers(hau.prediction) == pytest.approx(numbers(swa.prediction), abs=1e-6)


def test_the_trunk_stays_where_memory_is_short_and_tops_come_and_go(pooled, monkeypatch):
    size = {file.name: file.stat().st_size for file in pooled.rglob("*.onnx")}
    monkeypatch.setattr(model_cache, "MEGABYTE", size["trunk.onnx"] + size["top.onnx"] + size["wide.onnx"])
    with engine_of(pooled, runners=1) as free:
        expected = answers_of(free, ENDPOINT, tiny_trunk.TEXTS, None)
    with engine_of(pooled, memory_mb=1, runners=1) as engine:
        models = engine.served[ENDPOINT].models
        (trunk,) = {model.trunk.session for model in models.values() if model.trunk is not None}
        for code in ("hau", "swa", "hau"):
            answers_of(engine, ENDPOINT, ["Wannan fim"], code)
            assert models[tiny_trunk.SERVED_BY[code]].in_memory
            assert trunk.in_memory
        found = answers_of(engine, ENDPOINT, tiny_trunk.TEXTS, None)
    assert [answer.prediction for answer in found] == [answer.prediction for answer in expected]


def test_bundles_that_hold_the_same_trunk_have_it_in_memory_once(hidden, tmp_path):
    tags = tiny_trunk.build(tmp_path / "tags", "hidden", tags=True)
    loaded = Loaded()
    served = [load_bundle(open_bundle(bundle), SessionSettings(), loaded) for bundle in (hidden, tags)]
    sessions = {model.trunk.session for each in served for model in each.models.values() if model.trunk is not None}
    assert len(sessions) == 1
    assert loaded.count("model") == 1 + 3 + 2 + 3 + 1  # the trunk, tops, g3 and n-grams of texts, tops and g3 of tags


def test_the_trunk_is_warmed_up_once_and_every_top_with_it(hidden, monkeypatch):
    runs = []
    watch(monkeypatch, lambda feed, outputs: (runs.append(next(iter(feed.values())).shape[:2]), outputs)[1])
    load_bundle(open_bundle(hidden), SessionSettings(warm_tokens=256))
    longest = tiny_trunk.LONGEST
    assert runs.count((1, longest)) == 1 + 3 + 1  # trunk, tops, the whole encoder of g3
    assert runs.count((256 // longest, longest)) == 5


def test_both_kinds_are_served_beside_each_other(hidden, tmp_path):
    tags = tiny_trunk.build(tmp_path / "tags", "hidden", tags=True)
    with engine_of(hidden, tags) as engine:
        (text,), (words,) = (
            answers_of(engine, endpoint, ["Wannan fim yana da kyau"], "hau") for endpoint in (ENDPOINT, "/ner")
        )
    assert text.prediction.label in text.prediction.scores
    assert words.prediction.entities is not None
