"""The tracker's ways of summing: every layer shape, layout and interruption against autograd, language by language."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradsim_offline.similarity import gradient_sums as _sums
from gradsim_offline.similarity.tracking import HALVES, GradientTracker

BATCH = 9


@pytest.fixture(params=["by example", "by row"])
def way(request, monkeypatch):
    """Both ways of multiplying sequences; which is taken depends on the layer's size only."""
    if request.param == "by row":
        monkeypatch.setattr(_sums, "_SMALL", 0)
    return request.param


@pytest.fixture(params=[3, 4096], ids=["flushed", "waiting"])
def wait(request, monkeypatch):
    """Products that are due after three pairs, or only at the end."""
    monkeypatch.setattr(_sums, "_LONGEST_WAIT", request.param)


def make_batches(shape, languages, count=3, batch=BATCH):
    torch.manual_seed(0)
    return [
        (torch.randn(batch, *shape).double(), torch.randint(languages, (batch,)), torch.randint(2, (batch,)))
        for _ in range(count)
    ]


def track(model, layers, batches, languages, **options):
    tracker = GradientTracker(layers, languages, **options)
    for x, spoken, halves in batches:
        with tracker.batch(spoken, halves, torch.ones_like(spoken)):
            losses(model, x).mean().backward()
    return tracker


def losses(model, x):  # [batch]
    return torch.tanh(model(x)).flatten(1).square().sum(1)


def reference(model, weights, batches, languages):
    """Return ``{name: [2, languages, parameters]}``: autograd over each language's half by itself."""
    found = {name: torch.zeros(HALVES, languages, sum(p.numel() for p in ps)) for name, ps in weights.items()}
    found = {name: tensor.double() for name, tensor in found.items()}
    for half in range(HALVES):
        for language in range(languages):
            own = [x[(spoken == language) & (halves == half)] for x, spoken, halves in batches]
            own = torch.cat([x for x in own if len(x)]) if any(map(len, own)) else None
            if own is not None:
                for name, parameters in weights.items():
                    grads = torch.autograd.grad(losses(model, own).mean(), parameters)
                    columns = [g if g.dim() == 2 else g[:, None] for g in grads]
                    found[name][half, language] = torch.cat(columns, dim=1).flatten()
    return found


def parameters_of(layer):
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]


