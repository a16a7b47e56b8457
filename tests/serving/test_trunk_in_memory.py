"""A trunk in memory: once for all groups and bundles, kept where memory is short, exchanged without loss."""

from __future__ import annotations

import asyncio
import shutil
import threading

import onnx
import pytest
import tiny_trunk
from engines import answers_of, engine_of, living, numbers, watch

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles import model_cache
from gradsim_serving.bundles.loading import Loaded, load_bundle
from gradsim_shared.bundle import open_bundle

CODES = list(tiny_trunk.SERVED_BY)
ENDPOINT = "/sentiment"


def trunk_sessions(engine):
    """Return the sessions that the groups on a trunk stand on."""
    models = engine.served[ENDPOINT].models.values()
    return {model.trunk.session for model in models if model.trunk is not None}


def test_reloads_lose_no_request_and_a_trunk_that_stays_is_not_loaded_again(trunk_pooled, tmp_path):
    served = shutil.copytree(trunk_pooled, tmp_path / "served")
    heads = shutil.copytree(trunk_pooled, tmp_path / "heads")
    shutil.copy(heads / "groups/g1/top.onnx", heads / "groups/g0/top.onnx")
    tiny_trunk.write_manifest(heads, name="heads")
    all_new = shutil.copytree(heads, tmp_path / "all-new")
    trunk = onnx.load(all_new / "trunk/trunk.onnx")
    trunk.doc_string = "another file"
    onnx.save(trunk, str(all_new / "trunk/trunk.onnx"))
    tiny_trunk.write_manifest(all_new, name="all-new")
    with living(served, runners=2, threads=2) as (lifecycle, engine):
        sessions, done = [trunk_sessions(engine)], threading.Event()

        def reload():
            for source in (heads, all_new):
                shutil.copytree(source, served, dirs_exist_ok=True)
                lifecycle.reload_now()
                sessions.append(trunk_sessions(engine))
            done.set()

        async def ask():
            answered, reloading = [], asyncio.create_task(asyncio.to_thread(reload))
            while not done.is_set():
                asked = (engine.answer(ENDPOINT, ["Wannan fim"], code) for code in CODES)
                answered += [answers[0].bundle for answers in await asyncio.gather(*asked)]
            await reloading
            return answered, (await engine.answer(ENDPOINT, ["Wannan fim"] * 2, ["hau", "swa"]))

        answered, (hau, swa) = asyncio.run(ask())
    assert set(answered) <= {"trunked@1.0.0", "heads@1.0.0", "all-new@1.0.0"}
    assert hau.bundle == "all-new@1.0.0"
    assert numbers(hau.prediction) == pytest.approx(numbers(swa.prediction), abs=1e-6)
    assert [len(each) for each in sessions] == [1, 1, 1]
    assert sessions[0] == sessions[1] != sessions[2]


def test_the_trunk_stays_where_memory_is_short_and_tops_come_and_go(trunk_pooled, monkeypatch):
    size = {file.name: file.stat().st_size for file in trunk_pooled.rglob("*.onnx")}
    monkeypatch.setattr(model_cache, "MEGABYTE", size["trunk.onnx"] + size["top.onnx"] + size["wide.onnx"])
    with engine_of(trunk_pooled, runners=1) as free:
        expected = answers_of(free, ENDPOINT, tiny_trunk.TEXTS, None)
    with engine_of(trunk_pooled, memory_mb=1, runners=1) as engine:
        models = engine.served[ENDPOINT].models
        (trunk,) = {model.trunk.session for model in models.values() if model.trunk is not None}
        for code in ("hau", "swa", "hau"):
            answers_of(engine, ENDPOINT, ["Wannan fim"], code)
            assert models[tiny_trunk.SERVED_BY[code]].in_memory
            assert trunk.in_memory
        found = answers_of(engine, ENDPOINT, tiny_trunk.TEXTS, None)
    assert [answer.prediction for answer in found] == [answer.prediction for answer in expected]


def test_bundles_that_hold_the_same_trunk_have_it_in_memory_once(trunk_hidden, tmp_path):
    tags = tiny_trunk.build(tmp_path / "tags", "hidden", tags=True)
    loaded = Loaded()
    served = [load_bundle(open_bundle(bundle), SessionSettings(), loaded) for bundle in (trunk_hidden, tags)]
    sessions = {model.trunk.session for each in served for model in each.models.values() if model.trunk is not None}
    assert len(sessions) == 1
    assert loaded.count("model") == 1 + 3 + 2 + 3 + 1  # the trunk, tops, g3 and n-grams of texts, tops and g3 of tags


def test_the_trunk_is_warmed_up_once_and_every_top_with_it(trunk_hidden, monkeypatch):
    runs = []
    watch(monkeypatch, lambda feed, outputs: (runs.append(next(iter(feed.values())).shape[:2]), outputs)[1])
    load_bundle(open_bundle(trunk_hidden), SessionSettings(warm_tokens=256))
    longest = tiny_trunk.LONGEST
    assert runs.count((1, longest)) == 1 + 3 + 1  # trunk, tops, the whole encoder of g3
    assert runs.count((256 // longest, longest)) == 5


def test_both_kinds_are_served_beside_each_other(trunk_hidden, tmp_path):
    tags = tiny_trunk.build(tmp_path / "tags", "hidden", tags=True)
    with engine_of(trunk_hidden, tags) as engine:
        (text,), (words,) = (
            answers_of(engine, endpoint, ["Wannan fim yana da kyau"], "hau") for endpoint in (ENDPOINT, "/ner")
        )
    assert text.prediction.label in text.prediction.scores
    assert words.prediction.entities is not None
