"""Mistakes at ``compare`` and ``sweep``: one clear message each, before anything is trained."""

from __future__ import annotations

import shutil

import pytest

from gradsim_offline.core.plugins import names
from gradsim_offline.experiments.compare import wants_test
from gradsim_offline.experiments.method import DEFAULT, read_methods
from gradsim_offline.experiments.sweep import read_numbers
from gradsim_offline.pipeline.recipes import resolve
from gradsim_shared.errors import SettingsError

from ..program import gradsim


def refused(answer, *parts):
    code, out, error = answer
    assert (code, out) == (1, "")
    assert error.count("Error: ") == 1 and "Traceback" not in error and "●" not in error
    for part in parts:
        assert part in error, error


def test_an_unknown_method(words, inputs, tmp_path):
    answer = gradsim(*words("compare", tmp_path / "run"), "--methods", "gradeint")
    refused(answer, "unknown method 'gradeint'. Did you mean gradient", "transfer")
    refused(gradsim(*words("compare", tmp_path / "run"), "--methods", "my.toml"), "the method my.toml does not exist")
    refused(gradsim(*words("compare", tmp_path / "run"), "--methods", ","), "at least one method")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[training]\nepochs = 9\n", "it sets training; a method decides how languages are grouped"),
        ("grouping = 3\n", "grouping is a section"),
        ("[grouping]\ngroups = 0\n", "grouping.groups = 0"),
        ("[grouping]\nslover = 'exact'\n", "grouping.slover"),
        ("measure = \n", "is not valid TOML"),
        ("measure = 'gradeint'\n", "unknown similarity measure 'gradeint'"),
        ("[grouping]\nsolver = 'exakt'\n", "unknown solver 'exakt'. Did you mean exact"),
        ("[grouping]\ngroups = 4\n", "K = 4 groups of 3 languages"),
        ("measure = 'gradient'\n[similarity]\npooling = 'cls'\n", "gradient"),
    ],
)
def test_an_invalid_method_is_refused(words, tmp_path, content, message):
    (tmp_path / "mine.toml").write_text(content)
    answer = gradsim(*words("compare", tmp_path / "run"), "--methods", tmp_path / "mine.toml")
    refused(answer, message)


def test_a_method_named_twice_is_refused(words, tmp_path):
    (tmp_path / "gradient.toml").write_text("measure = 'gradient'\n")
    for methods in ("gradient,gradient", f"gradient,{tmp_path / 'gradient.toml'}"):
        refused(gradsim(*words("compare", tmp_path / "run"), "--methods", methods), "gradient is named twice")


def test_tests_need_two_seeds(words, tmp_path):
    code, _, error = gradsim(*words("compare", tmp_path / "run", ["pairs"], seeds=0))
    assert code == 2 and "0 is not in the range x>=1" in error
    refused(gradsim(*words("compare", tmp_path / "run", ["pairs"], seeds=1), "--test"), "a test needs at least 2 seeds")
    assert (wants_test(None, 1), wants_test(None, 2), wants_test(False, 5)) == (False, True, False)


def test_more_groups_than_languages(words, tmp_path):
    answer = gradsim(*words("compare", tmp_path / "run", groups=7), "--methods", "gradient")
    refused(answer, "K = 7 groups of 3 languages", "--groups 3")


def test_one_language_is_refused(words, tmp_path):
    answer = gradsim(*words("compare", tmp_path / "run", languages="hau", groups=1), "--methods", "gradient")
    refused(answer, "at least two languages")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--cannot-link", "eng+hau", "--must-link", "eng+hau"], "must_link wants one group for eng hau"),
        (["--groups", "auto", "--largest-group", "1", "--must-link", "eng+hau"], "largest_group is 1"),
    ],
)
def test_constraints_that_contradict_each_other(words, tmp_path, given, message):
    refused(gradsim(*words("compare", tmp_path / "run"), "--methods", "multilingual,gradient", *given), message)