class Twice(nn.Module):
    """A layer that is called twice in a forward pass, then another."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.first = nn.Linear(5, 5, bias=bias)
        self.second = nn.Linear(5, 4, bias=bias)

    def forward(self, x):
        """Change the output of one of them in place."""
        return self.second(F.relu(self.first(torch.tanh(self.first(input=x))), inplace=True))


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (6, 5), (2, 3, 5)], ids=str)
@pytest.mark.usefixtures("way", "wait")
def test_every_shape_equals_autograd(shape, bias):
    torch.manual_seed(1)
    model = Twice(bias=bias).double()
    layers = {"first": model.first, "second": model.second}
    batches = make_batches(shape, 4)
    expected = reference(model, {name: parameters_of(layer) for name, layer in layers.items()}, batches, 4)
    found = track(model, layers, batches, 4).half_means()
    for name in layers:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("way")
def test_the_optimizer_gets_the_same_gradients():
    model = Twice(bias=True).double()
    ((x, spoken, halves),) = make_batches((6, 5), 3, count=1)
    losses(model, x).mean().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    x.requires_grad_()
    with GradientTracker({"first": model.first, "second": model.second}, 3).batch(
        spoken, halves, torch.ones_like(spoken)
    ):
        losses(model, x).mean().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=1e-14)
    (expected_x,) = torch.autograd.grad(losses(model, x).mean(), x)
    torch.testing.assert_close(x.grad, expected_x, rtol=1e-12, atol=1e-14)


def test_a_layer_of_one_vector_per_example_leaves_every_bit_of_the_training():
    model = Twice(bias=True)
    batches = [(x.float(), spoken, halves) for x, spoken, halves in make_batches((5,), 3)]
    x, *_ = batches[0]
    losses(model, x).mean().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    track(model, {"first": model.first, "second": model.second}, batches[:1], 3)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), expected, strict=True))


@pytest.mark.usefixtures("way", "wait")
def test_a_hundred_languages_in_any_order():
    languages = 100
    model = Twice(bias=True).double()
    layers = {"first": model.first, "second": model.second}
    batches = make_batches((4, 5), languages, count=2, batch=64)
    found = track(model, layers, batches, languages).half_means()
    weights = {name: parameters_of(layer) for name, layer in layers.items()}
    expected = reference(model, weights, batches, languages)
    in_order = [(x[o], spoken[o], halves[o]) for x, spoken, halves in batches for o in [spoken.argsort()]]
    again = track(model, layers, in_order, languages).half_means()
    for name in layers:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(again[name], expected[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(5,), (6, 5)], ids=str)
def test_a_frozen_layer_is_measured_and_stays_frozen(shape):
    model = Twice(bias=True).double()
    batches = make_batches(shape, 2)
    expected = track(model, {"second": model.second}, batches, 2).half_means()["second"]
    model.zero_grad()
    for parameter in model.second.parameters():
        parameter.requires_grad_(requires_grad=False)
    found = track(model, {"second": model.second}, batches, 2).half_means()["second"]
    torch.testing.assert_close(found, expected)
    assert model.second.weight.grad is None and model.first.weight.grad.any()
    for parameter in model.first.parameters():
        parameter.requires_grad_(requires_grad=False)
    x = batches[0][0]
    tracker = GradientTracker({"second": model.second}, 2)
    with tracker.batch(*batches[0][1:], torch.ones(BATCH)):
        assert not model(x).requires_grad
    assert not tracker.half_means()["second"].any()


@pytest.mark.parametrize("shape", [(5,), (6, 5)], ids=str)
def test_layers_that_share_a_weight_add_up_to_its_gradient(shape):
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5)).double()
    model[2].weight = model[0].weight
    batches = make_batches(shape, 3)
    found = track(model, {"a": model[0], "b": model[2]}, batches, 3).half_means()
    whole = (found["a"] + found["b"]).view(HALVES, 3, 5, 6)[..., :5].flatten(2)
    expected = reference(model, {"weight": [model[0].weight]}, batches, 3)["weight"]
    torch.testing.assert_close(whole, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("projection", [None, 6], ids=["whole", "projected"])
@pytest.mark.parametrize("shape", [(5,), (6, 5)], ids=str)
@pytest.mark.usefixtures("wait")
def test_an_interruption_in_the_middle_of_an_epoch_changes_no_bit(shape, projection):
    model = Twice(bias=True).double()
    layers = {"first": model.first, "second": model.second}
    batches = make_batches(shape, 3, count=4)
    whole = track(model, layers, batches, 3, projection=projection).half_means()
    kept = {name: t.clone() for name, t in track(model, layers, batches[:2], 3, projection=projection).state().items()}
    second = GradientTracker(layers, 3, projection=projection)
    second.restore(kept)
    for x, spoken, halves in batches[2:]:
        with second.batch(spoken, halves, torch.ones_like(spoken)):
            losses(model, x).mean().backward()
    assert all(torch.equal(found, whole[name]) for name, found in second.half_means().items())


def test_pairs_set_aside_are_bounded_and_keep_no_activations_alive():
    tracker = GradientTracker({"out": (layer := nn.Linear(64, 3))}, 2)
    spoken = halves = torch.zeros(512, dtype=torch.int64)
    for _ in range(20):
        hidden = torch.randn(512, 7, 64)
        with tracker.batch(spoken, halves, torch.ones_like(spoken)):
            layer(hidden[:, 0]).sum().backward()
        waiting = [t for name, t in tracker.state().items() if "waiting" in name]
        assert sum(t.untyped_storage().nbytes() for t in waiting) <= 4096 * (64 + 3 + 2) * 4


def test_a_sequence_whose_backward_pass_comes_too_late():
    layer = nn.Linear(5, 4)
    tracker = GradientTracker({"layer": layer}, 1)
    x, spoken, halves = torch.randn(2, 3, 5), torch.tensor([0, 0]), torch.tensor([0, 1])
    with tracker.batch(spoken, halves, torch.ones_like(spoken)):
        loss = layer(x).sum()
    with pytest.raises(RuntimeError, match=r"inside GradientTracker\.batch"):
        loss.backward()
