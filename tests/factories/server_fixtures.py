"""Fixtures of tests for serving and client: tiny bundles, and a real server that serves three of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_server import SOURCES, Server, free_port, running


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for sentiment: four languages in two groups."""
    import tiny_bundle

    return tiny_bundle.build(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def tiny_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for pairs of texts, with the languages, groups and models of ``tiny``."""
    import tiny_bundle

    labels = ["contradiction", "neutral", "entailment"]
    directory = tmp_path_factory.mktemp("bundles") / "pairs"
    return tiny_bundle.build(directory, name="tiny-pairs", task="pair_classification", labels=labels)


@pytest.fixture(scope="session")
def tiny_questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that answers questions with the places of their contexts: three languages in two groups."""
    import tiny_questions

    return tiny_questions.build(tmp_path_factory.mktemp("bundles") / "questions")


@pytest.fixture(scope="session")
def tiny_ner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for named entities: four languages, one of which the sentiment bundle lacks."""
    import tiny_tags

    return tiny_tags.build_ner(tmp_path_factory.mktemp("bundles") / "ner")


@pytest.fixture(scope="session")
def tiny_pos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for parts of speech: two languages, both in Latin letters."""
    import tiny_tags

    return tiny_tags.build_pos(tmp_path_factory.mktemp("bundles") / "pos")


@pytest.fixture(scope="session")
def trunk_pooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for sentiment: three groups on a trunk with pooled outputs, one beside it."""
    import tiny_trunk

    return tiny_trunk.build(tmp_path_factory.mktemp("bundles") / "pooled")


@pytest.fixture(scope="session")
def trunk_hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on a trunk with hidden states."""
    import tiny_trunk

    return tiny_trunk.build(tmp_path_factory.mktemp("bundles") / "hidden", "hidden")


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
