"""Bundles are reloaded under load without a failed request; replaced models are freed."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import threading
import time
import weakref

import fake_engine
import httpx
import onnx
import pytest
import tiny_bundle
import tiny_tags
from engines import Gate, answers_of, living, watch

from gradsim_serving.app import create_app
from gradsim_serving.bundles import loading
from gradsim_serving.options import Options
from gradsim_shared.errors import BundleError, RequestError

GOOD = "Wannan fim yana da kyau sosai"


@pytest.fixture
def copy(tiny, tmp_path):
    """A bundle that may be changed."""
    return shutil.copytree(tiny, tmp_path / "bundle")


def put(directory, name):
    """Write another version of the bundle: the same files under another name."""
    tiny_bundle.write_manifest(directory, name=name, threshold=0.5)


def test_reload_under_load_fails_no_request(copy):
    with living(copy, threads=2, runners=2) as (lifecycle, engine):

        async def ask(titles, over):
            while not over.is_set():
                for answer in await engine.answer("/sentiment", [GOOD, "sweet well well"], None):
                    titles.append(answer.bundle)

        async def run():
            titles: list[str] = []
            over = asyncio.Event()
            asking = [asyncio.create_task(ask(titles, over)) for _ in range(8)]
            for number in range(3):
                before = len(titles)
                while len(titles) < before + 40:
                    await asyncio.sleep(0.001)
                put(copy, f"version{number}")
                summary = await lifecycle.reload()
                assert summary["/sentiment"]["after"] == f"version{number}@1.0.0"
            before = len(titles)
            while len(titles) < before + 40:
                await asyncio.sleep(0.001)
            over.set()
            await asyncio.gather(*asking)
            return titles

        titles = asyncio.run(run())
    assert list(dict.fromkeys(titles)) == ["tiny@1.0.0", *(f"version{number}@1.0.0" for number in range(3))]


def test_requests_admitted_before_a_reload_are_answered_by_the_old_bundle_which_is_then_freed(copy, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    with living(copy, threads=2, runners=2) as (lifecycle, engine):
        old = weakref.ref(engine.served["/sentiment"].router)
        gate.close()

        async def run():
            held = asyncio.create_task(engine.answer("/sentiment", [GOOD], "hau"))
            while not gate.reached.is_set():
                await asyncio.sleep(0.001)
            put(copy, "new")
            reloading = asyncio.create_task(lifecycle.reload())
            gate.opened.set()  # the canaries of the new one run in the same sessions: its files are the same
            await reloading
            return await held, await engine.answer("/sentiment", [GOOD], "hau")

        before, after = asyncio.run(run())
        assert (before[0].bundle, after[0].bundle) == ("tiny@1.0.0", "new@1.0.0")
        gc.collect()
        assert old() is None


@pytest.mark.parametrize("fault", ["changed", "no manifest", "no model", "does not answer", "another task"])
def test_a_broken_bundle_is_refused_and_the_old_one_stays(copy, monkeypatch, fault):
    ill = []
    watch(monkeypatch, lambda _, outputs: [outputs[0][:0]] if ill else outputs)
    with living(copy) as (lifecycle, engine):
        manifests = lifecycle.manifests
        if fault == "changed":
            (copy / "groups/g1/model.onnx").write_bytes(b"no model")
        elif fault == "no manifest":
            (copy / "manifest.json").write_text("{")
        elif fault == "no model":
            (copy / "groups/g1/model.onnx").write_bytes(b"no model")
            put(copy, "new")
        elif fault == "does not answer":
            put(copy, "new")
            ill.append(True)
        else:
            shutil.rmtree(copy)
            tiny_tags.build_ner(copy)
        with pytest.raises(BundleError):
            asyncio.run(lifecycle.reload())
        ill.clear()
        lifecycle.require_ready()
        assert lifecycle.manifests is manifests
        assert answers_of(engine, "/sentiment", [GOOD], "hau")[0].bundle == "tiny@1.0.0"


def pairs(directory):
    """Write a bundle of pairs."""
    return tiny_bundle.build(directory, task="pair_classification")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (tiny_tags.build_ner, "token_classification (text to Entities), not text_classification (text to Prediction);"),
        (pairs, "pair_classification (pair to Prediction), not text_classification (text to Prediction);"),
    ],
)
def test_a_bundle_that_answers_in_another_form_is_refused(copy, other, said):
    with (
        fake_engine.serving(create_app([copy], Options(threads=1, canary_seconds=0))) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        while client.get("/readyz").status_code != 200:
            time.sleep(0.01)
        shutil.rmtree(copy)
        manifest = other(copy) / "manifest.json"
        content = json.loads(manifest.read_text(encoding="utf-8"))
        manifest.write_text(json.dumps(content | {"endpoint": "sentiment"}), encoding="utf-8")
        refused = client.post("/admin/reload")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "reload_refused")
        assert f"{said} stop it and start it again" in refused.text
        text = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [GOOD]}]}
        assert client.post("/v2/models/sentiment/infer", json=text).status_code == 200


def test_a_signal_reloads_in_the_background_and_says_how_it_went(copy, caplog):
    caplog.set_level("INFO")

    def reload():
        lifecycle.reload_soon()
        for thread in threading.enumerate():
            if thread.name == "gradsim-reloading":
                thread.join(20)

    with living(copy) as (lifecycle, engine):
        put(copy, "new")
        reload()
        assert answers_of(engine, "/sentiment", [GOOD], "hau")[0].bundle == "new@1.0.0"
        (copy / "manifest.json").unlink()
        reload()
        assert answers_of(engine, "/sentiment", [GOOD], "hau")[0].bundle == "new@1.0.0"
    assert "reloaded: new@1.0.0" in caplog.text
    assert "not reloaded, what was served stays" in caplog.text


def test_the_models_of_an_old_version_leave_the_memory(copy, monkeypatch):
    opened = []

    watch(monkeypatch, lambda _, outputs: outputs)  # sessions of ours can be watched as they go
    module = "gradsim_serving.bundles.loading.open_session"
    opening = loading.open_session

    def remembered(*arguments):
        session = opening(*arguments)
        opened.append(weakref.ref(session))
        return session

    monkeypatch.setattr(module, remembered)
    with living(copy) as (lifecycle, engine):
        for number in range(3):
            model = onnx.load(copy / "groups/g0/model.onnx")
            model.doc_string = f"version {number}"
            onnx.save(model, copy / "groups/g0/model.onnx")
            put(copy, f"version{number}")
            lifecycle.reload_now()
            answers_of(engine, "/sentiment", [GOOD], "hau")
        gc.collect()
        assert len(opened) == 2 + 3  # g1 is the same file all the time
        assert len([session for session in opened if session() is not None]) == 2


def in_memory(engine):
    return sorted(group for group, model in engine.served["/sentiment"].models.items() if model.in_memory)


def test_the_least_recently_used_group_is_unloaded_and_loaded_again(tiny, monkeypatch):
    monkeypatch.setattr("gradsim_serving.bundles.model_cache.MEGABYTE", (tiny / "groups/g1/model.onnx").stat().st_size)
    with living(tiny, memory_mb=1) as (_, engine):
        assert in_memory(engine) == ["g1"]  # the last one that was loaded
        first = answers_of(engine, "/sentiment", [GOOD], "hau")
        assert in_memory(engine) == ["g0"]
        answers_of(engine, "/sentiment", ["sweet well well"], "pcm")
        assert in_memory(engine) == ["g1"]
        mixed = answers_of(engine, "/sentiment", [GOOD, "sweet well well"], ["hau", "pcm"])
        assert mixed[0].prediction == first[0].prediction
    with living(tiny, memory_mb=2) as (_, engine):
        assert in_memory(engine) == ["g0", "g1"]


def test_a_file_that_changed_while_its_group_was_out_of_memory_is_not_served(copy, monkeypatch):
    monkeypatch.setattr("gradsim_serving.bundles.model_cache.MEGABYTE", (copy / "groups/g1/model.onnx").stat().st_size)
    with living(copy, memory_mb=1) as (lifecycle, engine):
        content = (copy / "groups/g0/model.onnx").read_bytes()
        (copy / "groups/g0/model.onnx").write_bytes(content[:-1] + b"x")
        with pytest.raises(RequestError, match="failed to answer text 0"):
            answers_of(engine, "/sentiment", [GOOD], "hau")
        assert answers_of(engine, "/sentiment", ["sweet well well"], "pcm")[0].prediction.label == "positive"
        (copy / "groups/g0/model.onnx").write_bytes(content)
        assert answers_of(engine, "/sentiment", [GOOD], "hau")[0].prediction.label == "positive"
        lifecycle._watch()
        lifecycle.require_ready()
