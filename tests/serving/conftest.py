"""A tiny bundle, and real servers that serve it, one for each door."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tiny_bundle
from real_server import SOURCES, Server, free_port, running


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of four languages in two groups."""
    return tiny_bundle.build(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def direct(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``gradsim-serve``."""
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(tiny), "--port", str(port), "--threads", "1"]
    log = tmp_path_factory.mktemp("direct") / "log"
    with running([*command, "--log-level", "debug"], port, log, {"PYTHONPATH": SOURCES}) as server:
        yield server


@pytest.fixture(scope="session")
def bentoml(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``bentoml serve``, from the root of the repository."""
    port, home = free_port(), tmp_path_factory.mktemp("bentoml")
    command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
    environment = {"GRADSIM_BUNDLES": str(tiny), "GRADSIM_THREADS": "1", "BENTOML_HOME": str(home)}
    environment["BENTOML_DO_NOT_TRACK"] = "True"
    with running([*command, "--port", str(port)], port, home / "log", environment) as server:
        yield server


@pytest.fixture(params=["direct", "bentoml"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the two doors in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found
