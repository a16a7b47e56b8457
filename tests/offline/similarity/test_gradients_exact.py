"""The hooked gradients against their definition: one autograd pass per language, the mean over its examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.tracking import HALVES, GradientTracker, tracked_layers
from gradsim_offline.tasks import text_classification
from gradsim_offline.training.batching import pad
from gradsim_shared.errors import SettingsError

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


class Small(nn.Module):
    """Embeddings, a linear layer that is used twice (on 3-D or on 2-D input), and a linear layer on 2-D input."""

    def __init__(self, width: int, labels: int, *, bias: bool, flat: bool) -> None:
        super().__init__()
        self.flat = flat
        self.embedding = nn.Embedding(20, width)
        self.shared = nn.Linear(width, width, bias=bias)
        self.out = nn.Linear(width, labels, bias=bias)

    def forward(self, ids, mask):
        """Return logits, ``[batch, labels]``, of ids and mask, ``[batch, tokens]``."""
        x, weights = self.embedding(ids), mask[..., None].to(self.out.weight.dtype)
        if self.flat:
            x = (x * weights).sum(1)
        x = self.shared(torch.tanh(self.shared(x)))
        return self.out(x if self.flat else (x * weights).sum(1) / weights.sum(1))


def gradient(layer):
    """Lay a layer's gradient out as the tracker does: ``[W | b]``, flat."""
    parts = [layer.weight.grad] if layer.bias is None else [layer.weight.grad, layer.bias.grad[:, None]]
    return torch.cat(parts, dim=1).flatten()


def separate_passes(model, batches, layers, languages):
    """Return every layer's gradient of each language's mean loss, ``{path: [languages, parameters]}``."""
    found = {path: [] for path in layers}
    for language in range(languages):
        model.zero_grad(set_to_none=False)
        losses = []
        for inputs, labels, spoken, _ in batches:
            mine = spoken == language
            if mine.any():
                logits = model(*(tensor[mine] for tensor in inputs))
                logits = getattr(logits, "logits", logits)
                losses.append(F.cross_entropy(logits, labels[mine], reduction="none"))
        if losses:
            torch.cat(losses).mean().backward()
        for path, layer in layers.items():
            empty = layer.weight.grad is None
            width = layer.weight.numel() + (0 if layer.bias is None else layer.out_features)
            found[path].append(torch.zeros(width, dtype=layer.weight.dtype) if empty else gradient(layer).clone())
    return {path: torch.stack(vectors) for path, vectors in found.items()}


def one_pass(model, batches, layers, languages):
    """Return the tracker's mean gradients of both halves, and how many examples each half has."""
    tracker = GradientTracker(layers, languages)
    counts = torch.zeros(HALVES, languages, dtype=torch.float64)
    for inputs, labels, spoken, halves in batches:
        model.zero_grad()
        with tracker.batch(spoken, halves, torch.ones_like(spoken)):
            logits = model(*inputs)
            F.cross_entropy(getattr(logits, "logits", logits), labels).backward()
        for half, language in zip(halves, spoken, strict=True):
            counts[half, language] += 1
    return tracker.half_means(), counts


def put_together(halves, counts):
    """Return the mean over all examples from the means of both halves, ``[languages, parameters]``."""
    shares = counts / counts.sum(0).clamp(min=1)
    return (halves.double() * shares[..., None]).sum(0)


def assert_equal(found, expected, tolerance, least=0.0):
    """Compare per language, relative to the gradient's norm, or to ``least`` where examples cancel one another out."""
    assert expected.any()
    for mine, theirs in zip(found.double(), expected.double(), strict=True):
        assert (mine - theirs).norm() <= tolerance * max(theirs.norm(), least)


def size_of_one(model, batches, layers):
    """Return the mean norm of a single example's gradient, ``{path: norm}``: each is a language of its own."""
    found, start = [], 0
    for inputs, labels, spoken, halves in batches:
        found.append((inputs, labels, torch.arange(start, start + len(spoken)), halves))
        start += len(spoken)
    return {path: g.norm(dim=1).mean().item() for path, g in separate_passes(model, found, layers, start).items()}


