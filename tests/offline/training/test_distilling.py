"""Distilling: the loss is Hinton's formula, the student is a single model, the teacher's room is cleared."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file
from scipy.special import log_softmax, softmax

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.training.batching import IGNORED
from gradsim_offline.training.distilling import Distilling, divergence, judged_logits
from gradsim_offline.training.ensemble import ENSEMBLE_FILE, Ensemble
from gradsim_offline.training.fine_tune import RESULT
from gradsim_offline.training.task import load_task
from gradsim_offline.training.trained import TrainedModel

CPU = torch.device("cpu")
logits = arrays(np.float64, (4, 3), elements=st.floats(-15, 15))


@given(logits, logits, st.floats(0.5, 10))
@settings(deadline=None, max_examples=50)
def test_divergence_is_t_squared_times_the_kullback_leibler_divergence(teacher, student, temperature):
    found = divergence(torch.from_numpy(teacher), torch.from_numpy(student), temperature).item()
    chances, asked = softmax(teacher / temperature, axis=1), log_softmax(student / temperature, axis=1)
    expected = temperature**2 * (chances * (np.log(chances) - asked)).sum(axis=1).mean()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    equal = divergence(torch.from_numpy(teacher), torch.from_numpy(teacher + 3.0), temperature).item()
    assert equal == pytest.approx(0, abs=1e-9)


@given(logits, logits, st.floats(0.5, 10))
@settings(deadline=None, max_examples=50)
def test_the_gradient_of_the_divergence_is_as_large_at_any_temperature(teacher, student, temperature):
    """By hand: T (softmax(student / T) - softmax(teacher / T)) per unit; so it is as large at any temperature."""
    at = torch.from_numpy(student).requires_grad_()
    divergence(torch.from_numpy(teacher), at, temperature).backward()
    expected = temperature * (softmax(student / temperature, axis=1) - softmax(teacher / temperature, axis=1)) / 4
    np.testing.assert_allclose(at.grad.numpy(), expected, atol=1e-9)


@pytest.fixture(params=[("small", "tiny_mini"), ("tagged", "tiny_xlmr")], ids=["texts", "words"])
def scene(request):
    """Models without dropout, rows, and how batches of them are made."""
    dataset: Dataset = request.getfixturevalue(request.param[0])
    encoder = str(request.getfixturevalue(request.param[1]))
    task = load_task(dataset.task)
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=32)
    reader = task.decoder.Reader(tokenizer, 32)
    rows = task.encode(reader, dataset.split("hau", "train")[:9], dataset.labels, language=0, seed=0)
    rows += task.encode(reader, dataset.split("hau", "train")[-2:], dataset.labels, language=0, seed=0)

    def model(seed):
        torch.manual_seed(seed)
        return task.load_model(encoder, dataset.labels, new_head=True).eval()

    def opened(some):
        return TrainedModel(some, task.decoder, reader, dataset.labels, pad_id, CPU)

    return model, opened, rows, task.collate(rows, pad_id)


def test_the_loss_of_a_batch_and_its_gradient_are_hintons_formula(scene):
    model, opened, rows, lay_out = scene
    teacher, student = Ensemble([model(1), model(2)], "probabilities"), model(3)
    indices = [6, 0, len(rows) - 1, 3]
    batch = lay_out(indices, 0, 0)
    strategy = Distilling(rows, judged_logits(opened(teacher), rows), weight=0.3, temperature=3.0)
    loss = strategy.backward(student, batch, indices, 0, 0)
    found = {name: p.grad.to_dense().clone() for name, p in student.named_parameters() if p.grad is not None}
    student.zero_grad(set_to_none=True)

    gold = batch.pop("labels")
    soft = teacher(**batch).logits.detach().div(3).softmax(-1).flatten(0, -2)
    given = student(**batch).logits.flatten(0, -2)
    parts, units = torch.zeros((), dtype=torch.float64), 0
    for place, label in enumerate(gold.flatten().tolist()):
        if label != IGNORED:
            units += 1
            hard = -given[place].log_softmax(-1)[label]
            far = (soft[place] * (soft[place].log() - (given[place] / 3).log_softmax(-1))).sum()
            parts = parts + 0.7 * hard + 0.3 * 9 * far
    expected = parts / units
    assert units == sum(rows[i].units for i in indices) and loss.item() == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    for name, parameter in student.named_parameters():
        if parameter.grad is not None:
            grad = parameter.grad.to_dense()
            torch.testing.assert_close(found[name], grad, atol=1e-5, rtol=1e-4, msg=name)


def test_a_student_that_is_its_teacher_has_nothing_to_learn(scene):
    model, opened, rows, lay_out = scene
    student = model(1)
    strategy = Distilling(rows, judged_logits(opened(model(1)), rows), weight=1.0, temperature=2.0)
    loss = strategy.backward(student, lay_out([0, 4], 0, 0), [0, 4], 0, 0)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert max(float(p.grad.to_dense().abs().max()) for p in student.parameters() if p.grad is not None) < 1e-5


@pytest.mark.parametrize(("data", "encoder"), [("small", "tiny_mini"), ("tagged", "tiny_xlmr")])
def test_after_distilling_only_the_students_files_are_there(data, encoder, counting, tmp_path, request):
    dataset, path = request.getfixturevalue(data), request.getfixturevalue(encoder)
    task = load_task(dataset.task)

    def train(folder, when="", **training):
        schedule = {"epochs": 1, "batch_size": 16, "learning_rate": 2e-3}
        chosen = Settings(model=str(path), maximum_length=48, device="cpu", training={**schedule, **training})
        pipeline = Pipeline(chosen, dataset, task, RunDirectory(tmp_path / folder, counting(note=when)))
        return pipeline.train(
            pipeline.prepare_encoder(), ("hau", "tur"), ("hau",)
        ).directory, pipeline.run.progress.notes

    single, _ = train("single")
    with pytest.raises(KeyboardInterrupt):
        train("distilled", "one student of these", ensemble=2, distil=True)
    student, said = train("distilled", ensemble=2, distil=True)
    assert sum("is there, not trained again" in text for text in said) == 2
    assert not (student / ENSEMBLE_FILE).exists() and not any(path.is_dir() for path in student.iterdir())
    assert {file.name for file in student.iterdir()} == {file.name for file in single.iterdir()}
    record, plain = (json.loads((folder / RESULT).read_text()) for folder in (student, single))
    assert record.pop("distilled_from") == 2 and record.pop("trainings") == 3 and 0 <= record.pop("teacher_score") <= 1
    assert record.keys() == plain.keys() and record["rows"] == plain["rows"]
    weights, alone = (load_file(folder / "model.safetensors") for folder in (student, single))
    assert weights.keys() == alone.keys() and any(not torch.equal(weights[name], alone[name]) for name in alone)
