"""The arithmetic of the strategies, against plain dense arithmetic and against definitions written out by hand."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradsim_offline.training.batching import IGNORED, Row
from gradsim_offline.training.gradient_lists import ConflictCounts, combine, gramian, take
from gradsim_offline.training.strategies import gradvac, mixed, nash_mtl, pcgrad
from gradsim_offline.training.strategies.surgery import projected
from gradsim_offline.training.strategies.upgrad import LeastSquaresProjector
from gradsim_offline.training.strategy import StrategyContext, load_strategy
from gradsim_offline.training.torchjd_strategies import ByLanguage

seeds = st.integers(0, 2**20)


class Tagger(nn.Module):
    """Sparse and dense embeddings, a norm, a head, an unused layer; called as a Hugging Face model is."""

    base_model_prefix = "body"

    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict(
            {
                "rows": nn.Embedding(30, 4, sparse=True),
                "dense": nn.Embedding(30, 4),
                "norm": nn.LayerNorm(4),
                "inner": nn.Linear(4, 4),
                "unused": nn.Linear(4, 4),
            }
        )
        self.head = nn.Linear(4, 3)

    def forward(self, input_ids, attention_mask, labels):
        """Return the mean loss over the judged tokens, or over texts."""
        hidden = self.body["rows"](input_ids) + self.body["dense"](input_ids)
        logits = self.head(self.body["inner"](self.body["norm"](hidden)))  # [batch, tokens, 3]
        if labels.ndim == 1:
            logits = (logits * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
        return SimpleNamespace(
            loss=nn.functional.cross_entropy(logits.flatten(0, -2), labels.view(-1), ignore_index=IGNORED)
        )


def make_batch(seed, languages=(0, 0, 1, 1, 1, 2), tagged=True):
    """Return a model, a batch of texts of unequal lengths, and its rows."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    rows = []
    for language in languages:
        ids = tuple(random.integers(10 * language, 10 * language + 14, random.integers(1, 6)).clip(0, 29).tolist())
        tags = tuple(random.integers(0, 3, len(ids)).tolist())
        rows.append(Row(ids, (*tags[:-1], tags[-1]) if tagged else tags[:1], language))
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in rows])
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows])
    labels = torch.tensor([[*row.labels, *[IGNORED] * (width - len(row.labels))] for row in rows])
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels if tagged else labels[:, 0]}
    return Tagger(), batch, rows


def context(rows, options=None, seed=3):
    return StrategyContext(("aaa", "bbb", "ccc"), {}, rows, lambda *_: [], lambda _: lambda *_: {}, 8, options, seed)


def gradient_of(model, batch, chosen):
    """Return the gradient of some rows of the batch."""
    mixed.backward(model, {name: tensor[torch.tensor(chosen)] for name, tensor in batch.items()})
    return take(model)


def flat(model, gradient):
    """Return a gradient as one dense vector, ``[parameters]``, in float64."""
    return torch.cat(
        [
            (torch.zeros_like(p) if g is None else g.to_dense()).double().reshape(-1)
            for p, g in zip(model.parameters(), gradient, strict=True)
        ]
    )


def by_language(model, batch, rows):
    """Return the mean gradient of each language, ``[languages, parameters]``."""
    chosen = [[i for i, row in enumerate(rows) if row.language == code] for code in range(3)]
    return torch.stack([flat(model, gradient_of(model, batch, mine)) for mine in chosen if mine])


@given(seeds)
@settings(max_examples=25)
def test_products_and_sums_are_those_of_the_dense_vectors(seed):
    model, batch, _ = make_batch(seed)
    gradients = [gradient_of(model, batch, chosen) for chosen in ([0, 1], [2], [3, 4, 5])]
    assert gradients[0][0].is_sparse
    dense = torch.stack([flat(model, gradient) for gradient in gradients])
    torch.testing.assert_close(gramian(gradients), dense @ dense.T, rtol=1e-5, atol=1e-9)
    weights = [1.0, -0.7, 2.5]
    total = combine(gradients, weights)
    torch.testing.assert_close(flat(model, total), torch.tensor(weights).double() @ dense, rtol=1e-5, atol=1e-7)
    assert total[0].is_sparse
    assert [found is None for found in total] == [found is None for found in gradients[0]]


@given(seeds)
@settings(max_examples=40)
def test_the_projection_is_orthogonal_to_the_oracle_gradient(seed):
    model, batch, _ = make_batch(seed)
    first, second = gradient_of(model, batch, [0, 2, 4]), gradient_of(model, batch, [1, 3, 5])
    if gramian([first, second])[0, 1] > 0:
        second = combine([second], [-1.0])
    result = projected(first, second, gramian([first, second]))
    g, o, r = (flat(model, found) for found in (first, second, result))
    assert g @ o < 0
    assert abs(r @ o) <= 1e-6 * max(1.0, float(g.norm() * o.norm()))
    torch.testing.assert_close(r, g - (g @ o) / (o @ o) * o, rtol=1e-4, atol=1e-6)
    assert r.norm() <= g.norm()


