"""Masked language modelling: what is hidden, what is asked, never a special piece, the same when done again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.training.batching import IGNORED, Row
from gradsim_offline.training.masked_language_modelling import Masking

START, PAD, END, UNKNOWN, MASK, VOCABULARY = 0, 1, 2, 3, 4, 500


def make(rows, share=0.2, seed=0):
    masking = Masking(PAD, MASK, frozenset({START, END, UNKNOWN}), VOCABULARY)
    return lambda indices, epoch, step: masking.batch(
        [rows[i].ids for i in indices], epoch, step, share=share, seed=seed
    )


def make_rows(count, length, seed=0):
    ids = torch.randint(5, VOCABULARY, (count, length), generator=torch.Generator().manual_seed(seed)).tolist()
    return [Row((START, *row[: 1 + i % length], UNKNOWN, END)) for i, row in enumerate(ids)]


@given(
    share=st.floats(0.01, 1),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 9),
    step=st.integers(0, 9),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_labels_are_the_chosen_pieces_and_the_other_pieces_stay(share, seed, epoch, step, data):
    rows = make_rows(12, 9)
    indices = data.draw(st.lists(st.integers(0, 11), min_size=1, max_size=6))
    collate = make(rows, share, seed)
    batch = collate(indices, epoch, step)
    original = torch.full_like(batch["input_ids"], PAD)
    for i, index in enumerate(indices):
        original[i, : len(rows[index].ids)] = torch.tensor(rows[index].ids)
    asked = batch["labels"] != IGNORED
    assert asked.any()
    assert torch.equal(batch["labels"][asked], original[asked])
    assert torch.equal(batch["input_ids"][~asked], original[~asked])
    assert not torch.isin(original[asked], torch.tensor([START, PAD, END, UNKNOWN, MASK])).any()
    assert torch.equal(batch["attention_mask"], (original != PAD).long())
    again = collate(indices, epoch, step)
    assert all(torch.equal(batch[name], again[name]) for name in batch)


@pytest.mark.parametrize("share", [0.15, 0.3])
def test_the_share_of_chosen_pieces_and_what_becomes_of_them(share):
    rows = [Row(tuple(range(5, 205))) for _ in range(200)]
    batch = make(rows, share)(range(200), 0, 0)
    asked = batch["labels"] != IGNORED
    assert asked.float().mean() == pytest.approx(share, abs=0.01)
    hidden, answers = batch["input_ids"][asked], batch["labels"][asked]
    assert (hidden == MASK).float().mean() == pytest.approx(0.8, abs=0.03)
    assert (hidden == answers).float().mean() == pytest.approx(0.1, abs=0.03)


def test_every_epoch_step_and_seed_chooses_other_pieces():
    rows = make_rows(30, 20)
    first = make(rows)(range(30), 0, 0)["labels"]
    for other in (make(rows)(range(30), 1, 0), make(rows)(range(30), 0, 1), make(rows, seed=1)(range(30), 0, 0)):
        assert not torch.equal(first, other["labels"])


def test_masking_neither_reads_nor_changes_the_global_random_state():
    rows = make_rows(8, 9)
    torch.manual_seed(1)
    first = make(rows)(range(8), 2, 3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(first["input_ids"], make(rows)(range(8), 2, 3)["input_ids"])
    assert torch.equal(before, torch.get_rng_state())


def test_a_batch_with_nothing_to_ask_has_a_loss_of_0_and_no_gradient_that_is_no_number(tiny_mini):
    from transformers import AutoModelForMaskedLM

    from gradsim_offline.models.loading import from_pretrained

    model = from_pretrained(AutoModelForMaskedLM, tiny_mini).train()
    batch = make([Row((START, UNKNOWN, END)), Row((START, END))])([0, 1], 0, 0)
    assert (batch["labels"] == IGNORED).all()
    loss = model(**batch).loss
    loss.backward()
    assert loss.item() == 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
