"""The projection of gradients: right on average, within the proven bound, the same as folding the whole gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradsim_offline.similarity.projection import make_projection
from gradsim_offline.similarity.tracking import GradientTracker

DEVICE = torch.device("cpu")
DRAWS = 1000


def project(outputs, inputs, dims, seed=0, name="layer"):
    return make_projection(outputs, inputs, dims, seed=seed, name=name, device=DEVICE)


def fold(projection, gradient):  # [out, in] -> [a * b]
    return projection.output(projection.input(gradient).T).flatten()


sizes = st.integers(1, 40)


@given(outputs=sizes, inputs=sizes, share=st.floats(0.01, 1), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=100, deadline=None)
def test_sizes_signs_and_buckets(outputs, inputs, share, seed):
    dims = max(1, int(outputs * inputs * share))
    projection = project(outputs, inputs, dims, seed)
    assert projection.output.size * projection.input.size <= dims
    for side, width in ((projection.output, outputs), (projection.input, inputs)):
        assert 1 <= side.size <= width == len(side.matrix)
        assert side.matrix.abs().sum(1).eq(1).all(), "each coordinate is in one bucket"
        full = side.matrix.abs().sum(0)
        assert full.max() - full.min() <= 1
        assert side.collision <= 1 / side.size
        if side.size == width:
            assert side.collision == 0
            x = torch.randn(2, width)
            assert side(x) is x
    again, other = project(outputs, inputs, dims, seed), project(outputs, inputs, dims, seed, name="other")
    assert torch.equal(again.output.matrix, projection.output.matrix)
    assert min(outputs, inputs) < 20 or not torch.equal(other.output.matrix, projection.output.matrix) or dims > 300


def spiky(out, inputs):
    """One outer product, a few coordinates large: the worst of gradients."""
    d, x = torch.randn(out).double() ** 5, torch.randn(inputs).double() ** 5
    return torch.outer(d, x)


def dense(out, inputs):
    return torch.randn(out, inputs).double()


def constant(out, inputs):
    return torch.ones(out, inputs).double()


@pytest.mark.parametrize("make", [spiky, dense, constant])
@pytest.mark.parametrize(("out", "inputs", "dims"), [(24, 30, 64), (3, 100, 60), (40, 16, 16)])
def test_inner_products_are_unbiased_and_vary_within_the_bound(make, out, inputs, dims):
    torch.manual_seed(0)
    g = make(out, inputs)
    for h in (g, make(out, inputs), g + 0.5 * dense(out, inputs) * g.norm() / math.sqrt(g.numel())):
        scale, truth = float(g.norm() * h.norm()), float((g * h).sum())
        draws = [project(out, inputs, dims, seed) for seed in range(DRAWS)]
        found = np.array([float(fold(p, g) @ fold(p, h)) for p in draws])
        bound = draws[0].deviation
        p, q = (1 / side.size for side in (draws[0].output, draws[0].input))
        assert bound <= math.sqrt((1 + 2 * p) * (1 + 2 * q) - 1)
        assert abs(found.mean() - truth) <= 5 * bound * scale / math.sqrt(DRAWS)
        assert np.sqrt(np.mean((found - truth) ** 2)) <= 1.1 * bound * scale  # 10 % for the draw
        for times in (2, 4):  # Chebyshev
            assert np.mean(np.abs(found - truth) > times * bound * scale) <= 1 / times**2


def test_the_bound_is_nearly_attained_so_it_cannot_be_made_smaller():
    g = torch.zeros(64, 64).double()
    g[:, 0] = 1  # all of one side: the bound's worst case but for a factor of at most sqrt(2)
    draws = [project(64, 64, 256, seed) for seed in range(DRAWS)]
    found = np.array([float(fold(p, g).square().sum()) for p in draws]) / 64
    one_side = math.sqrt(2 * draws[0].output.collision)
    assert 0.75 * one_side <= found.std() <= 1.1 * one_side


def test_the_tracker_sums_the_folded_whole_gradients():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(inplace=True), nn.Linear(20, 3)).double()
    layers = {"first": model[0], "last": model[2]}
    x, spoken, halves = torch.randn(16, 5, 12).double(), torch.randint(4, (16,)), torch.randint(2, (16,))
    found = {}
    for dims in (None, 64):
        tracker = GradientTracker(layers, 4, projection=dims, seed=7)
        with tracker.batch(spoken, halves, torch.ones_like(spoken)):
            model(x).square().sum(dim=(1, 2)).mean().backward()
        found[dims] = tracker.half_means()
    assert torch.equal(found[64]["last"], found[None]["last"]), "60 numbers are few enough"
    projection = project(20, 12, 64, seed=7, name="first")
    whole = found[None]["first"].view(8, 20, 13)
    expected = [torch.cat([_unfolded(projection, row[:, :12]), row[:, 12]]) for row in whole]
    torch.testing.assert_close(found[64]["first"].view(8, -1), torch.stack(expected), rtol=1e-10, atol=1e-12)


def _unfolded(projection, gradient):
    return (projection.output.matrix.T.double() @ gradient @ projection.input.matrix.double()).flatten()


def test_a_projection_leaves_every_bit_of_the_training():
    torch.manual_seed(0)
    model = nn.Linear(12, 20)
    x, spoken, halves = torch.randn(6, 5, 12), torch.randint(4, (6,)), torch.randint(2, (6,))
    model(x).square().mean().backward()
    expected = model.weight.grad.clone()
    model.zero_grad()
    with GradientTracker({"layer": model}, 4, projection=16).batch(spoken, halves, torch.ones_like(spoken)):
        model(x).square().mean().backward()
    assert torch.equal(model.weight.grad, expected)
