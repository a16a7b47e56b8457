"""An interrupted training ends where an uninterrupted one does: weights, history, gradients, bit for bit."""

from __future__ import annotations

import functools
import json

import pytest
import torch
from safetensors.torch import load_file

from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.similarity.measured import SIMILARITY_FILE
from gradsim_offline.similarity.measures import gradient
from gradsim_offline.similarity.measures.gradient import GRADIENTS_FILE
from gradsim_offline.training import fine_tune as fine_tuning
from gradsim_offline.training import loop, masked_language_modelling
from gradsim_offline.training.encoders import mini
from gradsim_offline.training.fine_tune import RESULT, fine_tune

SETTINGS = Measuring(epochs=3, batch_size=8, learning_rate=2e-3, layers=["head.out", "encoder.0"])
EPOCH = 7  # steps: 56 texts


@pytest.fixture(autouse=True)
def checkpoint_after_every_step(request, monkeypatch):
    """Save after every step, or at epoch ends only: then the steps since the last one are done again."""
    if getattr(request, "param", True):
        eager = functools.partial(loop.train, save_every_seconds=-1.0)
        monkeypatch.setattr(fine_tuning, "train", eager)
        monkeypatch.setattr(masked_language_modelling, "train", eager)


@pytest.fixture(scope="module")
def tune(small, tiny_mini, training_context):
    def run(directory, progress):
        directory.mkdir(exist_ok=True)
        context = training_context(tiny_mini, seed=1, progress=progress)
        fine_tune(small, small.languages, ["eng", "tur"], directory, context=context, settings=SETTINGS)

    return run


@pytest.fixture(scope="module")
def tuned(tune, quiet, tmp_path_factory):
    """A fine-tuning that nothing interrupts, nor any checkpoint but those at the ends of epochs."""
    directory = tmp_path_factory.mktemp("tuned")
    tune(directory, quiet)
    return directory


@pytest.fixture(scope="module")
def measure(measure_context):
    def run(encoder, directory, progress):
        context = measure_context(encoder, directory, measuring=SETTINGS, seed=1, progress=progress)
        gradient.measure(context).save(directory / SIMILARITY_FILE)

    return run


@pytest.fixture(scope="module")
def measured(measure, quiet, tmp_path_factory, request):
    """A function that returns a measurement from an encoder that nothing interrupts; each is made once."""

    @functools.cache
    def of(encoder):
        directory = tmp_path_factory.mktemp("measured")
        measure(request.getfixturevalue(encoder), directory, quiet)
        return directory

    return of


def equal_tensors(first, second):
    one, other = load_file(first), load_file(second)
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def stops(after_steps, after_epochs):
    """Parametrise a test by when it stops, and whether checkpoints are kept after steps or epochs only."""
    cases = [*((True, stop) for stop in after_steps), *((False, stop) for stop in after_epochs)]
    names = [f"{'step' if often else 'epoch'}-{stop}" for often, stop in cases]
    return pytest.mark.parametrize(
        ("checkpoint_after_every_step", "stop"), cases, indirect=["checkpoint_after_every_step"], ids=names
    )


@stops([1, EPOCH - 1, EPOCH, EPOCH + 3, 3 * EPOCH], [EPOCH - 1, EPOCH + 3])
def test_an_interrupted_fine_tuning_ends_where_an_uninterrupted_one_does(tune, tuned, tmp_path, quiet, counting, stop):
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "broken", counting(stop))
    assert not (tmp_path / "broken" / RESULT).exists()
    tune(tmp_path / "broken", quiet)
    assert equal_tensors(*(path / "model.safetensors" for path in (tuned, tmp_path / "broken")))
    assert json.loads((tuned / RESULT).read_text()) == json.loads((tmp_path / "broken" / RESULT).read_text())


@pytest.mark.parametrize("encoder", ["tiny_mini", "tiny_xlmr"])
@stops([3, EPOCH + 3, 2 * EPOCH + 1], [EPOCH + 3])
def test_an_interrupted_measurement_ends_where_an_uninterrupted_one_does(
    measure, measured, tmp_path, quiet, counting, stop, encoder, request
):
    path, uninterrupted = request.getfixturevalue(encoder), measured(encoder)
    with pytest.raises(KeyboardInterrupt):
        measure(path, tmp_path / "broken", counting(stop))
    measure(path, tmp_path / "broken", quiet)
    for file in ("model.safetensors", GRADIENTS_FILE):
        assert equal_tensors(uninterrupted / file, tmp_path / "broken" / file), file
    whole, broken = (json.loads((path / SIMILARITY_FILE).read_text()) for path in (uninterrupted, tmp_path / "broken"))
    del whole["seconds"], broken["seconds"]
    assert whole == broken


def test_a_measurement_that_is_interrupted_again_and_again_ends_the_same(
    measure, measured, tiny_mini, tmp_path, counting
):
    resumed = []
    while not (tmp_path / "broken" / SIMILARITY_FILE).exists():
        progress = counting(len(resumed) * 3 + 4)
        try:
            measure(tiny_mini, tmp_path / "broken", progress)
        except KeyboardInterrupt:
            resumed.append(progress.remarks.count(""))
    assert len(resumed) >= 4 and resumed == sorted(resumed) and resumed[-1] > EPOCH
    assert equal_tensors(*(path / GRADIENTS_FILE for path in (measured("tiny_mini"), tmp_path / "broken")))


@pytest.mark.parametrize("stop", [2, 5])
def test_an_interrupted_pre_training_ends_where_an_uninterrupted_one_does(
    small, tmp_path, quiet, counting, training_context, stop
):
    from gradsim_offline.core.training_settings import Pretraining

    def prepare(directory, progress):
        directory.mkdir(exist_ok=True)
        mini.make(
            {code: [example.text for example in small.split(code, "train")] for code in small.languages},
            directory,
            settings=Pretraining(
                vocabulary=300, hidden_size=32, layers=1, ngram_buckets=256, ngram_size=4, epochs=2, batch_size=16
            ),
            context=training_context(seed=5, progress=progress),
        )

    prepare(tmp_path / "whole", quiet)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "broken", counting(stop))
    prepare(tmp_path / "broken", quiet)
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "broken" / file).read_bytes(), file
