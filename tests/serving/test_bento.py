"""The Bento: only its own sources answer, in its own environment, and the answers are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from real_server import ROOT, free_port, running

TEXTS = ["Wannan fim yana da kyau sosai", "ይህ ፊልም በጣም ጥሩ ነው", "Dis food no make sense at all", "Привет"]
ENDPOINTS = ["/sentiment", "/ner", "/pos"]
WHERE = (
    "import importlib.util, bentoml; bentoml.load('{tag}'); import gradsim_serving, gradsim_shared;"
    "print(gradsim_shared.__file__); print(gradsim_serving.__file__); print(importlib.util.find_spec('torch') is None)"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store for Bentos of its own."""
    return tmp_path_factory.mktemp("bentoml-home")


@pytest.fixture(scope="module")
def environment(home):
    """The variables that BentoML runs with; those that lead to the working tree are taken away."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADSIM", "BENTOML", "PYTHONPATH"))}
    return kept | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}


@pytest.fixture(scope="module")
def tag(three, environment):
    """The tag of a Bento with three bundles."""
    command = [sys.executable, str(ROOT / "serving" / "make_bento.py"), *three]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *_ = done.stdout.splitlines()
    assert first.startswith("gradsim-tiny:")
    assert f"bentoml serve {first}" in done.stdout
    return first


@pytest.fixture(scope="module")
def clean_python(home, tag, environment, tmp_path_factory):
    """Python of an environment that holds what the Bento asks for, and nothing else."""
    directory = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    requirements = home / "bentos" / tag.replace(":", "/") / "env" / "python" / "requirements.txt"
    constraints = ["-c", str(ROOT / "constraints.txt")] if (ROOT / "constraints.txt").is_file() else []
    command = [directory / "bin" / "python", "-m", "pip", "install", "-q", "-r", requirements, *constraints]
    subprocess.run(command, env=environment, check=True)
    return str(directory / "bin" / "python")


def check(python, tag, home, environment, direct):
    """Serve the Bento with this Python, from an empty folder, and compare answers; return whether torch is absent."""
    empty = home / "empty"
    empty.mkdir(exist_ok=True)
    command = [python, "-P", "-c", WHERE.format(tag=tag)]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=True)
    shared, serving, no_torch = done.stdout.splitlines()
    sources = home / "bentos" / tag.replace(":", "/") / "src"
    assert Path(shared).is_relative_to(sources)
    assert Path(serving).is_relative_to(sources)
    port = free_port()
    serve = [python, "-P", "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
    kept = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "GRADSIM_THREADS": "1"}
    with running(serve, port, home / "log", kept, cwd=empty) as server:
        assert "<title>" in server.client.get("/", headers={"Accept": "text/html"}).text
        for endpoint in ENDPOINTS:
            assert server.ask(*TEXTS, endpoint=endpoint).status_code == 200
            assert server.ask(*TEXTS, endpoint=endpoint).content == direct.ask(*TEXTS, endpoint=endpoint).content
    return no_torch == "True"


@pytest.mark.slow
def test_a_bento_runs_its_own_sources(tag, home, environment, direct):
    check(sys.executable, tag, home, environment, direct)


def test_a_bento_holds_nothing_else(tag, home):
    sources = home / "bentos" / tag.replace(":", "/") / "src"
    assert sorted(path.name for path in sources.iterdir()) == ["bentofile.yaml", "bundles", "serving", "shared"]
    assert not list(sources.rglob("__pycache__"))
    assert sorted(path.name for path in (sources / "serving").iterdir()) == ["entry.py", "gradsim_serving"]
    assert sorted(path.name for path in (sources / "bundles").iterdir()) == ["ner", "pos", "sentiment"]


def test_two_bundles_for_one_endpoint_make_no_bento(tiny, environment):
    command = [sys.executable, str(ROOT / "serving" / "make_bento.py"), str(tiny), str(tiny)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {tiny} and {tiny} both answer /sentiment; name one of them")


@pytest.mark.slow
def test_a_bento_answers_the_same_in_its_own_environment(clean_python, tag, home, environment, direct):
    assert check(clean_python, tag, home, environment, direct), "torch must not be there"
