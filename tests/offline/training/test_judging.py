"""A model judged on dev texts: as by asking it text by text, whole and on the two halves that training uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradsim_offline.core.training_settings import Schedule
from gradsim_offline.models.loading import copy_tokenizer, load_tokenizer
from gradsim_offline.training.batching import halves
from gradsim_offline.training.fine_tune import fine_tune
from gradsim_offline.training.task import load_task
from gradsim_offline.training.trained import DevTexts, open_trained

CPU = torch.device("cpu")


@pytest.fixture(params=["small", "tagged"])
def case(request, tiny_xlmr, tmp_path):
    """A data set, its task, and a model for it."""
    dataset = request.getfixturevalue(request.param)
    task = load_task(dataset.task)
    torch.manual_seed(3)
    model = task.load_model(tiny_xlmr, dataset.labels, new_head=True)
    [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1].weight.data *= 20
    model.save_pretrained(tmp_path)
    copy_tokenizer(tiny_xlmr, tmp_path)
    return dataset, task, open_trained(tmp_path, dataset.labels, task=task, maximum_length=48, device=CPU)


def dev_texts(dataset, task, tiny_xlmr, languages):
    tokenizer, _ = load_tokenizer(tiny_xlmr, maximum_length=48)
    number = {code: i for i, code in enumerate(dataset.languages)}
    examples = {code: dataset.split(code, "dev") for code in languages}
    return DevTexts(examples, number, task.decoder.Reader(tokenizer, 48), task, 7)


def test_scores_are_those_of_asking_text_by_text(case, tiny_xlmr):
    dataset, task, model = case
    model.model.train()  # as in the middle of training
    found = dev_texts(dataset, task, tiny_xlmr, ("tur", "eng")).scores(model)
    assert list(found) == ["tur", "eng"]
    metric = task.metric(dataset.labels)
    for code, scores in found.items():
        examples = dataset.split(code, "dev")
        gold, answers = [e.gold for e in examples], [model.answers([e.input])[0] for e in examples]
        expected = task.scores(gold, answers, dataset.labels)
        sides = np.array(halves(len(examples), language=dataset.languages.index(code), seed=7))
        for half in (0, 1):
            mine = np.flatnonzero(sides == half)
            own = task.scores([gold[i] for i in mine], [answers[i] for i in mine], dataset.labels)
            expected[f"half_{half}"] = own[metric]
        assert scores == pytest.approx(expected)
        assert 0 < scores["accuracy"] < 1


def test_a_half_without_texts_has_the_score_of_the_whole(case, tiny_xlmr):
    dataset, task, model = case
    texts = dev_texts(dataset, task, tiny_xlmr, ("eng",))
    one = DevTexts({"eng": texts.examples["eng"][:1]}, texts.number, texts.reader, task, 7)
    found = one.scores(model)["eng"]
    assert found["half_0"] == found["half_1"] == found[task.metric(dataset.labels)]
    assert DevTexts({}, {}, texts.reader, task, 7).scores(model) == {}


def test_judging_again_reads_nothing_again(case, tiny_xlmr, monkeypatch):
    dataset, task, model = case
    texts = dev_texts(dataset, task, tiny_xlmr, dataset.languages)
    first = texts.scores(model)
    monkeypatch.setattr(type(texts.reader), "read", None)
    assert texts.scores(model) == first


@pytest.mark.parametrize(("epochs", "most"), [(3, 3), (8, 3)])
def test_of_many_epochs_the_first_the_best_and_the_last_are_shown(
    small, tiny_mini, tmp_path, counting, training_context, epochs, most
):
    progress = counting()
    settings = Schedule(epochs=epochs, batch_size=32, learning_rate=2e-3)
    context = training_context(tiny_mini, progress=progress)
    fine_tune(small, ("eng", "tur"), ("eng",), tmp_path, context=context, settings=settings)
    shown = [note for note in progress.notes if note.startswith("epoch ")]
    assert shown[0].startswith(f"epoch 1/{epochs}:") and shown[-1].startswith(f"epoch {epochs}/{epochs}:")
    assert sum("<- kept" in note for note in shown) == 1 and (len(shown) == most or epochs > len(shown) >= 2)
