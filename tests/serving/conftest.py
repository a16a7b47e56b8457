"""Tiny bundles, and real servers that serve three of them, one server for each door."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tiny_bundle
import tiny_tags
from real_server import SOURCES, Server, free_port, running


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for sentiment: four languages in two groups."""
    return tiny_bundle.build(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def tiny_ner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for named entities: four languages, one of which the sentiment bundle lacks."""
    return tiny_tags.build_ner(tmp_path_factory.mktemp("bundles") / "ner")


@pytest.fixture(scope="session")
def tiny_pos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for parts of speech: two languages, both in Latin letters."""
    return tiny_tags.build_pos(tmp_path_factory.mktemp("bundles") / "pos")


@pytest.fixture(scope="session")
def three(tiny: Path, tiny_ner: Path, tiny_pos: Path) -> list[str]:
    """The directories of all three."""
    return [str(tiny), str(tiny_ner), str(tiny_pos)]


@pytest.fixture(scope="session")
def direct(three: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``gradsim-serve``, as behind a proxy that shows it under a prefix."""
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", *three, "--port", str(port), "--threads", "1"]
    log = tmp_path_factory.mktemp("direct") / "log"
    command += ["--root-path", "/gradsim", "--log-level", "debug"]
    with running(command, port, log, {"PYTHONPATH": SOURCES}) as server:
        yield server


@pytest.fixture(scope="session")
def bentoml(three: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``bentoml serve``, from the root of the repository, behind the same proxy."""
    port, home = free_port(), tmp_path_factory.mktemp("bentoml")
    command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
    environment = {"GRADSIM_BUNDLES": os.pathsep.join(three), "GRADSIM_THREADS": "1", "BENTOML_HOME": str(home)}
    environment |= {"GRADSIM_ROOT_PATH": "/gradsim", "BENTOML_DO_NOT_TRACK": "True"}
    with running([*command, "--port", str(port)], port, home / "log", environment) as server:
        yield server


@pytest.fixture(params=["direct", "bentoml"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the two doors in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found
