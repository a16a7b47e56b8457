"""The BentoML server of the tiny bundles, and both servers in turn; tests/factories has bundles and the other one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from real_server import Server, free_port, running


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
    """Each of the two servers in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found
