"""From gradient vectors to S: cosines, silence, split halves; and that measuring leaves the training as it was."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from safetensors.torch import load_file

from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.similarity.measured import SIMILARITY_FILE, read_measured
from gradsim_offline.similarity.measures import gradient
from gradsim_offline.similarity.measures.gradient import GRADIENTS_FILE, compare
from gradsim_offline.similarity.products import cosines, products
from gradsim_offline.tasks import text_classification
from gradsim_offline.training.batching import Row
from gradsim_offline.training.fine_tune import RESULT, fine_tune

SETTINGS = Measuring(epochs=2, batch_size=8, learning_rate=2e-3, layers=["head.out", "encoder.0"])


def numpy_cosines(vectors):
    lengths = np.linalg.norm(vectors, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = vectors @ vectors.T / np.outer(lengths, lengths)
    found[lengths == 0] = found[:, lengths == 0] = 0
    return found


shapes = st.tuples(st.integers(1, 6), st.integers(1, 8))
vectors = arrays(np.float64, shapes, elements=st.sampled_from([0.0, 0.0, -3.5, 1e-6, 0.25, 2.0, 1e6]))


@given(vectors=vectors)
@settings(max_examples=80, deadline=None)
def test_cosines_equal_numpy(vectors):
    found = cosines(torch.tensor(vectors), torch.tensor(vectors))
    np.testing.assert_allclose(found, numpy_cosines(vectors), atol=1e-12)
    assert np.isfinite(found).all() and np.abs(found).max() <= 1
    np.testing.assert_allclose(found, found.T, atol=1e-15)


def compared(epochs, shares, languages, settings):
    """Compare gradient vectors as an observer does."""
    kept = [{name: products(halves) for name, halves in found.items()} for found in epochs]
    return compare(kept, shares, languages, settings, 1.0)


def test_similarity_is_the_mean_over_epochs_of_the_whole_gradients():
    torch.manual_seed(0)
    counts = torch.tensor([[1.0, 2, 5], [3, 2, 4]])
    shares = counts / counts.sum(0)
    epochs = [{name: torch.randn(2, 3, 7) for name in SETTINGS.layers} for _ in range(3)]
    measured = compared(epochs, shares, ["amh", "hau", "yor"], SETTINGS)
    for name in SETTINGS.layers:
        whole = [
            (found[name].double() * counts.double()[..., None]).sum(0) / counts.double().sum(0)[:, None]
            for found in epochs
        ]
        expected = np.mean([numpy_cosines(vectors.numpy()) for vectors in whole], axis=0)
        np.testing.assert_allclose(measured.layers[name], expected, atol=1e-6)
    np.testing.assert_array_equal(measured.matrix, measured.layers["head.out"])
    np.testing.assert_allclose(np.mean(measured.epochs, axis=0), measured.matrix, atol=1e-12)
    own = [[numpy_cosines(found["head.out"][:, i].double().numpy())[0, 1] for i in range(3)] for found in epochs]
    np.testing.assert_allclose(measured.split_half, np.mean(own, axis=0), atol=1e-12)


def test_s_after_a_warm_start_is_that_of_the_later_epochs():
    epochs = [{name: torch.randn(2, 3, 7) for name in SETTINGS.layers} for _ in range(3)]
    shares = torch.full((2, 3), 0.5)

    def measured(chosen, **changes):
        return compared(chosen, shares, ["amh", "hau", "yor"], SETTINGS.model_copy(update=changes))

    warm, later = measured(epochs, skipped_epochs=1, averaged_epochs=1), measured(epochs[1:2])
    np.testing.assert_array_equal(warm.matrix, later.matrix)
    np.testing.assert_array_equal(warm.split_half, later.split_half)
    assert len(warm.epochs) == 3 and warm.counted == slice(1, 2)


@pytest.mark.parametrize("chosen", [{"skipped_epochs": 3}, {"skipped_epochs": 2, "averaged_epochs": 2}])
def test_more_skipped_and_averaged_epochs_than_there_are_is_refused(chosen):
    with pytest.raises(ValidationError, match="and epochs = 3"):
        Measuring(epochs=3, **chosen)


def test_a_silent_language_has_similarity_0_and_a_warning():
    epochs = [{"head.out": torch.randn(2, 3, 5)} for _ in range(2)]
    for found in epochs:
        found["head.out"][:, 1] = 0
    settings = SETTINGS.model_copy(update={"layers": ["head.out"]})
    with pytest.warns(UserWarning, match=r"no gradient at head\.out for hau: similarity 0"):
        measured = compared(epochs, torch.full((2, 3), 0.5), ["amh", "hau", "yor"], settings)
    assert not measured.matrix[1].any() and not measured.matrix[:, 1].any()
    assert np.isfinite(measured.matrix).all() and np.isfinite(measured.split_half).all()
    assert measured.split_half[1] == 0


def test_a_language_of_one_text_has_split_half_0_not_nan():
    epochs = [{"head.out": torch.randn(2, 2, 5)}]
    epochs[0]["head.out"][1, 0] = 0
    shares = torch.tensor([[1.0, 0.5], [0.0, 0.5]])
    settings = SETTINGS.model_copy(update={"layers": ["head.out"]})
    measured = compared(epochs, shares, ["amh", "hau"], settings)
    assert measured.split_half[0] == 0
    assert measured.matrix[0, 0] == pytest.approx(1)


def test_shares_of_the_halves_add_up(tiny_mini, small):
    model = text_classification.load_model(tiny_mini, small.labels)
    rows = [Row((1, 2), (0,), language, half) for language, half in [(0, 0), (0, 1), (0, 1), (2, 1)]]
    observer = GradientObserver(model, rows, ["head.out"], 3)
    np.testing.assert_allclose(observer.shares.T, [[1 / 3, 2 / 3], [0, 0], [0, 1]])


def observed(tiny_mini, small, epochs, counted=slice(None)):
    """Watch the same few texts so many times, each an epoch; return the observer and the vectors of each epoch."""
    model = text_classification.load_model(tiny_mini, small.labels).double()
    rows = [Row((1, 2 + i), (i % 3,), i % 3, i // 3 % 2) for i in range(9)]
    observer = GradientObserver(model, rows, ["head.out"], 3, counted=counted)
    vectors = []
    for epoch in range(epochs):
        with observer.watch(range(9)):
            inputs = torch.tensor([row.ids for row in rows]) + epoch
            labels = torch.tensor([row.labels[0] for row in rows])
            model(input_ids=inputs, attention_mask=torch.ones_like(inputs), labels=labels).loss.backward()
        vectors.append(observer.half_means()["head.out"])
        observer.end_epoch()
    return observer, vectors


def test_an_observers_state_grows_by_products_not_by_parameters(tiny_mini, small):
    sizes = [sum(t.numel() for t in observed(tiny_mini, small, epochs)[0].state().values()) for epochs in (1, 2, 5)]
    assert sizes[1] - sizes[0] == 6 * 6 and sizes[2] - sizes[0] == 4 * 6 * 6  # products of 2 halves x 3 languages


@pytest.mark.parametrize("counted", [slice(None), slice(0, 2), slice(1, 2), slice(1, None)])
def test_the_observer_keeps_each_epochs_products_and_the_mean_gradients(tiny_mini, small, counted):
    observer, vectors = observed(tiny_mini, small, 3, counted)
    for found, halves in zip(observer.epochs, vectors, strict=True):
        rows = halves.flatten(0, 1).numpy()
        np.testing.assert_allclose(found["head.out"].flatten(2).flatten(0, 1), rows @ rows.T, rtol=1e-12)
    torch.testing.assert_close(observer.means()["head.out"], torch.stack(vectors[counted]).mean(0))


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_a_checkpoint_of_before_the_epochs_that_count_goes_on(tiny_mini, small, finished):
    part, vectors = observed(tiny_mini, small, finished, slice(2, None))
    again = observed(tiny_mini, small, 0, slice(2, None))[0]
    again.restore(part.state())
    assert [kept["head.out"].shape for kept in again.epochs] == [(2, 3, 2, 3)] * finished
    assert all(torch.equal(a["head.out"], b["head.out"]) for a, b in zip(part.epochs, again.epochs, strict=True))
    if finished > 2:
        assert torch.equal(again.means()["head.out"], vectors[2])


@pytest.fixture
def train_on(small, training_context):
    """A function that trains, watches some layers and returns their observers."""

    def run(encoder, directory, layers, **options):
        made = []

        def observe(model, rows):
            made.append(GradientObserver(model, rows, layers, 3, **options))
            return made[-1]

        directory.mkdir()
        fine_tune(
            small,
            small.languages,
            small.languages,
            directory,
            context=training_context(encoder, seed=3),
            settings=SETTINGS,
            observe=observe if layers else None,
        )
        return made

    return run


@pytest.mark.parametrize("encoder", ["tiny_mini", "tiny_xlmr"])
def test_measuring_changes_neither_the_losses_nor_the_weights(encoder, train_on, tmp_path, request):
    path = request.getfixturevalue(encoder)
    train_on(path, tmp_path / "plain", [])
    ways = {
        "heads": (["head.out", "head"], {}),
        "all": (["head.out", "head", "encoder.0"], {}),
        "folded": (["encoder.0"], {"projection": 16, "seed": 3}),
    }
    for name, (layers, options) in ways.items():
        (observer,) = train_on(path, tmp_path / name, layers, **options)
        assert len(observer.epochs) == 2 and observer.epochs[0][layers[0]].any()
    plain, *others = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", *ways))
    results = [json.loads((tmp_path / name / RESULT).read_text()) for name in ("plain", *ways)]
    for name, found, result in zip(ways, others, results[1:], strict=True):
        assert plain.keys() == found.keys()
        if name == "all":  # sequences are summed language by language: another rounding
            for mine, theirs in zip(result["history"], results[0]["history"], strict=True):
                assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
            assert all(torch.allclose(plain[key], found[key], atol=1e-3) for key in plain)
        else:
            assert result == results[0]
            assert all(torch.equal(plain[key], found[key]) for key in plain)


def test_a_measurement_writes_gradients_and_similarity_that_agree(small, tiny_mini, measure_context, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured = gradient.measure(measure_context(tiny_mini, tmp_path, measuring=SETTINGS))
        measured.save(tmp_path / SIMILARITY_FILE)
    assert measured.matrix.shape == (3, 3) and len(measured.epochs) == 2
    np.testing.assert_allclose(measured.matrix.diagonal(), 1)
    kept = load_file(tmp_path / GRADIENTS_FILE)
    assert set(kept) == {*SETTINGS.layers} | {f"{layer}.{epoch}" for layer in SETTINGS.layers for epoch in range(2)}
    assert kept["head.out"].shape[:2] == (2, 3) and kept["head.out.0"].shape == (2, 3, 2, 3)
    counts = {code: len(small.split(code, "train")) for code in small.languages}
    halves = np.array([[n - n // 2, n // 2] for n in counts.values()]).T  # permutation % 2
    weights = halves / halves.sum(0)
    found = np.einsum("ai,aibj,bj->ij", weights, kept["head.out.1"].numpy(), weights)
    lengths = np.sqrt(found.diagonal())
    np.testing.assert_allclose(measured.epochs[1], found / np.outer(lengths, lengths), atol=1e-6)
    again = read_measured(tmp_path / SIMILARITY_FILE)
    assert again.languages == small.languages and again.settings["layers"] == SETTINGS.layers
    np.testing.assert_array_equal(again.matrix, measured.matrix)
    np.testing.assert_array_equal(again.split_half, measured.split_half)
