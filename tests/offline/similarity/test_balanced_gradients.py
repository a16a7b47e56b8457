"""Gradients with labels weighed alike: against autograd, one text at a time; and class balance no longer counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.tasks import text_classification
from gradsim_offline.training.batching import Row
from gradsim_shared.errors import SettingsError


@pytest.fixture
def model(tiny_mini, small):
    torch.manual_seed(0)
    return text_classification.load_model(tiny_mini, small.labels).double().eval()


def gradient(model, row):
    """Return autograd's gradient of one text's loss at the last layer, ``[parameters]``, as ``[W | b]`` row by row."""
    model.zero_grad()
    ids = torch.tensor([row.ids])
    model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=torch.tensor(row.labels)).loss.backward()
    layer = [module for module in model.classifier.modules() if isinstance(module, torch.nn.Linear)][-1]
    return torch.cat([layer.weight.grad, layer.bias.grad[:, None]], dim=1).flatten().clone()


def observed(model, rows, classes):
    observer = GradientObserver(model, rows, ["head.out"], 2, classes=classes)
    for start in range(0, len(rows), 4):
        chosen = list(range(start, min(start + 4, len(rows))))
        batch = torch.tensor([rows[i].ids for i in chosen])
        model.zero_grad()
        with observer.watch(chosen):
            labels = torch.tensor([rows[i].labels[0] for i in chosen])
            model(input_ids=batch, attention_mask=torch.ones_like(batch), labels=labels).loss.backward()
    return observer


def test_a_balanced_gradient_is_the_mean_over_labels_of_the_means_over_texts(model):
    random = np.random.default_rng(0)
    rows = [  # language 0 has all three labels in both halves, language 1 lacks one in a half
        Row((2, int(random.integers(5, 90)), 3), (label,), language, half)
        for language, half, labels in (
            (0, 0, (0, 0, 0, 1, 2, 2)),
            (0, 1, (0, 1, 1, 2)),
            (1, 0, (2, 2, 0)),
            (1, 1, (1,)),
        )
        for label in labels
    ]
    found = observed(model, rows, 3).half_means()["head.out"]
    for language in (0, 1):
        for half in (0, 1):
            own = [row for row in rows if (row.language, row.half) == (language, half)]
            by_label = [
                torch.stack([gradient(model, row) for row in own if row.labels == (label,)]).mean(0)
                for label in sorted({row.labels[0] for row in own})
            ]
            torch.testing.assert_close(found[half, language].double(), torch.stack(by_label).mean(0))


def test_texts_alike_but_for_their_class_balance_agree(model):
    """The same texts for every label, in other shares: only the balanced gradients say that they are the same."""
    texts = [(2, 10 + i, 3) for i in range(3)]
    shares = ((5, 1, 1), (1, 1, 6))  # copies of each label, in two languages
    rows = [
        Row(text, (label,), language, half)
        for language, copies in enumerate(shares)
        for half in (0, 1)
        for label, count in enumerate(copies)
        for text in texts
        for _ in range(count)
    ]
    plain, balanced = (observed(model, rows, classes).half_means()["head.out"].mean(0) for classes in (1, 3))
    torch.testing.assert_close(balanced[0], balanced[1])
    assert torch.nn.functional.cosine_similarity(plain[0], plain[1], dim=0) < 0.5


def test_a_language_without_texts_of_a_half_stays_zero(model):
    rows = [Row((2, 7, 3), (0,), 0, 0), Row((2, 8, 3), (1,), 0, 0), Row((2, 9, 3), (1,), 1, 1)]
    found = observed(model, rows, 3).half_means()["head.out"]
    assert not found[1, 0].any() and not found[0, 1].any() and found[0, 0].any() and found[1, 1].any()


def test_tagged_words_cannot_be_balanced(model):
    with pytest.raises(SettingsError, match=r"measuring\.balanced weighs the labels of texts alike"):
        GradientObserver(model, [Row((2, 5, 6, 3), (-100, 0, 1, -100))], ["head.out"], 1, classes=2)
