"""The toolkit's functions: what cannot be is one line, and importing them loads no torch. docs/python.md runs them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import gradsim_offline
from gradsim_offline import build, compare, group, measure
from gradsim_shared.errors import GradsimError


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1.0, 0.0]],), {"languages": ["a"]}, "similarity"),
        ((np.eye(2),), {"languages": ["a"]}, "1 languages for 2 rows"),
        ((np.eye(2),), {}, "0 languages for 2 rows: name each row"),
        ((np.eye(2),), {"languages": ["a", "a"]}, "name each row once"),
        (([["x"]],), {"languages": ["a"]}, "no matrix of numbers"),
        (([[np.nan]],), {"languages": ["a"]}, "similarity"),
        ((np.eye(2), 0), {"languages": ["a", "b"]}, "grouping.groups = 0"),
        ((np.eye(2), "auto"), {"languages": ["a", "b"]}, 'groups "auto" trains a model per group'),
        ((np.eye(2), 2, "exakt"), {"languages": ["a", "b"]}, "exact"),
        ((np.eye(2), 2), {"languages": ["a", "b"], "singelton_score": 1}, "Did you mean grouping.singleton_score"),
        ((np.eye(2), 2), {"languages": ["a", "b"], "budget": 1.5}, "a budget needs sizes"),
        ((np.eye(2), 2), {"languages": ["a", "b"], "budget": 1.5, "sizes": {"a": 9}}, "there is none of b"),
        ((np.eye(2), 2), {"languages": ["a", "b"], "must_link": ["a+c"]}, "'c' is none of a b"),
    ],
)
def test_what_cannot_be_grouped_is_one_line(arguments, options, message):
    with pytest.raises(GradsimError) as raised:
        group(*arguments, **options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("function", [build, measure, compare])
@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"settings": {"training.epoch": 5}}, "Did you mean training.epochs"),
        ({"settings": {"training.epochs": 0}}, "training.epochs = 0"),
        ({"recipe": "dmo"}, "unknown recipe 'dmo'"),
        ({"languages": ["eng", "xyz"]}, "xyz"),
        ({"data": "afrisentii"}, "Did you mean afrisenti"),
        ({"modle": "mini"}, "unknown argument 'modle'. Did you mean model"),
    ],
)
def test_settings_that_cannot_be_are_one_line_and_leave_nothing(function, choices, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GradsimError) as raised:
        function(**choices)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_single_method_may_be_named_without_a_list(tmp_path):
    with pytest.raises(GradsimError, match=r"unknown method 'gradientt'\. Did you mean gradient"):
        compare(methods="gradientt", out=tmp_path / "run")


def test_an_unknown_name_is_no_function():
    with pytest.raises(AttributeError, match="no attribute 'measurement'"):
        _ = gradsim_offline.measurement


def test_the_functions_are_imported_without_torch():
    program = (
        "import sys; from gradsim_offline import Bundle, build, compare, group, measure; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