@given(seeds)
@settings(max_examples=20)
def test_without_a_conflict_the_training_gradient_stays(seed):
    model, batch, _ = make_batch(seed)
    first, second = gradient_of(model, batch, [0, 2, 4]), gradient_of(model, batch, [1, 3, 5])
    if gramian([first, second])[0, 1] < 0:
        second = combine([second], [-1.0])
    assert projected(first, second, gramian([first, second])) is first
    nothing = combine([second], [0.0])
    assert projected(first, nothing, gramian([first, nothing])) is first


def test_a_parameter_that_only_the_oracle_reaches_takes_part():
    first, second = [torch.tensor([1.0, 0.0]), None, None], [torch.tensor([-1.0, 1.0]), torch.tensor([2.0]), None]
    result = projected(first, second, gramian([first, second]))
    torch.testing.assert_close(result[0], torch.tensor([1.0, 0.0]) + torch.tensor([-1.0, 1.0]) / 6)
    torch.testing.assert_close(result[1], torch.tensor([2.0]) / 6)
    assert result[2] is None


def by_hand(first, second):
    """PCGrad of two gradients, summed (Yu et al. 2020, Algorithm 1)."""
    inner = first @ second
    if inner >= 0:
        return first + second
    return first - inner / (second @ second) * second + second - inner / (first @ first) * first


@given(seeds, st.booleans())
@settings(max_examples=40)
def test_pcgrad_of_two_languages_is_the_one_written_by_hand(seed, tagged):
    model, batch, rows = make_batch(seed, (0, 2, 0, 2, 2), tagged)
    first, second = by_language(model, batch, rows)
    loss = model(**batch).loss
    strategy = pcgrad.make(context(rows))
    found = strategy.backward(model, batch, range(len(rows)), 0, 0)
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(flat(model, take(model)), by_hand(first, second) / 2, rtol=1e-4, atol=1e-6)
    figures = strategy.end_epoch()
    assert figures["compared"] == 1 and figures["conflicts"] == float(first @ second < 0)
    assert figures["cosine"] == pytest.approx(float(first @ second / first.norm() / second.norm()), abs=1e-5)
    assert strategy.end_epoch() == {"compared": 0, "conflicts": 0}


def test_the_order_of_languages_depends_on_seed_epoch_and_step_only():
    _, _, rows = make_batch(5)
    vectors = torch.tensor([[1.0, 0.0], [-0.6, 0.8], [-0.7, -0.7]])

    def found(step, epoch=0, seed=3):
        state = torch.get_rng_state()
        weights = pcgrad.make(context(rows, seed=seed))._weights((vectors @ vectors.T).double(), [0, 1, 2], epoch, step)
        assert torch.equal(torch.get_rng_state(), state)  # dropout is not disturbed
        torch.rand(7)
        return weights

    assert found(1) == found(1)
    assert any(found(1) != found(step) for step in range(2, 20))
    assert any(found(1) != found(1, epoch=epoch) for epoch in range(1, 20))
    assert any(found(1) != found(1, seed=seed) for seed in range(4, 20))


def test_a_batch_of_one_language_is_trained_on_as_it_is():
    model, batch, rows = make_batch(1, (1, 1, 1))
    plain = flat(model, gradient_of(model, batch, [0, 1, 2]))
    strategy = pcgrad.make(context(rows))
    strategy.backward(model, batch, [0, 1, 2], 0, 0)
    assert torch.equal(flat(model, take(model)), plain)
    assert strategy.end_epoch()["compared"] == 0


def test_equal_weights_give_the_mean_of_the_languages():
    model, batch, rows = make_batch(2)
    strategy = ByLanguage(context(rows), lambda gramian, languages: torch.full((len(languages),), 1 / len(languages)))
    mean = by_language(model, batch, rows).mean(0)
    strategy.backward(model, batch, range(len(rows)), 0, 0)
    torch.testing.assert_close(flat(model, take(model)), mean, rtol=1e-5, atol=1e-7)


