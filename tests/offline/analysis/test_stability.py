"""Stability: halves against numpy's cosines, the bootstrap against a plain loop, groups of parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from gradsim_offline.experiments.analyse.groupings import group_names, regroup
from gradsim_offline.experiments.analyse.stability import bootstrap, over_epochs, over_halves
from gradsim_offline.grouping.objective import evaluate_grouping
from gradsim_offline.grouping.result import name_groups
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.reliability import spearman_brown
from gradsim_shared.errors import DataError

LANGUAGES = ("aaa", "bbb", "ccc", "ddd", "eee")


def measured_from(epochs, layers=("head.out",), averaged=None):
    matrix = np.mean(epochs[:averaged], axis=0)
    settings = {"averaged_epochs": averaged}
    return Measured("gradient", LANGUAGES, matrix, None, tuple(epochs), dict.fromkeys(layers, matrix), settings, 1.0)


@pytest.fixture
def vectors():
    """Two epochs of [2 halves, 5 languages, 7 parameters] with a common part."""
    torch.manual_seed(0)
    common = torch.randn(5, 7)
    return [common + 0.5 * torch.randn(2, 5, 7) for _ in range(2)]


@pytest.fixture
def kept(tmp_path, vectors):
    """The file of inner products that a measurement writes."""
    path = tmp_path / "gradients.safetensors"
    other = {"head.0": products(torch.randn(2, 5, 3))}
    save_file({f"head.out.{epoch}": products(halves) for epoch, halves in enumerate(vectors)} | other, path)
    return path


def products(halves):
    rows = halves.double().flatten(0, 1)
    return (rows @ rows.T).view(2, 5, 2, 5)


def numpy_cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def test_halves_are_the_cosines_of_each_half(kept, vectors):
    found = over_halves(kept, measured_from([np.eye(5)]))
    by_half = [np.mean([numpy_cosines(v[half].double().numpy()) for v in vectors], axis=0) for half in (0, 1)]
    np.testing.assert_allclose(found.matrices.mean(axis=1), by_half, atol=1e-12)
    upper = np.triu_indices(5, 1)
    r = np.corrcoef(by_half[0][upper], by_half[1][upper])[0, 1]
    assert found.agreement.pearson == pytest.approx(r)
    assert found.agreement.pairs == 10
    for epoch, halves in enumerate(vectors):
        one, two = (numpy_cosines(halves[half].double().numpy())[upper] for half in (0, 1))
        assert found.by_epoch[epoch].pearson == pytest.approx(np.corrcoef(one, two)[0, 1])
        for i in range(5):
            a, b = halves[:, i].double().numpy()
            assert found.own[epoch, i] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    others = [j for j in range(5) if j != 2]
    assert found.rows[2] == pytest.approx(np.corrcoef(by_half[0][2, others], by_half[1][2, others])[0, 1])
    assert found.reliability == pytest.approx(2 * r / (1 + r))
    assert found.noise == pytest.approx(np.sqrt(np.mean((by_half[0][upper] - by_half[1][upper]) ** 2)) / 2)


def test_halves_use_the_epochs_that_s_averages(kept, vectors):
    found = over_halves(kept, measured_from([np.eye(5), np.ones((5, 5))], averaged=1))
    first, second = (numpy_cosines(vectors[0][half].double().numpy()) for half in (0, 1))
    assert found.matrices.shape == (2, 1, 5, 5)
    upper = np.triu_indices(5, 1)
    r = np.corrcoef(first[upper], second[upper])[0, 1]
    assert found.agreement.pearson == pytest.approx(r) == found.by_epoch[0].pearson
    assert found.reliability == pytest.approx(2 * r / (1 + r))
    assert found.noise == pytest.approx(np.sqrt(np.mean((first[upper] - second[upper]) ** 2)) / 2)
    assert found.rows[0] == pytest.approx(np.corrcoef(first[0, 1:], second[0, 1:])[0, 1])
    assert len(found.by_epoch) == 2 and found.own.shape == (2, 5)  # the view by epoch is one of all of them


def test_lookahead_has_the_setting_and_averages_all_epochs():
    assert measured_from([np.eye(5)] * 3, averaged=2).counted == slice(0, 2)
    assert measured_from([np.eye(5)] * 3, layers=(), averaged=2).counted == slice(None)


def test_the_noise_is_that_of_the_mean_of_two_noisy_halves(tmp_path):
    """An entry of S from all data has the noise of a mean of two: check the rule of half the difference."""
    random = np.random.default_rng(0)
    first, second = random.normal(0, 0.2, size=(2, 100_000))
    assert np.sqrt(np.mean((first - second) ** 2)) / 2 == pytest.approx(np.std((first + second) / 2), rel=0.02)


def test_epochs_of_more_than_nine_are_all_found(tmp_path):
    path = tmp_path / "gradients.safetensors"
    save_file({f"head.out.{epoch}": torch.rand(2, 5, 2, 5) for epoch in range(11)}, path)
    assert over_halves(path, measured_from([np.eye(5)])).matrices.shape == (2, 11, 5, 5)


def test_gradients_of_another_layer_or_other_languages(kept):
    assert over_halves(kept, measured_from([np.eye(5)], layers=("encoder.0",))) is None
    fewer = Measured("gradient", LANGUAGES[:4], np.eye(4), None, (), {"head.out": np.eye(4)}, {}, 1.0)
    with pytest.raises(DataError, match="not about the 4 languages"):
        over_halves(kept, fewer)
    kept.write_bytes(b"x")
    with pytest.raises(DataError, match="cannot be read"):
        over_halves(kept, fewer)


@pytest.mark.parametrize(("r", "whole"), [(0.5, 2 / 3), (1.0, 1.0), (0.0, 0.0), (None, None), (-1.0, None)])
def test_spearman_brown(r, whole):
    assert spearman_brown(r) == (whole if whole is None else pytest.approx(whole))


def test_epochs_are_compared_with_the_final_similarity():
    random = np.random.default_rng(1)
    epochs = [(m + m.T) / 2 for m in random.normal(size=(3, 5, 5))]
    measured = measured_from(epochs)
    upper = np.triu_indices(5, 1)
    expected = [np.corrcoef(m[upper], measured.matrix[upper])[0, 1] for m in epochs]
    assert [found.pearson for found in over_epochs(measured)] == pytest.approx(expected)
    assert over_epochs(measured_from([np.ones((5, 5))]))[0].reason


def test_the_bootstrap_is_the_plain_loop():
    matrices = np.random.default_rng(2).normal(size=(6, 3, 3))
    found = bootstrap(matrices, draws=500, seed=4)
    counts = np.random.default_rng(4).multinomial(6, [1 / 6] * 6, size=500)
    means = np.array([sum(c * m for c, m in zip(row, matrices, strict=True)) / 6 for row in counts])
    for i in range(3):
        for j in range(3):
            assert found.lower[i, j] == pytest.approx(np.percentile(means[:, i, j], 2.5))
            assert found.upper[i, j] == pytest.approx(np.percentile(means[:, i, j], 97.5))
    assert found.drawn_from == 6


@given(st.integers(0, 1000), st.integers(2, 6))
def test_intervals_lie_between_the_smallest_and_the_largest(seed, count):
    matrices = np.random.default_rng(seed).normal(size=(count, 4, 4))
    found = bootstrap(matrices, draws=50, seed=seed)
    assert (found.lower >= matrices.min(axis=0) - 1e-12).all()
    assert (found.upper <= matrices.max(axis=0) + 1e-12).all()
    assert (found.lower <= found.upper).all() and 0 <= found.clear <= 1
    still = bootstrap(np.repeat(matrices[:1], 3, axis=0), draws=50, seed=seed)
    assert still.width == pytest.approx(0, abs=1e-12)
    assert still.clear == 1


def test_parts_are_grouped_as_the_whole_was():
    block = np.kron(np.eye(2), np.ones((3, 3)))[:5, :5] * 0.8 + 0.2 * np.eye(5)
    turned = np.roll(block, 1, axis=(0, 1))
    whole = name_groups(
        evaluate_grouping(block, [(0, 1, 2), (3, 4)], np.zeros(5)),
        LANGUAGES,
        block,
        np.zeros(5),
        solver="exact",
        singleton_score="zero",
    )
    found = regroup({"half 1": block, "epoch 1": turned}, measured_from([block]), whole, seed=0)
    assert group_names(found.groupings) == ["aaa bbb ccc | ddd eee", "aaa eee | bbb ccc ddd"]
    assert found.agreement[0] == 1 and found.agreement[1] < 1
    assert found.together[0, 1] == 0.5 and found.together[1, 2] == 1 and found.together[0, 3] == 0