@st.composite
def cases(draw):
    """A small model and one to three batches in which some languages are rare or absent."""
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    languages = draw(st.integers(1, 5))
    torch.manual_seed(draw(st.integers(0, 10_000)))
    model = Small(draw(st.integers(1, 6)), draw(st.integers(2, 4)), bias=draw(st.booleans()), flat=draw(st.booleans()))
    batches = []
    for _ in range(draw(st.integers(1, 3))):
        size, tokens = draw(st.integers(1, 7)), draw(st.integers(1, 5))
        lengths = torch.randint(1, tokens + 1, (size, 1))
        inputs = torch.randint(20, (size, tokens)), (torch.arange(tokens) < lengths).long()
        spoken = torch.tensor(draw(st.lists(st.integers(0, languages - 1), min_size=size, max_size=size)))
        batches.append((inputs, torch.randint(model.out.out_features, (size,)), spoken, torch.randint(2, (size,))))
    return model.to(dtype), batches, languages, dtype


@given(case=cases())
@settings(max_examples=80, deadline=None)
def test_one_pass_equals_a_pass_per_language(case):
    model, batches, languages, dtype = case
    layers = {"shared": model.shared, "out": model.out}
    expected = separate_passes(model, batches, layers, languages)
    found, counts = one_pass(model, batches, layers, languages)
    sizes = size_of_one(model, batches, layers)
    for path in layers:
        assert_equal(put_together(found[path], counts), expected[path], TOLERANCE[dtype], 0.1 * sizes[path])
    absent = counts.sum(0) == 0
    assert not any(found[path][:, absent].any() for path in layers)


@pytest.fixture(scope="module", params=["xlmr", "mini"])
def transformer(request, small: Dataset, tiny_mini, tiny_xlmr):
    """A classifier with dropout off, and padded batches of real sentences; tur is absent from the second."""
    path = {"mini": tiny_mini, "xlmr": tiny_xlmr}[request.param]
    tokenizer, pad_id = load_tokenizer(path, maximum_length=64)
    reader = text_classification.decoder.Reader(tokenizer, 64)
    torch.manual_seed(1)
    model = text_classification.load_model(path, small.labels).eval()
    batches = []
    for start, chosen in ((0, (5, 3, 2)), (5, (2, 6, 0)), (7, (1, 1, 1))):
        rows = [
            row
            for i, (code, count) in enumerate(zip(small.languages, chosen, strict=True))
            for row in text_classification.encode(
                reader, small.split(code, "train")[start : start + count], small.labels, language=i, seed=start
            )
        ]
        batch = pad([row.ids for row in rows], pad_id)
        assert batch["attention_mask"].min() == 0, "there should be padding"
        labels = torch.tensor([row.labels[0] for row in rows])
        spoken, halves = (torch.tensor([getattr(row, name) for row in rows]) for name in ("language", "half"))
        batches.append(((batch["input_ids"], batch["attention_mask"]), labels, spoken, halves))
    return model, batches, len(small.languages)


@precisions
def test_every_tracked_name_of_a_transformer_is_exact(transformer, dtype):
    model, batches, languages = transformer
    model.to(dtype)
    names = tracked_layers(model, ["head.out", "head", "encoder.0", "encoder.1"])
    assert list(names["head.out"]) == ["classifier.out_proj"]
    assert set(names["head"]) == {"classifier.dense", "classifier.out_proj"}
    assert len(names["encoder.0"]) == len(names["encoder.1"]) >= 4
    assert not set(names["encoder.0"]) & set(names["encoder.1"])
    layers = {path: layer for found in names.values() for path, layer in found.items()}
    expected = separate_passes(model, batches, layers, languages)
    found, counts = one_pass(model, batches, layers, languages)
    for paths in names.values():  # a name's vector is what the cosine is taken of
        whole = torch.cat([put_together(found[path], counts) for path in paths], dim=1)
        assert_equal(whole, torch.cat([expected[path] for path in paths], dim=1), TOLERANCE[dtype])


