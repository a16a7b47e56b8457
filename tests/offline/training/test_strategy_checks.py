"""Settings of a strategy that the data cannot give are told before anything is trained; each setting is explained."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gradsim_offline.cli import cli
from gradsim_offline.core import plugins
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.pipeline.checks import check_build, check_strategy
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.pipeline.training_setup import TrainingSetup
from gradsim_offline.training.strategy import load_strategy
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import SettingsError

FOLDER = "strategies"


@pytest.fixture
def setup_of(small, quiet, tmp_path):
    """A function that sets a build of ``small`` up: eng 17, hau 30, tur 9 training texts."""

    def make(*assignments):
        settings = resolve("demo", {"device": "cpu"}, assignments)
        return TrainingSetup(settings, small, load_task(small.task), RunDirectory(tmp_path / "run", quiet))

    return make


def surgery(**options):
    return [
        "training.strategy=surgery",
        *(f"training.strategy_options.{name}={value}" for name, value in options.items()),
    ]


@pytest.mark.parametrize(
    ("assignments", "problem"),
    [
        (surgery(targets='["hua"]'), r"unknown target language 'hua'\. Did you mean hau\? Known: eng, hau, tur\."),
        (surgery(shots=10), "shots = 10, and tur has 9 training examples here; ask for fewer, or leave the language"),
        (surgery(shots=18, targets='["hau", "eng"]'), "shots = 18, and eng has 17 training examples"),
        ([*surgery(shots=5), "training.fraction=0.5"], "shots = 5, and tur has 4 training examples"),
    ],
)
def test_options_that_do_not_fit_the_data_are_refused_before_training(setup_of, assignments, problem):
    setup = setup_of(*assignments)
    with pytest.raises(SettingsError, match=f"^strategy surgery: {problem}"):
        check_build(setup)


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["training.strategy=pcgrad"],
        surgery(),
        surgery(shots=9),
        surgery(shots=17, targets='["hau", "eng"]'),
        [*surgery(shots=4), "training.fraction=0.5"],
    ],
)
def test_options_that_fit_the_data_pass_the_check(setup_of, assignments):
    check_build(setup_of(*assignments))


def test_a_share_of_the_texts_is_counted_as_training_draws_it(setup_of, monkeypatch):
    """The check's counts against those of the draws themselves."""
    from gradsim_offline.training.fine_tune import sample
    from gradsim_offline.training.strategies import surgery as strategy

    found = []
    watched = replace(strategy.PLUGIN, check=lambda _options, texts: found.append(dict(texts)))
    monkeypatch.setattr(strategy, "PLUGIN", watched)
    for fraction in (0.01, 0.05, 0.1, 0.25, 0.5, 0.99, 1.0):
        setup = setup_of(*surgery(), f"training.fraction={fraction}")
        check_strategy(setup)
        texts = {code: setup.dataset.split(code, "train") for code in setup.dataset.languages}
        assert found.pop() == {code: len(sample(own, fraction, 0, 0)) for code, own in texts.items()}


def show(*words):
    result = CliRunner().invoke(cli, ["settings", *words])
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_settings_of_each_strategy_are_shown(name):
    shown = show("--strategy", name)
    section = load_strategy(name).options
    lines = [line for line in shown.splitlines() if line.startswith("training.strategy_options.")]
    if section is None:
        assert lines[-1].endswith(f"the training strategy {name} has no settings of its own")
        return
    assert [re.split(r"[ .]", line)[2] for line in lines] == list(section.model_fields)
    for line, field in zip(lines, section.model_fields.values(), strict=True):
        assert str(field.default) in line.split() and field.description in line and len(field.description) > 10


def test_given_values_are_shown_in_place_of_defaults():
    given = ["--set", "training.strategy=surgery", "--set", "training.strategy_options.shots=5"]
    line = next(line for line in show("--strategy", "surgery", *given).splitlines() if "options.shots" in line)
    assert line.split()[1] == "5"
    line = next(line for line in show("--strategy", "gradvac", *given).splitlines() if "options.beta" in line)
    assert line.split()[1] == "0.01"  # the given ones are another strategy's


def test_an_unknown_strategy_is_told_before_anything_is_shown():
    result = CliRunner().invoke(cli, ["settings", "--strategy", "surgry"])
    assert "unknown training strategy 'surgry'. Did you mean surgery" in str(result.exception)
    assert result.output == ""
