"""Measuring on tagged words: the hooked gradients are those of each language's mean loss over its words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity import gradient_sums as _sums
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.similarity.model_gradients import example_gradients, half_gradients
from gradsim_offline.similarity.tracking import HALVES, GradientTracker, tracked_layers
from gradsim_offline.tasks.token_classification import PLUGIN as task
from gradsim_offline.training.batching import IGNORED

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}
CPU = torch.device("cpu")


def gradient(layer):
    """Lay a layer's gradient out as the tracker does: ``[W | b]``, flat."""
    return torch.cat([layer.weight.grad, layer.bias.grad[:, None]], dim=1).flatten()


def by_autograd(logits_of, batches, layers, languages):
    """Return ``{path: [2 halves, languages, parameters]}``: a backward pass for each half of each language.

    ``logits_of`` turns inputs into ``[sentences, tokens, labels]``; a batch is inputs, labels, languages, halves.
    """
    found = {path: [] for path in layers}
    for half in range(HALVES):
        for language in range(languages):
            for layer in layers.values():
                layer.weight.grad, layer.bias.grad = torch.zeros_like(layer.weight), torch.zeros_like(layer.bias)
            losses = []
            for inputs, labels, spoken, sides in batches:
                mine = (spoken == language) & (sides == half)
                if mine.any():
                    logits, own = logits_of(*(tensor[mine] for tensor in inputs)), labels[mine]
                    losses.append(F.cross_entropy(logits[own != IGNORED], own[own != IGNORED], reduction="none"))
            if losses and torch.cat(losses).numel():
                torch.cat(losses).mean().backward()
            for path, layer in layers.items():
                found[path].append(gradient(layer).clone())
    return {path: torch.stack(vectors).view(HALVES, languages, -1) for path, vectors in found.items()}


def by_hooks(logits_of, batches, layers, languages):
    """Return the same from one backward pass per batch, of the mean loss over all its judged tokens."""
    tracker = GradientTracker(layers, languages)
    for inputs, labels, spoken, sides in batches:
        with tracker.batch(spoken, sides, (labels != IGNORED).sum(1)):
            F.cross_entropy(logits_of(*inputs).flatten(0, 1), labels.flatten(), ignore_index=IGNORED).backward()
    return tracker.half_means()


def assert_equal(found, expected, tolerance, least=1e-3):
    assert found.shape == expected.shape and expected.any()
    for mine, theirs in zip(found.double().flatten(0, 1), expected.double().flatten(0, 1), strict=True):
        assert (mine - theirs).norm() <= tolerance * max(theirs.norm(), least)


class Tagger(nn.Module):
    """Two linear layers, both over tokens; the first is used twice."""

    def __init__(self, width, labels) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, width)
        self.first = nn.Linear(width, width)
        self.out = nn.Linear(width, labels)

    def forward(self, ids):  # [batch, tokens] -> [batch, tokens, labels]
        """Mix each token with its sentence, so that a token's loss reaches the others."""
        x = torch.tanh(self.first(self.embedding(ids)))
        return self.out(torch.tanh(self.first(x + x.mean(1, keepdim=True))))


@st.composite
def cases(draw):
    """Batches in which a sentence has between one judged token and all of them, or even none."""
    languages = draw(st.integers(1, 4))
    torch.manual_seed(draw(st.integers(0, 10_000)))
    model = Tagger(draw(st.integers(1, 5)), 3).double()
    batches = []
    for _ in range(draw(st.integers(1, 3))):
        size, tokens = draw(st.integers(1, 6)), draw(st.integers(1, 9))
        labels = torch.randint(3, (size, tokens))
        labels[torch.rand(size, tokens) < draw(st.sampled_from([0.0, 0.5, 0.9]))] = IGNORED
        labels[0, 0] = 1  # a batch judges something
        sides = torch.randint(2, (size,))
        batches.append(((torch.randint(20, (size, tokens)),), labels, torch.randint(languages, (size,)), sides))
    return model, batches, languages


@pytest.mark.parametrize("small", [_sums._SMALL, 0], ids=["by example", "by row"])
@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_one_pass_equals_a_pass_per_language_and_half(small, case):
    model, batches, languages = case
    layers = {"first": model.first, "out": model.out}
    expected = by_autograd(model, batches, layers, languages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sums, "_SMALL", small)
        found = by_hooks(model, batches, layers, languages)
    for path in layers:
        assert_equal(found[path], expected[path], 1e-10)