def test_both_halves_are_exact_and_add_up_to_the_whole(transformer):
    model, batches, languages = transformer
    model.double()
    layers = tracked_layers(model, ["head.out"])["head.out"]
    found, counts = one_pass(model, batches, layers, languages)
    for half in range(HALVES):
        own = [
            (tuple(t[halves == half] for t in inputs), labels[halves == half], spoken[halves == half], halves)
            for inputs, labels, spoken, halves in batches
            if (halves == half).any()
        ]
        expected = separate_passes(model, own, layers, languages)
        for path in layers:
            assert_equal(found[path][half], expected[path], 1e-10)
    assert counts.sum(0).tolist() == [8, 10, 3]


@given(languages=st.integers(1, 4), steps=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_checkpoint_between_two_batches_changes_nothing(languages, steps, seed):
    torch.manual_seed(seed)
    model = Small(3, 3, bias=True, flat=False)
    layers = {"shared": model.shared}
    batches = [
        (torch.randint(20, (6, 4)), torch.randint(3, (6,)), torch.randint(languages, (6,)), torch.randint(2, (6,)))
        for _ in range(2 * steps)
    ]

    def go_on(tracker, some):
        for ids, labels, spoken, halves in some:
            with tracker.batch(spoken, halves, torch.ones_like(spoken)):
                F.cross_entropy(model(ids, torch.ones_like(ids)), labels).backward()
        return tracker

    whole = go_on(GradientTracker(layers, languages), batches).half_means()
    kept = {name: t.clone() for name, t in go_on(GradientTracker(layers, languages), batches[:steps]).state().items()}
    second = GradientTracker(layers, languages)
    second.restore(kept)
    assert torch.equal(go_on(second, batches[steps:]).half_means()["shared"], whole["shared"])


def test_hooks_are_gone_after_the_batch_and_after_an_error():
    model = Small(3, 2, bias=True, flat=True)
    tracker = GradientTracker({"out": model.out}, 2)
    ids = torch.zeros(2, 3, dtype=torch.int64)
    with tracker.batch(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([1, 1])):
        model(ids, torch.ones_like(ids)).sum().backward()
    assert not model.out._forward_hooks
    one = torch.tensor([1])
    with pytest.raises(ValueError, match="stop"), tracker.batch(torch.tensor([0]), torch.tensor([0]), one):
        raise ValueError("stop")
    assert not model.out._forward_hooks
    with pytest.raises(RuntimeError, match=r"inside GradientTracker\.batch"):
        with tracker.batch(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([1, 1])):
            loss = model(ids, torch.ones_like(ids)).sum()
        loss.backward()


def test_a_forward_pass_without_gradients_adds_nothing():
    model = Small(3, 2, bias=True, flat=True)
    tracker = GradientTracker({"out": model.out}, 1)
    ids = torch.zeros(2, 3, dtype=torch.int64)
    with tracker.batch(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([1, 1])), torch.no_grad():
        model(ids, torch.ones_like(ids))
    assert not tracker.half_means()["out"].any()


@pytest.mark.parametrize("name", ["tail", "head.in", "encoder", "encoder.x", "encoder.-1", ""])
def test_an_unknown_layer_names_what_is_known(transformer, name):
    with pytest.raises(SettingsError, match=r"is not known; use head\.out, head or encoder\.<number>"):
        tracked_layers(transformer[0], ["head.out", name])


def test_a_block_that_the_encoder_does_not_have(transformer):
    with pytest.raises(SettingsError, match=r"'encoder\.2': this model has no such linear layer"):
        tracked_layers(transformer[0], ["encoder.2"])


def test_gradients_are_means_over_examples_not_over_batches():
    torch.manual_seed(0)
    model = Small(2, 2, bias=True, flat=True).double()
    ids, labels = torch.randint(20, (5, 3)), torch.randint(2, (5,))
    batches = [
        (
            (ids[chosen], torch.ones_like(ids[chosen])),
            labels[chosen],
            torch.zeros(len(chosen)).long(),
            torch.zeros(len(chosen)).long(),
        )
        for chosen in ([0, 1, 2, 3], [4])
    ]
    found, _ = one_pass(model, batches, {"out": model.out}, 1)
    expected = separate_passes(model, batches, {"out": model.out}, 1)["out"]
    np.testing.assert_allclose(found["out"][0], expected, rtol=1e-12, atol=1e-15)
