"""What the app does when it is not ready, overloaded, too slow or broken, and which bundles it accepts."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import httpx
import pytest
import tiny_bundle

from gradsim_serving import model_files
from gradsim_serving.answering import Answerer
from gradsim_serving.app import create_app
from gradsim_serving.model_files import load_group_model
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import BundleError, RequestError
from gradsim_shared.group_model import GroupModel


def ask(app, *bodies):
    """Start the app, wait until it is ready, send the bodies at the same time, and stop it."""

    async def session():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as http,
        ):
            while (await http.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)
            return await asyncio.gather(*(http.post("/sentiment", json=body) for body in bodies))

    return asyncio.run(session())


def test_not_ready_before_the_models_are_loaded(tiny):
    app = create_app([tiny])  # not started: nothing is loaded

    async def session():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as http:
            assert (await http.head("/readyz")).status_code == 503
            answers = [await http.get("/readyz"), await http.post("/sentiment", json={"texts": ["a"]})]
            return answers, await http.get("/livez")

    refused, live = asyncio.run(session())
    assert live.status_code == 200
    for response in refused:
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "not_ready"
        assert response.headers["retry-after"] == "1"


def test_a_full_queue_is_429_with_retry_after(tiny, monkeypatch):
    release, answer = threading.Event(), Answerer.answer

    def slow(*arguments):
        release.wait(5)
        return answer(*arguments)

    monkeypatch.setattr(Answerer, "answer", slow)
    app = create_app([tiny], threads=1, queue=1)
    threading.Timer(0.5, release.set).start()
    responses = ask(app, *[{"texts": ["a"]}] * 5)
    assert sorted(response.status_code for response in responses) == [200, 200, 200, 429, 429]
    refused = next(response for response in responses if response.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "overloaded"


def test_a_request_that_takes_too_long_is_504(tiny):
    (response,) = ask(create_app([tiny], timeout_seconds=-1.0), {"texts": ["a"]})
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "timeout"


def test_a_fault_of_ours_is_500_without_details_and_logs_no_text(tiny, monkeypatch, caplog):
    def broken(*_):
        raise ValueError("the text was: Zanbarawa")

    monkeypatch.setattr(Answerer, "answer", broken)
    with caplog.at_level(logging.DEBUG):
        (response,) = ask(create_app([tiny]), {"texts": ["Zanbarawa"]})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "Zanbarawa" not in response.text + caplog.text
    assert "ValueError" in caplog.text
    assert "test_app.py" in caplog.text


def test_outputs_that_are_not_finite_are_never_served(tiny, monkeypatch):
    run = GroupModel.run
    monkeypatch.setattr(GroupModel, "run", lambda *a, **k: [output * float("nan") for output in run(*a, **k)])
    failures: list[object] = []
    app = create_app([tiny], finished=failures.append)

    async def session():
        async with app.router.lifespan_context(app):
            while not failures:
                await asyncio.sleep(0.01)

    asyncio.run(session())
    assert isinstance(failures[0], BundleError)
    assert "group g0 does not answer" in str(failures[0])


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
        Answerer(open_bundle(bundle), threads=1)


@pytest.mark.parametrize("gpu", [True, False])
def test_a_gpu_is_used_first_where_there_is_one(monkeypatch, gpu):
    available = ["TensorrtExecutionProvider", *["CUDAExecutionProvider"] * gpu, "CPUExecutionProvider"]
    monkeypatch.setattr(model_files.onnxruntime, "get_available_providers", lambda: available)
    assert model_files._providers() == available[1:]


def test_below_the_threshold_the_fallback_answers(tmp_path):
    answerer = Answerer(open_bundle(tiny_bundle.build(tmp_path / "sure", threshold=1.0)), threads=1)
    (route,) = answerer.routes(["sweet fim"], None)
    assert (route.reason, route.group) == ("fallback", "g0")


def test_logits_do_not_depend_on_the_batch(tiny):
    bundle = open_bundle(tiny)
    model = load_group_model(bundle, bundle.manifest.groups[1], threads=1)
    texts = [text for language in ("pcm", "amh") for text, _ in tiny_bundle.sentences(language)] * 20 + ["", "a " * 500]
    together = model.logits(texts)
    assert [logits.shape for logits in together] == [(1, 3)] * len(texts)
    for row in range(0, len(texts), 37):
        assert together[row][0] == pytest.approx(model.logits([texts[row]])[0][0], abs=1e-6)
    with pytest.raises(RequestError) as failure:
        Answerer(bundle, threads=1).answer(texts[:2], None, deadline=time.monotonic() - 1)
    assert failure.value.code == "timeout"
