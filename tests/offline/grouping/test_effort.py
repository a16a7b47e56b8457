"""The search is limited by counted work: how busy the machine is changes nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradsim_offline import grouping
from gradsim_offline.grouping.exact import master
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solvers import exact, partition, search

FILES = sorted(Path(grouping.__file__).parent.rglob("*.py"))
CLOCKS = {"time", "datetime", "timeit", "resource", "time_limit", "monotonic", "perf_counter", "process_time"}


def names_in(path):
    """Return every module, name, attribute and string of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (module, *(alias.name for alias in names))
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=name) | ast.Constant(value=str(name)):
                yield name


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_in_grouping_reads_the_clock(path):
    assert not CLOCKS & set(names_in(path))


@pytest.fixture
def busy():
    """Keep the processors busy, so that everything takes longer."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    yield
    for process in spinning:
        process.kill()
        process.wait()


SOLVERS = (exact, partition, search)
EFFORT = 0.002
SIMILARITY = np.random.default_rng(2).uniform(-1, 1, (20, 20))


def problem(effort):
    return Problem(SIMILARITY, 5, np.ones(20), effort=effort)


@pytest.fixture(scope="module")
def undisturbed():
    return {solver: solver.solve(problem(EFFORT)) for solver in SOLVERS}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_busy_machine_gives_the_same_groups_and_bound(solver, undisturbed, busy):
    assert solver.solve(problem(EFFORT)) == undisturbed[solver]


@pytest.mark.parametrize("solver", [exact, search])
def test_more_effort_is_no_worse(solver):
    little, more = solver.solve(problem(0.001)), solver.solve(problem(0.02))
    assert more.score >= little.score - 1e-9
    assert more.bound <= little.bound + 1e-9
    assert more.gap < little.gap


def test_weak_similarities_do_not_make_an_integer_programme_without_end(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(27, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    solve, columns = master.solve_integers, []

    def counted(costs, *given):
        columns.append(len(costs))
        assert len(costs) < 10_000, "HiGHS would take many minutes"
        return solve(costs, *given)

    monkeypatch.setattr(master, "solve_integers", counted)
    answer = exact.solve(Problem(0.02 * vectors @ vectors.T, 6, np.ones(27), effort=0.2))
    assert columns
    assert answer.score <= answer.bound < 5.3
