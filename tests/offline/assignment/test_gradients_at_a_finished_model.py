"""Gradients of a finished model are autograd's, and a bundle keeps those of its languages."""

from __future__ import annotations

import pytest
import torch

from gradsim_offline.bundle.reference_gradients import read_gradients
from gradsim_offline.datasets.sources import demo
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.model_gradients import example_gradients, half_gradients
from gradsim_offline.training.batching import pad
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import BundleError

CPU = torch.device("cpu")
TASK = load_task("text_classification")


def autograd(model, rows, pad_id):
    """Return the gradient of the mean loss at the last linear layer, one row after another, ``[out * (in + 1)]``."""
    layer = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    model.eval()
    total = 0
    for row in rows:
        loss = model(**pad([row.ids], pad_id), labels=torch.tensor(row.labels)).loss
        weight, bias = torch.autograd.grad(loss, [layer.weight, layer.bias])
        total = total + torch.cat([weight, bias[:, None]], dim=1).flatten() / len(rows)
    return total


@pytest.fixture(params=["tiny_mini", "tiny_xlmr"])
def classifier(request, small):
    """A classifier with a new head, and rows of three languages."""
    path = request.getfixturevalue(request.param)
    tokenizer, pad_id = load_tokenizer(path, maximum_length=32)
    reader = TASK.decoder.Reader(tokenizer, 32)
    torch.manual_seed(1)
    model = TASK.load_model(path, small.labels, new_head=True)
    rows = [
        row
        for number, code in enumerate(small.languages)
        for row in TASK.encode(reader, small.split(code, "train"), small.labels, language=number, seed=0)
    ]
    return model, rows, pad_id


def test_gradients_are_those_of_autograd(classifier):
    model, rows, pad_id = classifier
    expected = [autograd(model, [row], pad_id) for row in rows]
    single = example_gradients(model, rows, pad_id, task=TASK, device=CPU)
    torch.testing.assert_close(single, torch.stack(expected), rtol=1e-4, atol=1e-6)
    halves, counts = half_gradients(model, rows, 3, pad_id, task=TASK, device=CPU)
    for language in range(3):
        for half in range(2):
            mine = [
                found for row, found in zip(rows, expected, strict=True) if (row.language, row.half) == (language, half)
            ]
            assert counts[half, language] == len(mine)
            torch.testing.assert_close(halves[half, language], torch.stack(mine).mean(0), rtol=1e-4, atol=1e-6)


def test_a_bundle_keeps_its_languages_gradients(bundle):
    entry = bundle.manifest.assignment
    assert entry.split == "dev"
    assert entry.languages == [language.code for language in bundle.manifest.languages]
    assert {file for file in bundle.manifest.files if file.startswith("assignment/")} >= {
        "assignment/config.json",
        "assignment/model.safetensors",
        "assignment/tokenizer.json",
        "assignment/gradients.safetensors",
    }
    found = read_gradients(bundle.path(entry.gradients), entry)
    directory = bundle.path(entry.directory)
    tokenizer, pad_id = load_tokenizer(directory, maximum_length=64)
    model = TASK.load_model(directory, bundle.manifest.labels)
    examples = demo.load(languages=["hau"]).split("hau", "dev")
    reader = TASK.decoder.Reader(tokenizer, 64)
    rows = TASK.encode(reader, examples, bundle.manifest.labels, language=0, seed=0)
    expected = autograd(model, rows, pad_id).double()
    torch.testing.assert_close(found[entry.languages.index("hau")], expected, rtol=1e-4, atol=1e-6)


def test_gradients_of_other_languages_are_refused(bundle):
    entry = bundle.manifest.assignment.model_copy(update={"languages": ["eng"]})
    with pytest.raises(BundleError, match=r"does not hold gradients of head\.out for 1 languages"):
        read_gradients(bundle.path(entry.gradients), entry)
