"""Ensembles: the answers are averaged, the first model is the single one, what is whole is not trained again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file
from scipy.special import softmax

from gradsim_offline.bundle import reference_gradients as keep
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.training.ensemble import ENSEMBLE_FILE, mean_logits, read_members, seeds_of
from gradsim_offline.training.fine_tune import RESULT
from gradsim_offline.training.task import load_task
from gradsim_offline.training.trained import open_trained
from gradsim_shared.errors import ModelError, SettingsError

SCHEDULE = {"epochs": 2, "batch_size": 8, "learning_rate": 2e-3}
CPU = torch.device("cpu")


@pytest.fixture
def work(small, tagged, counting, tmp_path, request):
    def make(folder="run", notes=None, encoder="tiny_mini", data="small", adapting=None, **training):
        settings = Settings(
            model=str(request.getfixturevalue(encoder)),
            maximum_length=48,
            device="cpu",
            seed=3,
            adapting=adapting or {},
            measuring=SCHEDULE,
            training={**SCHEDULE, **training},
        )
        dataset = {"small": small, "tagged": tagged}[data]
        task = load_task(dataset.task)
        return Pipeline(settings, dataset, task, RunDirectory(tmp_path / folder, notes or counting()))

    return make


def train(pipeline, members=("hau", "tur"), served=("hau",)):
    return pipeline.train(pipeline.prepare_encoder(), members, served).directory


def opened(directory, pipeline):
    return open_trained(directory, pipeline.dataset.labels, task=pipeline.task, maximum_length=48, device=CPU)


def same(first, second):
    one, other = (load_file(directory / "model.safetensors") for directory in (first, second))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@given(arrays(np.float32, (3, 5, 4), elements=st.floats(-30, 30, width=32)))
@settings(deadline=None, max_examples=50)
def test_mean_logits_are_the_mean_of_probabilities_or_of_logits(logits):
    found = mean_logits(list(torch.from_numpy(logits)), "probabilities").numpy()
    np.testing.assert_allclose(np.exp(found), softmax(logits.astype(float), axis=-1).mean(axis=0), atol=1e-6)
    found = mean_logits(list(torch.from_numpy(logits)), "logits").numpy()
    np.testing.assert_allclose(found, logits.astype(float).mean(axis=0), atol=1e-5)


def test_models_that_exclude_each_others_labels_have_finite_logits():
    sure = torch.tensor([[[1000.0, -1000.0, -1000.0]], [[-1000.0, 1000.0, -1000.0]]])
    found = mean_logits(list(sure), "probabilities")
    assert torch.isfinite(found).all() and found.softmax(-1)[0].tolist() == pytest.approx([0.5, 0.5, 0])


def test_the_mean_of_one_models_logits_is_its_logits():
    logits = torch.randn(4, 3)
    torch.testing.assert_close(mean_logits([logits] * 3, "logits"), logits)
    torch.testing.assert_close(mean_logits([logits] * 3, "probabilities"), logits.log_softmax(-1))


@given(st.integers(0, 2**31 - 1), st.integers(1, 8))
@settings(deadline=None)
def test_the_first_seed_is_the_builds_and_all_differ(seed, count):
    seeds = seeds_of(seed, count)
    assert seeds[0] == seed and len(set(seeds)) == count and all(0 <= one < 2**31 for one in seeds)
    assert seeds_of(seed, count + 1)[:-1] == seeds, "a larger ensemble has the models of a smaller one"


@pytest.mark.parametrize(
    ("encoder", "data", "average"),
    [
        ("tiny_mini", "small", "probabilities"),
        ("tiny_xlmr", "small", "logits"),
        ("tiny_mini", "tagged", "logits"),
        ("tiny_xlmr", "tagged", "probabilities"),
    ],
)
def test_an_ensemble_answers_by_the_mean_of_its_models(counting, work, encoder, data, average):
    notes = counting()
    pipeline = work(encoder=encoder, data=data, ensemble=3, average=average, notes=notes)
    directory = train(pipeline)
    inputs = [example.input for example in pipeline.dataset.split("hau", "dev")]
    members = read_members(directory)
    assert members.models == [".", "1", "2"] and members.seeds == seeds_of(3, 3)
    alone = []
    for folder in (directory / name for name in members.models):
        model = pipeline.task.load_model(folder, pipeline.dataset.labels)
        alone.append(replace(opened(directory, pipeline), model=model).logits(inputs))
    ensemble = opened(directory, pipeline)
    for text, found in enumerate(ensemble.logits(inputs)):
        logits = np.stack([mine[text] for mine in alone]).astype(float)  # [models, units, labels]
        assert np.ptp(logits, axis=0).max() > 1e-4, "the models are not the same"
        if average == "logits":
            np.testing.assert_allclose(found, logits.mean(axis=0), atol=1e-5)
        else:
            np.testing.assert_allclose(softmax(found, axis=-1), softmax(logits, axis=-1).mean(axis=0), atol=1e-5)
    gold = [example.gold for example in pipeline.dataset.split("hau", "dev")]
    metric = pipeline.task.metric(ensemble.labels)
    assert members.score == pipeline.task.scores(gold, ensemble.answers(inputs), ensemble.labels)[metric]
    assert f"the average of their {average}: dev {metric} {100 * members.score:.2f} (alone: " in notes.notes[-1]
    histories = [json.loads((directory / name / RESULT).read_text())["history"] for name in members.models]
    assert members.scores == [max(epoch["score"] for epoch in history) for history in histories]


def test_the_first_model_is_the_single_one(work, small):
    single = train(work("single"))
    ensemble = train(work("several", ensemble=2))
    assert same(single, ensemble) and not same(single, ensemble / "1")
    assert not (single / ENSEMBLE_FILE).exists()
    trained, alone = (json.loads((folder / RESULT).read_text()) for folder in (ensemble, single))
    assert trained.pop("ensemble") == trained.pop("trainings") == 2 and trained == alone
    assert {path.name for path in ensemble.iterdir() if path.is_dir()} == {"1"}
    assert {path.name for path in keep.model_files(ensemble)} >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert not (ensemble / "1" / "work").exists()


def test_all_models_draw_the_same_share_of_the_texts(work, monkeypatch):
    drawn = []
    from gradsim_offline.training import fine_tune as fine_tuning

    sample = fine_tuning.sample
    monkeypatch.setattr(fine_tuning, "sample", lambda *given: drawn.append(sample(*given)) or drawn[-1])
    train(work(ensemble=2, fraction=0.5), ("hau",))
    assert drawn[0] == drawn[1] and len(drawn[0]) == 15


def test_after_an_interruption_finished_models_are_not_trained_again(counting, work):
    whole_notes = counting()
    whole = train(work("whole", whole_notes, ensemble=3))
    steps = len(whole_notes.remarks) // 3
    with pytest.raises(KeyboardInterrupt):
        train(work("broken", counting(steps * 2 + 1), ensemble=3))
    later, again = counting(), counting()
    first, second = (train(work("broken", notes, ensemble=3)) for notes in (later, again))
    assert len(later.remarks) == steps and len(again.remarks) == 0 and first == second
    assert [text for text in later.notes if "model" in text][-3:] == [
        "model 1 of 3: is there, not trained again",
        "model 2 of 3: is there, not trained again",
        "model 3 of 3",
    ]
    for name in (".", "1", "2"):
        assert same(whole / name, first / name)
    for name in (RESULT, ENSEMBLE_FILE):
        assert (whole / name).read_text() == (first / name).read_text()


def test_the_joint_run_is_the_first_of_the_multilingual_models(counting, work, small):
    notes = counting()
    pipeline = work(ensemble=2, notes=notes)
    encoder = pipeline.prepare_encoder()
    pipeline.measure(encoder)
    before = len(notes.remarks)
    found = pipeline.train_multilingual(encoder).directory
    assert found.name == "multilingual" and len(notes.remarks) == 2 * before
    assert "model 1 of 2: is there, not trained again" in notes.notes
    trained = work("alone", ensemble=2)
    other = trained.train_multilingual(trained.prepare_encoder()).directory
    assert same(found, other) and same(found / "1", other / "1")
    assert len(read_members(found).models) == 2


def test_the_adapted_encoder_is_made_once(work, monkeypatch):
    from gradsim_offline.training import adapt as adapting

    calls, adapt = [], adapting.adapt
    monkeypatch.setattr(adapting, "adapt", lambda *given, **rest: calls.append(1) or adapt(*given, **rest))
    directory = train(work(ensemble=2, adapting={"mode": "tapt-group", "epochs": 1, "batch_size": 16}))
    assert len(calls) == 1 and not same(directory, directory / "1") and not (directory / "work").exists()


def test_a_single_model_depends_on_nothing_that_is_said_of_ensembles(work):
    plain = work().store.schedule
    assert plain == work(average="logits", distil_weight=0.3).store.schedule and "ensemble" not in plain["training"]
    two = work(ensemble=2).store.schedule
    assert two != plain and two == work(ensemble=2, distil_temperature=5).store.schedule
    assert two != work(ensemble=2, average="logits").store.schedule
    student = work(ensemble=2, distil=True).store.schedule
    assert student != work(ensemble=2, distil=True, distil_temperature=5).store.schedule


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ensemble=0"], r"training\.ensemble = 0: .*greater than 0"),
        (["average=median"], r"training\.average = 'median'"),
        (["distil=true"], r"training\.distil = True: it takes an ensemble; set training\.ensemble"),
        (["ensemble=2", "distil=true", "strategy=surgery"], r"no room for strategy surgery; use mixed"),
        (["ensemble=2", "distil=true", "distil_weight=0"], r"training\.distil_weight = 0"),
        (["ensemble=2", "distil=true", "distil_temperature=0"], r"training\.distil_temperature = 0"),
    ],
)
def test_impossible_ensemble_settings_are_refused(words, message):
    with pytest.raises(SettingsError, match=message):
        resolve("mini", {}, [f"training.{word}" for word in words])


def test_a_broken_ensemble_file_is_a_model_error(tmp_path):
    assert read_members(tmp_path) is None
    (tmp_path / ENSEMBLE_FILE).write_text('{"models": []}')
    with pytest.raises(ModelError, match=r"ensemble\.json does not describe an ensemble"):
        read_members(tmp_path)
