"""The loss of spans: where answers stand in windows, and the gradient of each language."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gradsim_offline.core.dataset import QuestionExample
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.model_gradients import half_gradients
from gradsim_offline.tasks.question_answering import PLUGIN, span_loss
from gradsim_offline.training.batching import pad
from gradsim_offline.training.trained import TrainedModel
from gradsim_shared.decode.question_answering import LABELS
from gradsim_shared.segments import Question


def example(before, answer, after=""):
    return QuestionExample(Question("Where?", f"{before}{answer}{after}"), (answer,), (len(before),))


@pytest.fixture(scope="module")
def trained(tiny_xlmr):
    tokenizer, pad_id = load_tokenizer(tiny_xlmr, maximum_length=32)
    torch.manual_seed(0)
    return PLUGIN.load_model(tiny_xlmr, LABELS, new_head=True).eval(), PLUGIN.decoder.Reader(tokenizer, 32), pad_id


def test_padding_has_no_part_in_it():
    torch.manual_seed(0)
    logits, labels, lengths = torch.randn(3, 7, 2), torch.tensor([[1, 2], [0, 0], [3, 4]]), (7, 5, 6)
    mask = (torch.arange(7) < torch.tensor(lengths)[:, None]).long()
    alone = [
        F.cross_entropy(logits[row, :length, side][None], labels[row, side][None])
        for row, length in enumerate(lengths)
        for side in (0, 1)
    ]
    assert span_loss(logits, labels, mask).item() == pytest.approx(torch.stack(alone).mean().item())


def test_the_answer_is_learnt_where_a_window_holds_all_of_it(trained):
    _, reader, _ = trained
    text = example("once upon a time there lived in a town " * 3, "New York", " and then " * 8)
    rows = PLUGIN.encode(reader, [text], LABELS, language=0, seed=0)
    places = [row.labels for row in rows]
    assert len(rows) > 2 and places.count((0, 0)) < len(rows)
    layout = reader.read([text.text]).layout[0]
    for piece, (first, last) in zip(layout.pieces, places, strict=True):
        if (first, last) == (0, 0):
            continue
        characters = dict(zip(piece.positions.tolist(), piece.characters.tolist(), strict=True))
        assert characters[first][0] == text.starts[0]
        assert characters[last][1] == text.starts[0] + len("New York") - 1


def test_what_is_learnt_is_what_is_answered(tiny_xlmr):
    """A few questions about contexts of several windows are learnt by heart, and answered with the right spans."""
    tokenizer, pad_id = load_tokenizer(tiny_xlmr, maximum_length=32)
    torch.manual_seed(0)
    model = PLUGIN.load_model(tiny_xlmr, LABELS, new_head=True).eval()  # without dropout it is quicker
    reader = PLUGIN.decoder.Reader(tokenizer, 32)
    texts = [
        example(f"{name} lived long ago in  ", place, f"; {name} is gone now, and so is all that was there \u200b then")
        for name, place in (("Ann", "New York"), ("Bob", "Rome"), ("Musa", "Kano"), ("Ali", "Muğla"))
    ]
    rows = PLUGIN.encode(reader, texts, LABELS, language=0, seed=0)
    assert len(rows) > len(texts)
    batch = PLUGIN.collate(rows, pad_id)(range(len(rows)), 0, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = TrainedModel(model, PLUGIN.decoder, reader, LABELS, pad_id, torch.device("cpu"))
    answers = trained.answers([each.text for each in texts])
    assert PLUGIN.scores([each.gold for each in texts], answers, LABELS)["exact_match"] == 1, (loss.item(), answers)


def test_the_gradient_of_a_language_is_that_of_its_own_loss(trained):
    model, reader, pad_id = trained
    texts = [
        [example("Ann is in ", "Rome"), example("he is now far off in ", "Oslo")],
        [example("", "Kano", " a gari")],
    ]
    rows = [
        row
        for language, examples in enumerate(texts)
        for row in PLUGIN.encode(reader, examples, LABELS, language=language, seed=0)
    ]
    found, counts = half_gradients(model, rows, 2, pad_id, task=PLUGIN, device=torch.device("cpu"))
    shares = counts.float() / counts.sum(0)
    means = (found * shares[..., None]).sum(0)
    for language in (0, 1):
        own = [row for row in rows if row.language == language]
        model.requires_grad_(True)
        batch = pad([row.ids for row in own], pad_id)
        loss = span_loss(model(**batch).logits, torch.tensor([row.labels for row in own]), batch["attention_mask"])
        layer = model.classifier
        weight, bias = torch.autograd.grad(loss, [layer.weight, layer.bias])
        expected = torch.cat([weight, bias[:, None]], dim=1).flatten()
        torch.testing.assert_close(means[language], expected, rtol=1e-4, atol=1e-6)