def test_a_language_without_dev_texts(words, inputs, tmp_path):
    shutil.copytree(inputs / "data", tmp_path / "data")
    (tmp_path / "data" / "tur" / "dev.tsv").unlink()
    start = [*words("compare", tmp_path / "run"), "--data-dir", tmp_path / "data"]
    start += ["--set", "data_options.held_out=0"]
    for method in ("gradient-auto", "transfer"):
        refused(gradsim(*start, "--methods", f"multilingual,{method}"), "tur has no dev split", "--languages")


def test_settings_that_methods_override_are_not_checked(words, inputs, tmp_path):
    """Two groups, as --groups says, would not hold three languages in groups of one; no method asks for two."""
    (tmp_path / "mine.toml").write_text(
        'measure = "typology"\n[grouping]\nsolver = "exact"\ngroups = 3\nlargest_group = 1\n'
    )
    code, _, said = gradsim(*words("compare", tmp_path / "run", seeds=1), "--methods", tmp_path / "mine.toml")
    assert code == 0, said


def test_a_sweep_without_an_effect(words, tmp_path):
    alike = gradsim(*words("sweep", tmp_path / "run", over="training.clip=1,1.0"))
    refused(alike, "two of the values 1, 1.0 are the same")
    made = gradsim(*words("sweep", tmp_path / "run", over="pretraining.epochs=1,2", model="xlm-roberta-base"))
    refused(made, "pretraining.epochs has no effect on xlm-roberta-base")
    code, _, said = gradsim(*words("sweep", tmp_path / "run", layers="head", method="embedding-ft"))
    assert code == 2 and "--layers is about the method gradient" in said
    linear = gradsim(*words("sweep", tmp_path / "run", layers="head.out,head", model="ngrams"))
    refused(linear, "--layers", "these models are linear")


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("compare", {}),
        ("sweep", {"groups": "1..2"}),
        ("few-shot", {"source": "hau"}),
        ("sprachbund-train", {"sprachbunds": ".", "adapted": "."}),
    ],
)
def test_a_model_that_the_machine_chooses_is_for_builds(command, needed, words, tmp_path):
    answer = gradsim(*words(command, tmp_path / "run", model="auto", **needed))
    refused(answer, "model = 'auto': only a build chooses the model; name ngrams, mini")


def test_a_sweep_takes_exactly_one_of_its_options(words, tmp_path):
    for given in ((), ("--groups", "1..2", "--layers", "head"), ("--groups", "1..2", "--over", "training.epochs=1,2")):
        code, _, error = gradsim(*words("sweep", tmp_path / "run"), *given)
        assert code == 2 and "Give one of --groups" in error


@pytest.mark.parametrize("text", ["3..1", "0..2", "1,1", "2,1", "a", "", "1..x", "1...3"])
def test_invalid_numbers_of_groups_are_refused(text):
    with pytest.raises(SettingsError, match="write rising numbers from 1"):
        read_numbers(text)


def test_numbers_of_groups():
    assert read_numbers("1..4") == [1, 2, 3, 4] and read_numbers("1,2,4") == [1, 2, 4] and read_numbers("3") == [3]


def test_an_unknown_layer(words, tmp_path):
    refused(gradsim(*words("sweep", tmp_path / "run", layers="head,body")), "tracked layer 'body' is not known")
    twice = gradsim(*words("sweep", tmp_path / "run", layers="head,head"), "--set", "grouping.groups=2")
    refused(twice, "gradient-head is named twice")


def test_every_shipped_method_is_valid():
    settings = resolve(None, {"measure": "given", "similarity.path": "s.csv"})
    methods = {method.name: method for method in read_methods(names("methods"), settings)}
    assert set(DEFAULT) <= set(methods) and all(method.description for method in methods.values())
    assert [name for name, method in methods.items() if method.oracle] == ["transfer"]
    for method in methods.values():  # the settings of another measure are not taken over
        assert "path" not in method.settings.similarity
        same = {"measure", "similarity", "grouping"}
        assert method.settings.model_dump(exclude=same) == settings.model_dump(exclude=same)
        auto = method.name.endswith("-auto")
        assert method.settings.grouping.groups == ("auto" if auto else settings.grouping.groups)