@pytest.fixture(scope="module", params=["tiny_mini", "tiny_xlmr"])
def tagger(request, tagged):
    """A tagger with dropout off, its training rows, and a function that lays out a batch of them."""
    path = request.getfixturevalue(request.param)
    tokenizer, pad_id = load_tokenizer(path, maximum_length=32)
    reader = task.decoder.Reader(tokenizer, 32)
    torch.manual_seed(1)
    model = task.load_model(path, tagged.labels, new_head=True).eval()
    rows = [
        row
        for number, code in enumerate(tagged.languages)
        for row in task.encode(reader, tagged.split(code, "train"), tagged.labels, language=number, seed=0)
    ]
    lay = task.collate(rows, pad_id)
    return model, rows, lambda chosen: lay(chosen, 0, 0), pad_id


def shuffled(rows):
    """Return batches of sentences as they come: short ones beside long ones, the last without the third language."""
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    batches = [order[:9], order[9:12], order[12:]]
    away = [i for i in batches[2] if rows[i].language == 2]
    return [batches[0] + away, batches[1], [i for i in batches[2] if i not in away]]


def laid_out(rows, lay):
    found = []
    for chosen in shuffled(rows):
        batch = lay(chosen)
        spoken, sides = (torch.tensor([getattr(rows[i], name) for i in chosen]) for name in ("language", "half"))
        found.append(((batch["input_ids"], batch["attention_mask"]), batch["labels"], spoken, sides))
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_every_tracked_name_of_a_tagger_is_exact(tagger, dtype):
    model, rows, lay, _ = tagger
    model.to(dtype)
    names = tracked_layers(model, ["head.out", "head", "encoder.0", "encoder.1"])
    assert len(names["head.out"]) == 1 and set(names["head.out"]) <= set(names["head"])
    layers = {path: layer for found in names.values() for path, layer in found.items()}
    batches = laid_out(rows, lay)
    units = [(labels != IGNORED).sum(1) for _, labels, _, _ in batches]
    assert max(units[0]) >= 5 * min(units[0]), "sentences should differ in their number of words"
    expected = by_autograd(lambda ids, mask: model(ids, mask).logits, batches, layers, 3)
    found = by_hooks(lambda ids, mask: model(ids, mask).logits, batches, layers, 3)
    for paths in names.values():  # a name's vector is what the cosine is taken of
        whole, theirs = (torch.cat([vectors[path] for path in paths], dim=-1) for vectors in (found, expected))
        assert_equal(whole, theirs, TOLERANCE[dtype])


def test_an_observed_epoch_is_the_mean_over_a_languages_words(tagger):
    """What measuring does: the model's own loss, the rows' own units, halves put together by their words."""
    model, rows, lay, _ = tagger
    model.double()
    observer = GradientObserver(model, rows, ["head.out", "encoder.1"], 3)
    for chosen in shuffled(rows):
        with observer.watch(chosen):
            model(**lay(chosen)).loss.backward()
    observer.end_epoch()
    words = np.array(
        [sum(row.units for row in rows if (row.half, row.language) == (h, n)) for h in (0, 1) for n in range(3)]
    )
    shares = words.reshape(2, 3) / words.reshape(2, 3).sum(0)
    np.testing.assert_allclose(observer.shares, shares, rtol=1e-6)
    whole = [(*batch[:3], torch.zeros(len(batch[2]))) for batch in laid_out(rows, lay)]
    for name, layers in tracked_layers(model, ["head.out", "encoder.1"]).items():
        parts = by_autograd(lambda ids, mask: model(ids, mask).logits, whole, layers, 3)
        expected = torch.cat([parts[path][0] for path in layers], dim=-1)
        found = (observer.means()[name] * torch.tensor(shares)[..., None]).sum(0)
        assert_equal(found[None], expected[None], 1e-9)


def test_gradients_at_a_finished_tagger_are_those_of_autograd(tagger):
    model, rows, lay, pad_id = tagger
    model.double()
    layers = tracked_layers(model, ["head.out"])["head.out"]
    (path,) = layers
    batches = laid_out(rows, lay)
    expected = by_autograd(lambda ids, mask: model(ids, mask).logits, batches, layers, 3)[path]
    halves, counts = half_gradients(model, rows, 3, pad_id, task=task, device=CPU)
    assert_equal(halves, expected, 1e-6)  # they are kept in float32
    assert counts.sum() == sum(row.units for row in rows)
    single = example_gradients(model, rows, pad_id, task=task, device=CPU).double()  # [rows, parameters]
    units = torch.tensor([row.units for row in rows]).double()
    for half in range(HALVES):
        for language in range(3):
            mine = torch.tensor([(row.half, row.language) == (half, language) for row in rows])
            assert counts[half, language] == units[mine].sum()
            mean = (single[mine] * units[mine, None]).sum(0) / units[mine].sum()
            torch.testing.assert_close(mean, expected[half, language].double(), rtol=1e-5, atol=1e-8)
