"""Settings and recipes: what they come to, and what the program shows of them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gradsim_offline.cli import cli
from gradsim_offline.pipeline.recipes import default_recipe, read_recipe, recipe_names, resolve, setting_names
from gradsim_shared.errors import SettingsError


def shown(*words):
    """Return what ``gradsim-offline settings`` prints."""
    answer = CliRunner().invoke(cli, ["settings", *words], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_shipped_recipe_resolves(recipe):
    found = resolve(recipe, {})
    for section, values in read_recipe(recipe).items():
        if isinstance(values, dict):
            for name, value in values.items():
                assert getattr(getattr(found, section), name) == value
        else:
            assert str(getattr(found, section)) == str(values)
    out = shown("--recipe", recipe)
    assert [line.split()[0] for line in out.splitlines()] == setting_names()


def test_settings_are_all_explained_and_can_be_tried():
    for line in shown().splitlines():
        assert len(line) > 52, f"no explanation: {line}"
    out = shown("--set", "training.epochs=77")
    assert next(line for line in out.splitlines() if line.startswith("training.epochs ")).split()[1] == "77"


@pytest.mark.parametrize(
    ("data", "model", "recipe"),
    [("demo", "mini", "demo"), ("afrisenti", "mini", "mini"), ("demo", "a/b", "pretrained"), ("files", "mini", "mini")],
)
def test_the_recipe_that_is_used_when_none_is_named(data, model, recipe):
    assert default_recipe(data, model) == recipe
    assert resolve(None, {"data": data, "model": model}) == resolve(recipe, {"data": data, "model": model})


def test_the_command_line_goes_before_a_recipe_of_ones_own(tmp_path):
    (tmp_path / "mine.toml").write_text('model = "mini"\ndata = "afrisenti"\n[grouping]\ngroups = 6\n')
    own = resolve(str(tmp_path / "mine.toml"), {})
    assert (own.model, own.data, own.training.learning_rate) == ("mini", "afrisenti", 2e-3)
    other = resolve(str(tmp_path / "mine.toml"), {"model": "xlm-roberta-base"})
    usual = resolve(None, {"model": "xlm-roberta-base", "data": "afrisenti"})
    assert other == usual.model_copy(update={"grouping": other.grouping}) and other.grouping.groups == 6
    assert resolve(str(tmp_path / "mine.toml"), {}, ["model=xlm-roberta-base"]) == other


def test_assignments_win_over_options_and_options_over_the_recipe():
    found = resolve(
        "demo", {"training.epochs": 5, "seed": 3}, ["training.epochs=6", "model=x/y", "grouping.groups = 2"]
    )
    assert (found.training.epochs, found.seed, found.model, found.grouping.groups) == (6, 3, "x/y", 2)
    assert found.training.batch_size == resolve("demo", {}).training.batch_size
    with pytest.raises(SettingsError):
        resolve("demo", {"training.epochs": -1})