def test_gradvac_remembers_the_cosines_of_pairs_that_a_batch_does_not_hold():
    model, batch, rows = make_batch(4)
    three, pair = range(6), [i for i, row in enumerate(rows) if row.language != 1]
    strategy = gradvac.make(context(rows, gradvac.Options(beta=0.5)))
    strategy.backward(model, batch, three, 0, 0)
    take(model)
    kept = strategy.state()["usual"]
    assert (kept != 0).sum() == 6
    strategy.backward(model, {name: tensor[pair] for name, tensor in batch.items()}, pair, 0, 1)
    take(model)
    now = strategy.state()["usual"]
    assert torch.equal(now[1], kept[1]) and torch.equal(now[:, 1], kept[:, 1]) and now[0, 2] != kept[0, 2]
    again = gradvac.make(context(rows, gradvac.Options(beta=0.5)))
    again.restore(strategy.state())
    assert torch.equal(again.state()["usual"], now)


def test_gradvac_that_expects_nothing_is_pcgrad():
    model, batch, rows = make_batch(6, (0, 0, 2, 2))
    found = []
    for strategy in (gradvac.make(context(rows, gradvac.Options(beta=0.0))), pcgrad.make(context(rows))):
        strategy.backward(model, batch, range(4), 0, 0)
        found.append(flat(model, take(model)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


@given(seeds, st.integers(2, 6), st.floats(1e-6, 1e3))
@settings(max_examples=60)
def test_upgrads_projection_is_the_shortest_that_harms_nobody(seed, count, scale):
    random = torch.Generator().manual_seed(seed)
    vectors = scale * torch.randn(count, 9, generator=random, dtype=torch.float64)
    products, starts = vectors @ vectors.T, torch.eye(count, dtype=torch.float64) / count
    found = LeastSquaresProjector()(starts, products)
    slope = found @ (products / products.trace() + 1e-4 * torch.eye(count))  # 2 x this is the gradient of v' G v
    spare = found - starts
    assert (spare >= 0).all() and (slope >= -1e-9).all()
    assert (spare * slope).abs().max() < 1e-9  # Karush, Kuhn, Tucker: optimal, for the problem is convex


@pytest.mark.skipif(not all(map(find_spec, ("quadprog", "qpsolvers"))), reason="quadprog is not installed")
def test_upgrads_projection_is_torchjds():
    from torchjd.linalg import QuadprogProjector

    vectors = torch.randn(5, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    products, starts = vectors @ vectors.T, torch.eye(5, dtype=torch.float64) / 5
    torch.testing.assert_close(
        LeastSquaresProjector()(starts, products), QuadprogProjector()(starts, products), rtol=1e-6, atol=1e-8
    )


def test_upgrad_harms_no_language():
    model, batch, rows = make_batch(11)
    load_strategy("upgrad").make(context(rows)).backward(model, batch, range(6), 0, 0)
    step = flat(model, take(model))
    gradients = by_language(model, batch, rows)
    assert (gradients @ step > -1e-3 * gradients.norm(dim=1) * step.norm()).all()


@given(seeds, st.integers(2, 5))
@settings(max_examples=25)
def test_nash_mtls_root_has_the_same_inner_products(seed, count):
    vectors = torch.randn(count, 7, generator=torch.Generator().manual_seed(seed))
    products = vectors @ vectors.T
    root = nash_mtl._root(products)
    torch.testing.assert_close(root @ root.T, products, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not all(map(find_spec, ("cvxpy", "ecos"))), reason="torchjd's extras are not installed")
def test_nash_and_cagrad_weigh_gradients_that_stand_upright_as_their_papers_say():
    _, _, rows = make_batch(7)
    for name, check in (("nash_mtl", _bargains), ("cagrad", _helps_the_worst)):
        plugin = load_strategy(name)
        strategy = plugin.make(context(rows, plugin.options()))
        check(strategy._weigh)


def _bargains(weigh):
    weights = weigh(torch.diag(torch.tensor([1.0, 4.0, 16.0])), [0, 1, 2])
    products = weights * weights * torch.tensor([1.0, 4.0, 16.0])  # G a = 1 / a, up to the scale
    torch.testing.assert_close(products, products.mean().expand(3), rtol=2e-2, atol=0)


def _helps_the_worst(weigh):
    gradients = torch.tensor([[1.0, 0.0], [-0.8, 0.3]])
    weights = weigh(gradients @ gradients.T, [0, 1])
    worst = (gradients @ (weights @ gradients)).min()
    assert worst > (gradients @ gradients.mean(0)).min()


def test_every_pair_is_counted_once_and_zero_gradients_are_in_no_conflict():
    counts = ConflictCounts()
    counts.add(torch.tensor([[1.0, -0.5, 0.0], [-0.5, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64))
    other = ConflictCounts()
    other.restore(counts.state())
    assert counts.end_epoch() == other.end_epoch() == {"compared": 3, "conflicts": 1, "cosine": pytest.approx(-0.5 / 3)}
