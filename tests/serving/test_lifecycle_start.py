"""A service becomes ready when every group has answered, and is not ready while one does not."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tiny_bundle
from engines import Gate, answers_of, engine_of, living, ready, session, unsure, watch

from gradsim_runtime.sessions import SessionSettings, open_session
from gradsim_serving.app import create_app, create_engine
from gradsim_serving.bundles.loading import load_bundle, load_group_model
from gradsim_serving.options import HttpOptions, Options
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import BundleError, RequestError, SettingsError

GOOD = "Wannan fim yana da kyau sosai"


def test_live_at_once_and_not_ready_before_every_group_has_answered(tiny, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    gate.close()

    async def ask(http):
        while not gate.reached.is_set():
            await asyncio.sleep(0.001)
        early = [await http.get("/readyz"), await http.post("/sentiment", json={"texts": ["a"]})]
        live = await http.get("/livez")
        gate.opened.set()
        await ready(http)
        return early, live, await http.post("/sentiment", json={"texts": ["a"]})

    early, live, answered = session(create_app([tiny], Options(threads=1)), ask)
    assert live.status_code == answered.status_code == 200
    for response in early:
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "not_ready"
        assert int(response.headers["retry-after"]) >= 1


def test_a_group_that_stops_answering_makes_the_service_not_ready_until_it_answers_again(tiny, monkeypatch, caplog):
    ill = []

    def change(_, outputs):
        return [outputs[0] * np.nan] if ill else outputs

    watch(monkeypatch, change)

    async def ask(http):
        await ready(http)
        ill.append(True)
        while (found := await http.get("/readyz")).status_code == 200:
            await asyncio.sleep(0.005)
        ill.clear()
        await ready(http)
        return found

    with caplog.at_level(logging.INFO):
        found = session(create_app([tiny], Options(threads=1, canary_seconds=0.02)), ask)
    assert found.status_code == 503
    assert "group g0 of /sentiment does not answer" in found.json()["error"]["message"]
    assert "ValueError" in caplog.text
    assert "answers again" in caplog.text


def test_outputs_that_are_not_finite_are_never_served(tiny, monkeypatch):
    watch(monkeypatch, lambda _, outputs: [outputs[0] * np.nan])
    failures: list[object] = []

    async def ask(http):
        while not failures:
            await asyncio.sleep(0.005)
        return await http.get("/readyz")

    found = session(create_app([tiny], Options(threads=1), finished=failures.append), ask)
    assert found.status_code == 503
    assert isinstance(failures[0], BundleError)
    assert "group g0 does not answer: the model's outputs are not finite" in str(failures[0])


def test_an_internal_error_is_500_without_details_and_logs_no_text(tiny, tmp_path, monkeypatch, caplog):
    async def ask(http):
        await ready(http)
        monkeypatch.setattr("gradsim_shared.decode.text_classification.mixed_logits", broken)
        return await http.post("/sentiment", json={"texts": ["sweet fim nzuri Zanbarawa"], "policy": "soft"})

    def broken(*_):
        raise ValueError("the text was: Zanbarawa")

    with caplog.at_level(logging.DEBUG):
        response = session(create_app([unsure(tiny, tmp_path / "unsure")], Options(threads=1)), ask)
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "Zanbarawa" not in response.text + caplog.text
    assert "ValueError" in caplog.text
    assert "test_lifecycle_start.py" in caplog.text


def test_a_request_that_takes_too_long_is_504(tiny):
    async def ask(http):
        await ready(http)
        return await http.post("/sentiment", json={"texts": ["a"]})

    response = session(create_app([tiny], Options(threads=1, http=HttpOptions(timeout_seconds=0.0))), ask)
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "timeout"


def test_a_service_that_is_told_to_stop_finishes_and_refuses(tiny, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    app = create_app([tiny], Options(threads=1))

    async def ask(http):
        await ready(http)
        gate.close()
        held = asyncio.create_task(http.post("/sentiment", json={"texts": [GOOD]}))
        while not gate.reached.is_set():
            await asyncio.sleep(0.001)
        app.state.lifecycle.close()
        refused = [await http.post("/sentiment", json={"texts": [GOOD]}), await http.get("/readyz")]
        gate.opened.set()
        return refused, await held

    refused, held = session(app, ask)
    assert held.status_code == 200
    assert [response.json()["error"]["code"] for response in refused] == ["shutting_down"] * 2
    assert {response.status_code for response in refused} == {503}


def test_two_bundles_for_one_endpoint_are_refused(tiny, tmp_path):
    other = tiny_bundle.build(tmp_path / "other", name="other")
    with pytest.raises(BundleError, match="both answer /sentiment; name one"):
        create_app([tiny, other])


def test_a_task_without_a_decoder_is_refused(tmp_path):
    bundle = tiny_bundle.build(tmp_path / "other")
    tiny_bundle.write_manifest(bundle, task="text_clasification", threshold=0.5)
    with pytest.raises(BundleError, match=r"unknown task 'text_clasification'\. Did you mean text_classification"):
        create_app([bundle])


@pytest.mark.parametrize("file", ["identifier.ftz", "groups/g1/model.onnx", "groups/g1/tokenizer.json"])
def test_files_that_are_whole_but_no_model_are_refused(tmp_path, file):
    bundle = tiny_bundle.build(tmp_path / "other")
    (bundle / file).write_bytes(b"no model")
    tiny_bundle.write_manifest(bundle, threshold=0.5)
    with pytest.raises(BundleError, match=Path(file).name if "identifier" in file else "group g1 cannot be loaded"):
        load_bundle(open_bundle(bundle), SessionSettings())


def test_below_the_threshold_the_fallback_answers(tmp_path):
    with engine_of(tiny_bundle.build(tmp_path / "sure", threshold=1.0)) as engine:
        (answer,) = answers_of(engine, "/sentiment", ["sweet fim"], None, policy="fallback")
    assert (answer.route.reason, answer.route.group) == ("fallback", "g0")


def test_logits_do_not_depend_on_the_batch(tiny):
    bundle = open_bundle(tiny)
    model = load_group_model(bundle, bundle.manifest.groups[1], SessionSettings())
    texts = [text for language in ("pcm", "amh") for text, _ in tiny_bundle.sentences(language)] * 20 + ["", "a " * 500]
    together = model.logits(texts)
    assert [logits.shape for logits in together] == [(1, 3)] * len(texts)
    for row in range(0, len(texts), 37):
        assert together[row][0] == pytest.approx(model.logits([texts[row]])[0][0], abs=1e-6)


GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_refused_if_named_and_said_if_not(tiny, caplog):
    model = tiny / "groups/g0/model.onnx"
    if GPU in onnxruntime.get_available_providers():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingsError, match="onnxruntime could not start CUDAExecutionProvider and took CPU"):
        open_session(model, SessionSettings("cuda", strict=True))
    assert open_session(model, SessionSettings("cuda")).get_providers() == [CPU]
    assert "cuda cannot run the models" in caplog.text


@pytest.mark.parametrize("settings", [{"arena": False}, {"optimisation": "none"}, {"threads": 2}, {"runners": 2}])
def test_settings_of_the_runtime_change_no_answer(tiny, settings):
    with engine_of(tiny) as one, engine_of(tiny, **settings) as other:
        found = [answers_of(engine, "/sentiment", [GOOD], None)[0].prediction.scores for engine in (one, other)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_a_canary_that_hangs_is_found(tiny, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    with living(tiny) as (lifecycle, engine):
        served = engine.served["/sentiment"]
        gate.close()
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            engine.check(served, "g0", 0.05)
        assert time.monotonic() - begin < 15
        gate.opened.set()
        engine.check(served, "g0", 20)
        lifecycle.require_ready()
        lifecycle.close()
        with pytest.raises(RequestError, match="being stopped"):
            lifecycle.require_ready()


def test_options_are_immutable():
    with pytest.raises(AttributeError):
        Options().threads = 2
    assert replace(Options(), threads=2).threads == 2


def test_without_loading_nothing_is_served(tiny):
    lifecycle, engine = create_engine([tiny])
    with pytest.raises(RequestError, match="being loaded"):
        lifecycle.require_ready()
    with pytest.raises(RequestError, match="being loaded"):
        asyncio.run(engine.answer("/sentiment", ["a"], None))
