"""How models run: the provider is chosen and tried before anything is loaded, threads, warm-up."""

from __future__ import annotations

import json
import logging

import onnxruntime
import pytest
from engines import living, ready, session, watch

from gradsim_runtime import sessions
from gradsim_runtime.sessions import PROVIDERS, SessionSettings, choose_provider
from gradsim_serving import runtime as runtime_module
from gradsim_serving.app import create_app
from gradsim_serving.observing.log import Log
from gradsim_serving.options import Options
from gradsim_serving.runtime import CPU_SPARE_TOKENS, runners_of, runtime_of
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import SettingsError

GPU, CPU, TENSORRT = "CUDAExecutionProvider", "CPUExecutionProvider", "TensorrtExecutionProvider"
LONGEST, BATCH_TOKENS = 64, 256  # of the tiny bundle, and of these tests


@pytest.fixture
def has_gpu_part(monkeypatch):
    """Let onnxruntime say that it has the parts for GPUs, as onnxruntime-gpu does on every machine."""
    if GPU in onnxruntime.get_available_providers():
        pytest.skip("there is a GPU")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, GPU, CPU])


@pytest.mark.usefixtures("has_gpu_part")
def test_without_a_gpu_auto_is_the_cpu_tuned_as_the_cpu(tiny, caplog):
    found = runtime_of([tiny], Options(threads=4))
    assert (found.provider, found.runners, found.threads, found.spare_tokens) == ("cpu", 4, 1, CPU_SPARE_TOKENS)
    assert str(found).startswith(f"models run on cpu (onnxruntime could not start {GPU}): 4 batches at a time")
    assert f"onnxruntime could not start {GPU}" in caplog.text


@pytest.mark.usefixtures("has_gpu_part")
def test_that_a_gpu_did_not_start_stands_in_the_log(tmp_path):
    log = Log(tmp_path / "log")
    log.listen()
    log.start()
    choose_provider("auto")
    log.close()
    messages = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert any(message.startswith(f"onnxruntime could not start {GPU}: the CPU is taken") for message in messages)


@pytest.mark.usefixtures("has_gpu_part")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_named_provider_that_does_not_start_is_refused_before_anything_is_loaded(tiny, provider):
    with pytest.raises(SettingsError, match=f"could not start {PROVIDERS[provider][0]}.* Choose provider auto or cpu"):
        create_app([tiny], Options(provider=provider))


@pytest.mark.parametrize(
    ("wanted", "available", "found", "why"),
    [
        ("auto", [GPU, CPU], "cuda", "onnxruntime could start CUDA"),
        ("auto", [TENSORRT, CPU], "cpu", "has only Tensorrt"),
        ("auto", [CPU], "cpu", "has only CPUExecutionProvider"),
        ("cuda", [GPU, CPU], "cuda", "it was asked for"),
        ("cpu", [GPU, CPU], "cpu", "it was asked for"),
        ("tensorrt", [TENSORRT, GPU, CPU], "tensorrt", "it was asked for"),
    ],
)
def test_a_gpu_that_starts_is_chosen_unless_a_provider_is_named(monkeypatch, wanted, available, found, why):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(sessions, "_starts", lambda _: True)
    choice = choose_provider(wanted)
    assert choice.provider == found
    assert why in choice.why


def test_the_smallest_model_runs_here():
    assert sessions._starts("cpu")


def test_a_provider_that_is_not_there_is_refused_with_the_reason(tiny, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    message = r"cuda cannot run the models: the installed onnxruntime .* has only CPUExecutionProvider"
    with pytest.raises(SettingsError, match=message):
        create_app([tiny], Options(provider="cuda"))


@pytest.mark.parametrize(
    ("milliseconds", "threads", "runners"), [(0.2, 8, 8), (5, 8, 8), (9, 8, 4), (60, 8, 1), (60, 32, 2), (1, 1, 1)]
)
def test_large_models_get_several_threads_for_a_batch(tiny, monkeypatch, milliseconds, threads, runners):
    manifest = open_bundle(tiny).manifest
    (precision,) = manifest.groups[0].precisions.values()
    slow = precision.model_copy(update={"latency_milliseconds": milliseconds})
    groups = [manifest.groups[0].model_copy(update={"precisions": {"fp32": slow}}), manifest.groups[1]]
    monkeypatch.setattr(runtime_module, "read_manifest", lambda _: manifest.model_copy(update={"groups": groups}))
    assert runners_of([tiny], "cpu", threads) == runners
    assert runners_of([tiny], "cuda", threads) == 1


def test_the_log_names_the_provider_and_the_reason_at_the_start(tiny, caplog):
    with caplog.at_level(logging.INFO):
        app = create_app([tiny], Options(threads=2, runners=1))
        assert "models run on" not in caplog.text  # BentoML's first process makes the app as well, and runs none
        session(app, ready)
    assert "1 batch at a time, threads for each: 2" in caplog.text
    assert caplog.text.count("models run on cpu (") == 1


@pytest.fixture
def shapes(monkeypatch):
    """The shapes that models have run, in order."""
    found: list[tuple[int, ...]] = []

    def note(feed, outputs):
        found.append(feed["input_ids"].shape)
        return outputs

    watch(monkeypatch, note)
    return found


def test_models_are_warmed_up_before_the_service_is_ready(tiny, shapes):
    with living(tiny, batch_tokens=BATCH_TOKENS) as (lifecycle, _):
        largest = [(1, LONGEST), (BATCH_TOKENS // LONGEST, LONGEST)]
        assert shapes[:4] == largest * 2  # of two groups; then the canaries
        assert len(shapes) == 6
        lifecycle.reload_now()
        assert len(shapes) == 8  # the same files: only canaries


def test_a_batch_of_less_than_one_text_is_one_text(tiny, shapes):
    with living(tiny, batch_tokens=8):
        assert max(shapes) == (1, LONGEST)


def test_warm_up_can_be_switched_off(tiny, tiny_ner, shapes):
    with living(tiny, tiny_ner, warm_up=False):
        assert {rows for rows, _ in shapes} == {1}
        assert max(tokens for _, tokens in shapes) < LONGEST


def test_taggers_are_warm_too(tiny_ner, shapes):
    with living(tiny_ner, batch_tokens=BATCH_TOKENS):
        longest = max(tokens for _, tokens in shapes)
        assert (max(1, BATCH_TOKENS // longest), longest) in shapes


def test_the_engines_of_tensorrt_have_a_directory(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, GPU, CPU])
    monkeypatch.setattr(sessions, "_starts", lambda _: True)
    cache = tmp_path / "a" / "engines"
    runtime_of([tiny], Options(provider="tensorrt", engine_cache=cache))
    assert cache.is_dir()
    first, *rest = sessions._providers(SessionSettings("tensorrt", engine_cache=cache))
    assert first == (TENSORRT, {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(cache)})
    assert rest == [GPU, CPU]
    with pytest.raises(SettingsError, match="--engine-cache is for --provider tensorrt, not auto"):
        runtime_of([tiny], Options(engine_cache=cache))
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot make the directory"):
        runtime_of([tiny], Options(provider="tensorrt", engine_cache=tmp_path / "file" / "engines"))
