"""Whether S repeats between halves of the data: against chance, against noise, and against halves that cancel out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from gradsim_offline.similarity.measured import Measured, read_measured
from gradsim_offline.similarity.products import halves_of, products
from gradsim_offline.similarity.reliability import Reliability, between_halves, in_words, is_noise

N, WIDTH = 8, 200


def reliability_of(halves):
    """Return the reliability of S of gradients ``[2 halves, N, parameters]``."""
    return between_halves(*halves_of([products(torch.from_numpy(halves))]))


def gradients(signal, seed=0, languages=N):
    """Draw the gradients of two halves: two families of languages, and noise of length 1 in each half."""
    random = np.random.default_rng(seed)
    families = random.normal(size=(2, WIDTH)) / np.sqrt(WIDTH)
    own = families[np.arange(languages) % 2]  # [languages, parameters]
    return signal * own + random.normal(size=(2, languages, WIDTH)) / np.sqrt(WIDTH)


def test_families_are_found_in_both_halves():
    found = reliability_of(gradients(2.0))
    assert found.repeats and found.reliability > 0.9 and found.p < 0.01
    assert in_words(found).startswith("S repeats between halves of your data (reliability 1.00, p = ")


def test_noise_repeats_as_often_as_chance_says():
    """Of 100 matrices of noise about 5 have p at most 0.05, and hardly one is taken for more than noise."""
    found = [reliability_of(gradients(0.0, seed)) for seed in range(100)]
    assert 0 <= sum(each.p <= 0.05 for each in found) <= 12
    assert sum(bool(each.repeats) for each in found) <= 3 and all(is_noise(each) for each in found if not each.repeats)


def test_halves_that_cancel_out_do_not_repeat():
    """A fitted language has a mean gradient of 0: its halves are opposite, and every cosine within a half is equal."""
    half = gradients(2.0)[0]
    found = reliability_of(np.stack([half, -half]))
    assert found.p < 0.05 and found.correlation == pytest.approx(-1)
    assert is_noise(found) and "no better than random" in in_words(found)


def test_p_is_the_share_of_all_relabellings_with_so_high_a_correlation():
    random = np.random.default_rng(3)
    first, second = (m + m.T for m in random.normal(size=(2, 5, 5)))
    second = second + first  # related
    upper = np.triu_indices(5, 1)
    observed = np.corrcoef(first[upper], second[upper])[0, 1]
    every = [
        np.corrcoef(first[upper], second[np.ix_(order, order)][upper])[0, 1]
        for order in itertools.permutations(range(5))
    ]
    found = between_halves([first, second], (first + second) / 2)
    assert found.correlation == pytest.approx(observed)
    assert found.p == pytest.approx(np.mean(np.array(every) >= observed - 1e-12))


@pytest.mark.parametrize(("languages", "tested"), [(1, None), (2, False), (3, False), (4, True)])
def test_so_few_languages_cannot_be_tested(languages, tested):
    found = reliability_of(gradients(2.0, languages=languages))
    if tested is None:
        assert found is None and in_words(found) == "" and not is_noise(found)
        return
    assert (found.p is not None) == tested and (tested or not is_noise(found))
    assert tested or "that takes four languages" in in_words(found)


def test_the_file_keeps_it_and_files_from_before_have_none(tmp_path):
    path = tmp_path / "similarity.json"
    measured = Measured("gradient", ("a", "b"), np.eye(2), reliability=Reliability(0.5, 2 / 3, None))
    measured.save(path)
    assert read_measured(path).reliability == measured.reliability
    path.write_text(path.read_text().replace('"reliability": {', '"other": {', 1))
    assert read_measured(path).reliability is None
