"""Out of memory: the batch goes through the model in parts; weights, gradients and S stay what they are."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gradsim_offline.core.training_settings import Measuring, Training
from gradsim_offline.similarity.measured import read_measured
from gradsim_offline.similarity.measures import gradient
from gradsim_offline.similarity.measures.gradient import GRADIENTS_FILE
from gradsim_offline.training.fine_tune import fine_tune
from gradsim_shared.errors import ModelError

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    MemoryError(),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"
    ),
]
SCHEDULE = {"epochs": 2, "batch_size": 8, "learning_rate": 2e-3}


@contextmanager
def memory_for(most, error, *, backward=False):
    """Let steps with more texts than ``most`` end with an error, while the model reads them or in its backward pass."""

    def refuse(*_):
        raise error

    def check(module, inputs, output):
        if isinstance(module, nn.Embedding) and torch.is_grad_enabled() and len(inputs[0]) > most:
            if not backward:
                raise error
            output.register_hook(refuse)

    hook = nn.modules.module.register_module_forward_hook(check)
    try:
        yield
    finally:
        hook.remove()


@pytest.fixture(scope="module")
def encoder(tiny_xlmr, tmp_path_factory) -> Path:
    """The tiny XLM-R without dropout: parts would draw it otherwise."""
    directory = Path(shutil.copytree(tiny_xlmr, tmp_path_factory.mktemp("encoders") / "still"))
    config = json.loads((directory / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def close(one, other):
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        torch.testing.assert_close(values, second[name], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def measure(encoder, measure_context):
    def run(directory):
        directory.mkdir(exist_ok=True)
        measuring = Measuring(**SCHEDULE, layers=["head.out", "encoder.0"])
        gradient.measure(measure_context(encoder, directory, measuring=measuring)).save(directory / "s.json")
        return read_measured(directory / "s.json").matrix

    return run


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_measurement_in_parts_is_that_of_whole_batches(measure, tmp_path, error):
    whole = measure(tmp_path / "whole")
    with memory_for(3, error, backward=True), pytest.warns(UserWarning, match="out of memory in a step of 8 texts"):
        parts = measure(tmp_path / "parts")
    np.testing.assert_allclose(parts, whole, atol=1e-4)
    for file in (GRADIENTS_FILE, "model.safetensors"):
        close(tmp_path / "whole" / file, tmp_path / "parts" / file)


@pytest.mark.parametrize("task", ["text_classification", "token_classification"])
def test_a_fine_tuning_in_parts_ends_with_the_weights_of_whole_batches(
    encoder, small, tagged, training_context, tmp_path, task
):
    dataset = {"text_classification": small, "token_classification": tagged}[task]

    def tune(directory):
        directory.mkdir()
        context, settings = training_context(encoder, task=task), Training(**SCHEDULE)
        fine_tune(dataset, dataset.languages, dataset.languages, directory, context=context, settings=settings)

    tune(tmp_path / "whole")
    with memory_for(5, ERRORS[0]), pytest.warns(UserWarning, match=r"1 part\(s\): steps go on in 2 parts"):
        tune(tmp_path / "parts")
    close(tmp_path / "whole" / "model.safetensors", tmp_path / "parts" / "model.safetensors")


@pytest.mark.filterwarnings("ignore:out of memory")
@pytest.mark.parametrize(
    ("most", "strategy", "message"),
    [(0, "mixed", "with one text at a time; set a lower maximum_length"), (3, "surgery", "a smaller batch_size")],
)
def test_where_no_part_is_small_enough_it_says_what_to_do(
    encoder, small, training_context, tmp_path, most, strategy, message
):
    settings = Training(**SCHEDULE, strategy=strategy)
    with memory_for(most, ERRORS[0]), pytest.raises(ModelError, match=message):
        fine_tune(small, ["eng", "hau"], ["eng"], tmp_path, context=training_context(encoder), settings=settings)
