"""Tiny bundles, opened in this process and served by a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

import tiny_bundle
import tiny_tags
from real_server import SOURCES, Server, free_port, running


@pytest.fixture(scope="session")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for sentiment: four languages in two groups."""
    return tiny_bundle.build(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def ner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for named entities."""
    return tiny_tags.build_ner(tmp_path_factory.mktemp("bundles") / "ner")


@pytest.fixture(scope="session")
def pos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for parts of speech."""
    return tiny_tags.build_pos(tmp_path_factory.mktemp("bundles") / "pos")


@pytest.fixture(scope="session")
def server(sentiment: Path, ner: Path, pos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``gradsim-serve`` with all three."""
    port = free_port()
    bundles = [str(bundle) for bundle in (sentiment, ner, pos)]
    command = [sys.executable, "-m", "gradsim_serving", *bundles, "--port", str(port), "--threads", "1"]
    with running(command, port, tmp_path_factory.mktemp("server") / "log", {"PYTHONPATH": SOURCES}) as started:
        yield started
