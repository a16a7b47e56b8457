"""Training strategies on tiny real models: plain training is what it was, every strategy trains, stops and goes on."""

from __future__ import annotations

import functools
import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file

from gradsim_offline.core import plugins
from gradsim_offline.core.training_settings import Measuring, Training
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.training import fine_tune as fine_tuning
from gradsim_offline.training import loop
from gradsim_offline.training.batching import plan
from gradsim_offline.training.fine_tune import RESULT, fine_tune
from gradsim_offline.training.optimizer import Optimizer
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import SettingsError

FOLDER = "strategies"
NEEDS = {"cagrad": ("cvxpy", "clarabel"), "nash_mtl": ("cvxpy", "ecos")}
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            not all(map(find_spec, NEEDS.get(name, ()))), reason="torchjd's extra for it is not installed"
        ),
    )
    for name in plugins.names(FOLDER)
]


@pytest.fixture
def tune(training_context):
    """Fine-tune for two epochs of a few steps; return the weights and training.json."""

    def run(dataset, encoder, directory, strategy="mixed", progress=None, **options):
        directory.mkdir(exist_ok=True)
        settings = Training(
            epochs=2, batch_size=12, learning_rate=2e-3, fraction=0.5, strategy=strategy, strategy_options=options
        )
        given = {"progress": progress} if progress else {}
        context = training_context(encoder, task=dataset.task, maximum_length=48, seed=1, **given)
        languages = dataset.languages
        fine_tune(dataset, languages, languages[:1], directory, context=context, settings=settings)
        return load_file(directory / "model.safetensors"), json.loads((directory / RESULT).read_text())

    return run


