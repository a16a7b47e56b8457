"""Lookahead affinities against copies of the model and SGD; that the training does not notice; interruptions."""

from __future__ import annotations

import copy
import functools
import json
import math
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.lookahead_steps import Judge, affinities, undisturbed
from gradsim_offline.similarity.measures import lookahead
from gradsim_offline.similarity.measures.lookahead import LookaheadObserver, Options, summarise
from gradsim_offline.tasks import text_classification
from gradsim_offline.training import fine_tune as fine_tuning
from gradsim_offline.training import loop
from gradsim_offline.training.batching import Row
from gradsim_offline.training.fine_tune import RESULT, fine_tune

SETTINGS = Measuring(epochs=2, batch_size=8, learning_rate=2e-3)
EPOCH = 7  # steps: 56 texts
CPU = torch.device("cpu")
encoders = pytest.mark.parametrize("encoder", ["tiny_mini", "tiny_xlmr"])


@pytest.fixture
def context(measure_context, tiny_mini, tmp_path):
    options = Options(every=3, texts=4)
    return measure_context(tiny_mini, tmp_path / "measure", measuring=SETTINGS, options=options, seed=3)


def train_plainly(context, directory, observe=None):
    directory.mkdir()
    fine_tune(
        context.dataset,
        context.dataset.languages,
        context.dataset.languages,
        directory,
        context=context.training,
        settings=context.measuring,
        observe=observe,
    )


def by_copies(model, steps, judged, gain, languages=3):
    """Compute affinities with a copy of the model per language, ``.backward()`` and torch's own SGD."""
    model = copy.deepcopy(model).eval()

    def slope(batch):
        model.zero_grad()
        model(**batch).loss.backward()
        squares = sum((p.grad**2).sum().item() for p in model.parameters() if p.grad is not None)
        return model(**batch).loss.item(), squares

    slopes = [slope(batch) for batch in steps.values()]
    rate = gain * np.mean([loss for loss, _ in slopes]) / np.mean([square for _, square in slopes])
    found = np.full((languages, languages), np.nan)
    for j, batch in steps.items():
        other = copy.deepcopy(model)
        other.zero_grad()
        other(**batch).loss.backward()
        torch.optim.SGD(other.parameters(), lr=rate).step()
        with torch.no_grad():
            for i, texts in judged.items():
                found[i, j] = (1 - other(**texts).loss.item() / model(**texts).loss.item()) / gain
    return found


def model_and_rows(small, path):
    tokenizer, pad_id = load_tokenizer(path, maximum_length=64)
    reader = text_classification.decoder.Reader(tokenizer, 64)
    torch.manual_seed(0)
    model = text_classification.load_model(path, small.labels, new_head=True)
    rows = [
        row
        for number, code in enumerate(small.languages)
        for row in text_classification.encode(reader, small.split(code, "train"), small.labels, language=number, seed=0)
    ]
    collate = text_classification.collate(rows, pad_id)
    return model, rows, lambda indices: collate(indices, 0, 0)


@encoders
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_affinities_equal_copies_and_sgd(small, encoder, dtype, request):
    model, rows, lay = model_and_rows(small, request.getfixturevalue(encoder))
    model = model.to(dtype)
    texts = {0: [3, 1, 9], 1: [20, 21], 2: [50, 52, 55]}
    judged = {0: [5, 6], 1: list(range(17, 47)), 2: [47]}
    judge = Judge(judged, [len(row.ids) for row in rows], lay, languages=3, device=CPU)
    steps = {language: lay(mine) for language, mine in texts.items()}
    before = copy.deepcopy(model.state_dict())
    with undisturbed(model):
        found = affinities(model, steps, judge, 0.01)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    expected = by_copies(model, steps, {language: lay(mine) for language, mine in judged.items()}, 0.01)
    np.testing.assert_allclose(found, expected, atol=2e-3 if dtype is torch.float32 else 1e-10)
    assert found.abs().max() > 0.1


