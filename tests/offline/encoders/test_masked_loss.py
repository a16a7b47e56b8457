"""The loss of masked language modelling, taken in slices: against torch's own, and the same in training as outside."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.models.masked_loss import _SLICE, summed_cross_entropy
from gradsim_offline.models.mini import MiniConfig, MiniForMaskedLM


def losses_and_gradients(loss_of, positions, width, vocabulary, seed, scale):
    """Return a loss and its gradients by hidden states, weights and bias."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((positions, width), (vocabulary, width), (vocabulary,))
    inputs = [(scale * torch.randn(s, generator=generator, dtype=torch.float64)).requires_grad_() for s in shapes]
    pieces = torch.randint(vocabulary, (positions,), generator=generator)
    loss = loss_of(*inputs, pieces)
    (0.3 * loss).backward()
    return [loss.detach(), *(tensor.grad for tensor in inputs)]


def plain(hidden, weight, bias, pieces):
    return F.cross_entropy(F.linear(hidden, weight, bias), pieces, reduction="sum")


@given(
    positions=st.sampled_from([0, 1, 2, _SLICE - 1, _SLICE, _SLICE + 1, 3 * _SLICE + 5]),
    width=st.integers(1, 6),
    vocabulary=st.integers(1, 9),
    seed=st.integers(0, 99),
    scale=st.sampled_from([0.1, 1.0, 30.0]),
)
@settings(max_examples=60, deadline=None)
def test_loss_and_gradients_are_torchs(positions, width, vocabulary, seed, scale):
    sizes = (positions, width, vocabulary, seed, scale)
    found, expected = losses_and_gradients(summed_cross_entropy, *sizes), losses_and_gradients(plain, *sizes)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1, "ngram_buckets": 32, "ngram_size": 4}
    config = MiniConfig(**sizes, dropout=0.0, view_dropout=0.0)
    return MiniForMaskedLM(config)


@pytest.mark.parametrize("asked", [0, 1, 7])
def test_a_training_step_equals_one_with_all_logits_at_once(model, asked):
    ids = torch.randint(5, 50, (4, 6), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(ids, -100)
    labels.view(-1)[:asked] = ids.view(-1)[:asked]
    found = []
    for mode in (True, False):
        model.train(mode).zero_grad()
        output = model(ids, labels=labels)
        assert (output.logits is None) == mode
        output.loss.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((output.loss.detach(), gradients))
    (in_training, own), (outside, other) = found
    torch.testing.assert_close(in_training, outside)
    assert own.keys() == other.keys() and any(gradient.any() for gradient in own.values()) == (asked > 0)
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-6)
