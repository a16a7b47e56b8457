"""bf16 where the CPU or the GPU has it: chosen and said, gradients summed in fp32, and fp32 untouched elsewhere."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from transformers import AutoModel

from gradsim_offline.core import arithmetic
from gradsim_offline.core.arithmetic import choose_arithmetic, mixed_precision, set_precision
from gradsim_offline.similarity.measured import read_measured
from gradsim_offline.similarity.tracking import GradientTracker, tracked_layers
from gradsim_offline.training.strategies.mixed import backward
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import SettingsError

from ..program import TINY, arguments, gradsim

CPU = torch.device("cpu")
LANGUAGES, BATCH, TOKENS = 2, 96, 6


@pytest.fixture
def cpu_info(tmp_path):
    """A function that writes what Linux says of a CPU with some flags."""

    def write(flags):
        path = tmp_path / "cpuinfo"
        path.write_text(f"processor\t: 0\nflags\t\t: fpu avx512f {flags}\n\nprocessor\t: 1\nflags\t\t: fpu\n")
        return path

    return write


@pytest.mark.parametrize(
    ("asked", "flags", "precision", "reason"),
    [
        ("auto", "avx512_bf16 amx_bf16", "bf16", "the CPU has AMX"),
        ("auto", "avx512_bf16", "bf16", "the CPU has AVX512-BF16"),
        ("auto", "", "fp32", "the CPU has neither AMX nor AVX512-BF16"),
        ("fp32", "amx_bf16", "fp32", "as set"),
        ("bf16", "", "bf16", "as set"),
    ],
)
def test_what_the_cpu_has_decides_unless_it_is_set(cpu_info, asked, flags, precision, reason):
    chosen = choose_arithmetic(asked, CPU, cpu_info=cpu_info(flags))
    assert (chosen.precision, chosen.reason) == (precision, reason)


def test_mini_stays_in_fp32_and_where_nothing_is_known_of_a_cpu_all_do(cpu_info, tmp_path):
    assert choose_arithmetic("auto", CPU, mini=True, cpu_info=cpu_info("amx_bf16")).precision == "fp32"
    assert choose_arithmetic("auto", CPU, cpu_info=tmp_path / "none").precision == "fp32"
    with pytest.raises(SettingsError, match="mini is slower in it"):
        choose_arithmetic("bf16", CPU, mini=True)


def batch():
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 300, (BATCH, TOKENS), generator=random)
    labels = torch.randint(3, (BATCH,), generator=random)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def keep(seen, path, _module, inputs, output):
    output.register_hook(lambda delta: seen.update({path: (inputs[0].detach(), delta)}))


def sums(model, given, rows, seen=None):
    """Return the loss and what a tracker sums of one batch, ``{layer: [languages, parameters]}``.

    ``seen`` gets what each layer reads, and the gradient at its output.
    """
    names = tracked_layers(model, ["head.out", "encoder.1"])
    tracker = GradientTracker({path: each for of in names.values() for path, each in of.items()}, LANGUAGES)
    with tracker.batch(rows, torch.zeros_like(rows), torch.ones_like(rows)):
        for path in (path for of in names.values() for path in of) if seen is not None else ():
            model.get_submodule(path).register_forward_hook(partial(keep, seen, path))
        loss = backward(model, given)
    return loss, {path: halves[0] for path, halves in tracker.half_means().items()}


def test_gradients_under_bf16_are_sums_in_fp32(tiny_xlmr):
    """What is rounded to bf16 adds up as exactly as fp32 does: sums in bf16 would lose digits."""
    torch.manual_seed(0)
    model = load_task("text_classification").load_model(str(tiny_xlmr), ["a", "b", "c"], new_head=True).eval()
    given, rows = batch(), torch.arange(BATCH) % LANGUAGES
    _, whole = sums(model, given, rows)
    model.zero_grad()
    set_precision(model, "bf16")
    seen = {}
    loss, found = sums(model, given, rows, seen)
    assert loss.dtype == torch.float32
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters() if parameter.grad is not None)
    for path, sums_of in found.items():
        source, delta = seen[path]
        assert delta.dtype == torch.bfloat16 and sums_of.dtype == torch.float32
        for language in range(LANGUAGES):
            x, d = (each[rows == language].double().flatten(0, -2) for each in (source, delta))
            exact = torch.cat([d.T @ x, d.sum(0)[:, None]], dim=1).flatten() * LANGUAGES
            scale = exact.norm()
            if scale > 1e-6:  # the keys' biases have no gradient
                assert (sums_of[language] - exact).norm() < 1e-5 * scale, path
            cosine = torch.cosine_similarity(sums_of[language], whole[path][language], dim=0)
            assert cosine > 0.98 or scale <= 1e-6, path


def test_evaluation_follows_and_other_models_stay_in_fp32(tiny_xlmr):
    model, other = (AutoModel.from_pretrained(tiny_xlmr).eval() for _ in range(2))
    set_precision(model, "bf16")
    linear = torch.nn.Linear(4, 4)
    with mixed_precision(model):
        assert linear(torch.ones(1, 4)).dtype == torch.bfloat16
    with mixed_precision(other):
        assert linear(torch.ones(1, 4)).dtype == torch.float32


def measured(encoder, out, precision):
    given = {"data": "demo", "languages": "eng,hau,tur", "model": encoder, "epochs": 1, "out": out}
    settings = {**TINY, "training.precision": precision, "measuring.fraction": 0.2, "measuring.minimum_steps": 0}
    code, _, error = gradsim("measure", *arguments(given, settings))
    assert code == 0, error
    return read_measured(out / "measure" / "similarity.json").matrix, error


def test_a_cpu_without_bf16_measures_what_fp32_does_and_says_so(tiny_xlmr, tmp_path, monkeypatch, cpu_info):
    monkeypatch.setattr(arithmetic.choose_arithmetic, "__kwdefaults__", {"mini": False, "cpu_info": cpu_info("")})
    auto, said = measured(tiny_xlmr, tmp_path / "auto", "auto")
    fp32, _ = measured(tiny_xlmr, tmp_path / "fp32", "fp32")
    bf16, _ = measured(tiny_xlmr, tmp_path / "bf16", "bf16")
    assert "trained in fp32: the CPU has neither AMX nor AVX512-BF16" in said
    assert np.array_equal(auto, fp32)
    assert not np.array_equal(bf16, fp32) and np.allclose(bf16, fp32, atol=0.1)


def test_the_precision_is_an_input_of_what_is_trained(tiny_xlmr, tmp_path):
    measured(tiny_xlmr, tmp_path, "fp32")
    _, again = measured(tiny_xlmr, tmp_path, "fp32")
    assert "gradient similarity: up to date" in again
    _, other = measured(tiny_xlmr, tmp_path, "bf16")
    assert "gradient similarity (changed: precision)" in other and "trained in bf16: as set" in other