@encoders
def test_a_step_takes_about_the_wanted_share_off_its_own_loss(small, encoder, request):
    model, rows, lay = model_and_rows(small, request.getfixturevalue(encoder))
    texts = {language: [i for i, row in enumerate(rows) if row.language == language] for language in range(3)}
    judge = Judge(texts, [len(row.ids) for row in rows], lay, languages=3, device=CPU)
    with undisturbed(model):
        found = affinities(model.double(), {i: lay(mine) for i, mine in texts.items()}, judge, 1e-5)
        slopes = []
        for mine in texts.values():
            loss = model(**lay(mine)).loss
            squares = sum(
                g.square().sum()
                for g in torch.autograd.grad(loss, model.parameters(), allow_unused=True)
                if g is not None
            )
            slopes.append((loss.item(), squares.item()))
    losses, squares = np.array(slopes).T
    np.testing.assert_allclose(found.diagonal(), losses.mean() / squares.mean() * squares / losses, rtol=1e-2)


class Table(nn.Module):
    """Logits looked up by the first token: each token is a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Embedding(4, 2)
        nn.init.zeros_(self.logits.weight)

    def forward(self, input_ids, labels, **_):
        """Return logits, ``[batch, 2]``, and their loss."""
        logits = self.logits(input_ids[:, 0])
        return SimpleNamespace(logits=logits, loss=F.cross_entropy(logits, labels))


def test_s_ij_is_what_a_step_on_j_does_for_i():
    """Language 1 is undecided on what language 0 knows; 2 wants the contrary of 0; 3 shares nothing with them."""
    rows = [Row((0,), (0,), 0), Row((0,), (0,), 1), Row((0,), (1,), 1), Row((0,), (1,), 2), Row((3,), (0,), 3)]
    collate = text_classification.collate(rows, 0)
    judge = Judge(
        {0: [0], 1: [1, 2], 2: [3], 3: [4]}, [1] * 5, lambda chosen: collate(chosen, 0, 0), languages=4, device=CPU
    )
    steps = {language: collate(mine, 0, 0) for language, mine in {0: [0], 1: [1, 2], 2: [3], 3: [4]}.items()}
    found = affinities(Table(), steps, judge, 0.05).numpy()
    assert (found[[0, 2, 3], [0, 2, 3]] > 0.5).all()
    assert not found[:, 1].any(), "a step on language 1 leads nowhere, so it helps nobody"
    assert found[1, 0] < 0 and found[1, 2] < 0, "either step harms the undecided"
    assert found[0, 2] < -0.5 and found[2, 0] < -0.5
    assert not found[3, :3].any() and not found[:3, 3].any()


def test_the_judges_losses_are_the_models_own_for_texts_and_tagged_tokens():
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Embedding(9, 3)

        def forward(self, input_ids, labels, **_):
            logits = self.out(input_ids)
            return SimpleNamespace(logits=logits, loss=F.cross_entropy(logits.flatten(0, 1), labels.flatten()))

    torch.manual_seed(0)
    ids, labels = torch.randint(9, (100, 5)), torch.randint(3, (100, 5))
    labels[torch.rand(100, 5) < 0.4] = -100

    def lay(indices):
        return {"input_ids": ids[list(indices)], "labels": labels[list(indices)]}

    texts = {0: list(range(10)), 2: list(range(10, 100))}
    model = Tagger()
    losses = Judge(texts, ids[:, 0].tolist(), lay, languages=3, device=CPU)(model)
    for language, mine in texts.items():
        assert losses[language].item() == pytest.approx(model(**lay(mine)).loss.item(), rel=1e-5)
    assert math.isnan(losses[1])


def test_ctrl_c_within_a_step_leaves_the_weights_and_modes(small, tiny_mini):
    model, rows, lay = model_and_rows(small, tiny_mini)
    model.train()
    model.mini.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    judge = Judge({0: [0, 1]}, [len(row.ids) for row in rows], lay, languages=3, device=CPU)
    asked = []

    def impatient(judged):
        asked.append(1)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return judge(judged)

    with pytest.raises(KeyboardInterrupt), undisturbed(model):
        affinities(model, {0: lay([2, 3])}, impatient, 0.01)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert modes == [module.training for module in model.modules()]


def test_looking_ahead_leaves_the_random_state_as_it_was():
    model = nn.Linear(1, 1)
    state = torch.get_rng_state()
    with undisturbed(model):
        torch.rand(5)
    assert torch.equal(state, torch.get_rng_state())


@encoders
@pytest.mark.parametrize("drawn", [0, 4])
def test_looking_ahead_changes_neither_the_losses_nor_the_weights(context, encoder, drawn, tmp_path, request):
    path = str(request.getfixturevalue(encoder))
    training = replace(context.training, encoder=path)
    context = replace(context, training=training, options=Options(every=3, texts=drawn))
    train_plainly(context, tmp_path / "plain")
    measured = lookahead.measure(context)
    assert measured.settings["recorded"] == 5  # of 14 steps: 0, 3, 6, 9, 12
    plain, observed = (load_file(folder / "model.safetensors") for folder in (tmp_path / "plain", context.directory))
    assert plain.keys() == observed.keys() and all(torch.equal(plain[name], observed[name]) for name in plain)
    assert json.loads((tmp_path / "plain" / RESULT).read_text()) == json.loads((context.directory / RESULT).read_text())


def test_the_whole_measure_equals_copies_made_on_the_way(context, small, tmp_path):
    context = replace(context, options=Options(every=2, texts=0))
    made, step = [], [0]

    class Copying:
        def __init__(self, model, rows):
            self.model, self.rows = model, rows
            collate = text_classification.collate(rows, load_tokenizer(context.training.encoder, maximum_length=64)[1])
            self.lay = lambda indices: collate(indices, 0, 0)

        @contextmanager
        def watch(self, indices):
            if step[0] % 2 == 0:
                spoken = {self.rows[i].language for i in indices}
                batches = {n: self.lay([i for i in indices if self.rows[i].language == n]) for n in sorted(spoken)}
                made.append(by_copies(self.model, batches, batches, 0.01))
            step[0] += 1
            yield

        def end_epoch(self):
            pass

        def state(self):
            return {}

    train_plainly(context, tmp_path / "plain", Copying)
    measured = lookahead.measure(context)
    np.testing.assert_allclose(measured.matrix, np.nanmean(made, axis=0), atol=5e-3)
    np.testing.assert_allclose(measured.epochs[0], np.nanmean(made[:4], axis=0), atol=5e-3)
    assert np.isnan(made).any() and len(measured.epochs) == 2 and measured.split_half is None
    assert measured.languages == small.languages and measured.measure == "lookahead"


def test_texts_are_drawn_balanced_apart_and_anew():
    rows = [Row((1,), (0,), language) for language, count in enumerate([40, 5, 1]) for _ in range(count)]
    observer = LookaheadObserver(nn.Linear(1, 1), rows, list, 3, seed=0, options=Options(texts=8))
    steps, judged = observer.draw([0])
    assert [len(mine) for mine in steps.values()] == [len(mine) for mine in judged.values()] == [8, 2, 1]
    assert not set(steps[0]) & set(judged[0]) and not set(steps[1]) & set(judged[1]) and steps[2] == judged[2] == [45]
    assert all(rows[i].language == n for chosen in (steps, judged) for n, mine in chosen.items() for i in mine)
    assert observer.draw([0]) == (steps, judged)
    observer._step += 10
    assert observer.draw([0]) != (steps, judged)


def test_a_pair_never_seen_has_similarity_0_and_a_warning():
    sums, counts = torch.ones(2, 2, 2), torch.ones(2, 2, 2)
    sums[:, 0, 1] = counts[:, 0, 1] = 0
    with pytest.warns(UserWarning, match="effect of hau on amh: similarity 0; set a smaller similarity.every"):
        measured = summarise(sums, counts, ["amh", "hau"], {"texts": 8}, 1.0)
    np.testing.assert_array_equal(measured.matrix, [[1, 0], [1, 1]])
    np.testing.assert_array_equal(measured.split_half, [1, 1])
    assert np.isfinite(measured.epochs).all()


@pytest.mark.parametrize(("eager", "stop"), [(True, EPOCH + 3), (False, EPOCH + 3), (True, 2 * EPOCH)])
def test_an_interrupted_measurement_ends_the_same(context, counting, tmp_path, monkeypatch, eager, stop):
    if eager:
        monkeypatch.setattr(fine_tuning, "train", functools.partial(loop.train, save_every_seconds=-1.0))
    training = replace(context.training, progress=counting(stop))
    broken = replace(context, directory=tmp_path / "broken", training=training)
    broken.directory.mkdir()
    whole = lookahead.measure(context)
    with pytest.raises(KeyboardInterrupt):
        lookahead.measure(broken)
    again = lookahead.measure(replace(broken, training=context.training))
    np.testing.assert_array_equal(whole.matrix, again.matrix)
    np.testing.assert_array_equal(whole.epochs, again.epochs)
    assert whole.settings == again.settings