def same(first, second):
    """Whether two models are equal, bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_mixed_is_a_plain_loop_bit_for_bit(tune, small, tiny_mini, tmp_path):
    found, record = tune(small, tiny_mini, tmp_path / "run")
    task, torch_seed = load_task(small.task), 1
    tokenizer, pad_id = load_tokenizer(str(tiny_mini), maximum_length=48)
    reader = task.decoder.Reader(tokenizer, 48)
    torch.manual_seed(torch_seed)
    model = task.load_model(str(tiny_mini), small.labels, new_head=True)
    rows = [
        row
        for number, code in enumerate(small.languages)
        for row in task.encode(
            reader,
            fine_tuning.sample(small.split(code, "train"), 0.5, 1, number),
            small.labels,
            language=number,
            seed=1,
        )
    ]
    torch.manual_seed(torch_seed)
    optimizer = Optimizer(model, weight_decay=0.01, device=torch.device("cpu"))
    lay_out, lengths = task.collate(rows, pad_id), [len(row.ids) for row in rows]
    steps = [batch for epoch in range(2) for batch in plan(lengths, 12, seed=1, epoch=epoch)]
    for number, indices in enumerate(steps[: len(steps) // 2 * record["best_epoch"]]):
        model.train()
        model(**lay_out(indices, 0, 0)).loss.backward()
        optimizer.step(2e-3 * loop._schedule(number, len(steps), 0.06), 1.0)
    assert same(found, {name: tensor for name, tensor in model.state_dict().items() if name in found})
    assert "compared" not in record["history"][0] and record["strategy"] == "mixed"


@pytest.mark.parametrize(
    ("encoder", "data"),
    [
        ("tiny_mini", "small"),
        ("tiny_xlmr", "tagged"),
        pytest.param("tiny_mini", "tagged", marks=pytest.mark.slow),
        pytest.param("tiny_xlmr", "small", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("strategy", NAMES)
def test_every_strategy_trains_both_tasks(tune, counting, strategy, encoder, data, tmp_path, request):
    progress = counting()
    dataset, path = request.getfixturevalue(data), request.getfixturevalue(encoder)
    _, record = tune(dataset, path, tmp_path, strategy, progress)
    for epoch, note in zip(record["history"], progress.notes, strict=True):
        assert epoch["loss"] > 0
        assert ("conflicts" in epoch) == ("conflicts" in note) == (strategy != "mixed")
        if strategy != "mixed":
            assert 0 <= epoch["conflicts"] <= epoch["compared"] and -1 <= epoch["cosine"] <= 1


@pytest.mark.parametrize("strategy", NAMES)
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    tune, counting, strategy, small, tiny_mini, tmp_path, monkeypatch
):
    monkeypatch.setattr(fine_tuning, "train", functools.partial(loop.train, save_every_seconds=-1.0))
    whole, record = tune(small, tiny_mini, tmp_path / "whole", strategy)
    with pytest.raises(KeyboardInterrupt):
        tune(small, tiny_mini, tmp_path / "broken", strategy, counting(4))
    broken, again = tune(small, tiny_mini, tmp_path / "broken", strategy)
    assert same(whole, broken) and record == again


def test_surgery_that_is_never_applied_is_plain_training(tune, counting, small, tiny_mini, tmp_path):
    plain, _ = tune(small, tiny_mini, tmp_path / "plain")
    never, record = tune(small, tiny_mini, tmp_path / "never", "surgery", progress := counting(), alpha=0.0)
    assert same(plain, never)
    assert record["history"][0]["compared"] == 0 and "cosine" not in record["history"][0]
    assert "no gradients to compare" in progress.notes[0]
    always, _ = tune(small, tiny_mini, tmp_path / "always", "surgery")
    assert not same(plain, always)


def test_surgery_without_conflicts_is_plain_training(tune, small, tiny_xlmr, tmp_path, monkeypatch):
    from gradsim_offline.training.strategies import surgery

    kept = surgery.gramian
    monkeypatch.setattr(surgery, "gramian", lambda gradients: kept(gradients).abs())
    plain, _ = tune(small, tiny_xlmr, tmp_path / "plain")
    harmless, record = tune(small, tiny_xlmr, tmp_path / "harmless", "surgery")
    assert record["history"][0]["compared"] > 0
    assert same(plain, harmless)


def test_alpha_is_the_share_of_steps_that_are_operated_on(tune, small, tiny_mini, tmp_path):
    counts = [
        sum(
            epoch["compared"]
            for epoch in tune(small, tiny_mini, tmp_path / str(alpha), "surgery", alpha=alpha)[1]["history"]
        )
        for alpha in (0.0, 0.5, 1.0)
    ]
    assert counts[0] == 0 and 0 < counts[1] <= counts[2] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ["hua"]}, r"unknown target language 'hua'\. Did you mean hau\? Known: eng, hau, tur"),
        ({"shots": 1000}, r"shots = 1000, and eng has \d+ training examples here; ask for fewer"),
    ],
)
def test_targets_and_shots_that_the_data_do_not_have_are_refused(tune, options, message, small, tiny_mini, tmp_path):
    with pytest.raises(SettingsError, match=message):
        tune(small, tiny_mini, tmp_path, "surgery", **options)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["training.strategy=surgry"], r"unknown training strategy 'surgry'\. Did you mean surgery"),
        (["training.strategy=surgery", "training.strategy_options.alpha=1.5"], r"surgery: alpha = 1\.5: .* to 1$"),
        (["training.strategy=surgery", "training.strategy_options.alpha=-0.1"], r"surgery: alpha = -0\.1: .* to 0$"),
        (["training.strategy=surgery", "training.strategy_options.alhpa=1"], r"alhpa = 1: .*; it knows alpha, targets"),
        (["training.strategy_options.alpha=1"], "the training strategy mixed has no settings, not alpha"),
        (["measuring.strategy=surgery"], r"unknown setting 'measuring\.strategy'"),
    ],
)
def test_impossible_strategy_settings_are_refused(assignments, message):
    with pytest.raises(SettingsError, match=message):
        resolve("mini", {}, assignments)


def test_a_strategy_may_be_named_with_a_hyphen():
    assert plugins.check(FOLDER, "nash-mtl") == "nash_mtl"


@pytest.mark.parametrize("strategy", sorted(NEEDS))
def test_a_missing_package_is_told_before_anything_is_trained(strategy, monkeypatch):
    from gradsim_offline.training import torchjd_strategies as _torchjd

    monkeypatch.setattr(_torchjd, "find_spec", lambda name: None)
    with pytest.raises(
        SettingsError, match=rf'strategy {strategy} needs cvxpy and \w+, not .*: pip install "torchjd\['
    ):
        resolve("mini", {}, [f"training.strategy={strategy}"])


def test_gradients_are_watched_in_plain_training_only():
    with pytest.raises(SettingsError, match="surgery: gradients are measured in plain training only"):
        fine_tuning.make_strategy(None, Training(strategy="surgery"), watched=True)
    assert not hasattr(Measuring(), "strategy")
