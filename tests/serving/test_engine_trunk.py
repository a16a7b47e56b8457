"""Groups on one trunk: one queue, one run of the trunk, the answers of the whole encoder; a fault stays where it is."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tiny_trunk
from engines import RunCounts, answers_of, engine_of, numbers, unsure, watch
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gradsim_serving.observing.metrics import Metrics

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


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def engines(request, tmp_path_factory):
    """Of the bundle on a trunk, and of that of whole models; both are sure of nothing."""
    root, (output, tags) = tmp_path_factory.mktemp("trunk"), request.param
    made = [tiny_trunk.build(root / str(whole), output, tags=tags, whole=whole) for whole in (False, True)]
    trunk, whole = (unsure(bundle, root / f"unsure-{bundle.name}") for bundle in made)
    options = {"threads": 2, "runners": 2, "batch_tokens": 96}
    with engine_of(trunk, **options) as one, engine_of(whole, **options) as other:
        yield one, other


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


@pytest.mark.parametrize("bundle", ["trunk_pooled", "trunk_hidden"])
def test_texts_of_all_groups_run_through_the_trunk_together(request, bundle):
    counts = RunCounts()
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


def test_groups_that_read_tokens_keep_a_queue_of_their_own(trunk_pooled):
    counts = RunCounts()
    with engine_of(trunk_pooled, observer=counts, runners=1) as engine:
        counts.clear()
        answers_of(engine, ENDPOINT, ["Wannan fim", "ይህ ፊልም"], ["hau", "amh"])
    assert sorted(counts.batches) == [("g3", 1, 3), ("trunk", 1, 3)]
    assert counts.tops == [("g0", 1)]
    assert counts.waiting == {"trunk", "g3"}


def test_a_text_that_several_groups_answer_runs_through_the_trunk_once(trunk_pooled, tmp_path):
    counts = RunCounts()
    with engine_of(unsure(trunk_pooled, tmp_path / "unsure"), observer=counts, runners=1, batch_tokens=8) as engine:
        counts.clear()
        texts = ["sweet fim nzuri", "dis film hii"]
        answers = answers_of(engine, ENDPOINT, texts, None, policy="soft")
    mixed = [{group for group, _ in answer.route.mixture} for answer in answers]
    assert all(len(groups & set(tiny_trunk.ON_TRUNK)) > 1 for groups in mixed)
    assert [batch for batch in counts.batches if batch[0] == "trunk"] == [("trunk", 1, 4)] * 2  # 8 tokens are a batch
    assert len(counts.tops) == sum(len(groups & set(tiny_trunk.ON_TRUNK)) for groups in mixed)


def test_hidden_states_are_handed_on_without_a_copy(trunk_hidden, monkeypatch):
    kept, seen = [], []

    def change(feed, outputs):
        if "input_ids" in feed:
            kept.append(outputs[0])
        else:
            seen.append(np.shares_memory(feed["hidden_states"], kept[-1]))
        return outputs

    watch(monkeypatch, change)
    with engine_of(trunk_hidden, runners=1) as engine:
        seen.clear()
        answers_of(engine, ENDPOINT, ["Wannan fim"] * 4, ["hau", "swa", "hau", "pcm"])
    assert seen == [True] * 3


def test_figures_count_runs_of_trunk_and_groups_and_each_token_once(trunk_pooled):
    metrics = Metrics()
    with engine_of(trunk_pooled, observer=metrics, runners=1) as engine:
        before = figures(metrics)
        answers_of(engine, ENDPOINT, ["Wannan fim"] * 3, ["hau", "swa", "hau"])
        after = figures(metrics)
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    assert {group: texts for (name, group), texts in grown.items() if name == "gradsim_batch_texts_sum"} == {
        "trunk": 3,
        "g0": 2,
        "g1": 1,
    }
    assert grown["gradsim_tokens_total", "trunk"] == 9
    assert grown["gradsim_batch_tokens_sum", "trunk"] == 24  # padded to 8
    assert not {name for name, group in grown if group in ("g0", "g1")} & {
        "gradsim_tokens_total",
        "gradsim_batch_tokens_sum",
    }


def figures(metrics):
    """Return every figure with a group, by its name and the group."""
    families = text_string_to_metric_families(metrics.text().decode())
    samples = [sample for family in families for sample in family.samples if "le" not in sample.labels]
    return {(sample.name, sample.labels["group"]): sample.value for sample in samples if "group" in sample.labels}
