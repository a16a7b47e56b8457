"""Bundles that are slow, or of many groups, and servers of each kind under overload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import server_process
import slow_bundle
from server_process import Started

QUEUE_TEXTS = 64
BATCH_TOKENS = 64  # eight short texts


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for sentiment whose models take some milliseconds a text; 1 MiB each."""
    return slow_bundle.build(tmp_path_factory.mktemp("bundles") / "slow")


@pytest.fixture(scope="session", params=server_process.SERVERS)
def strained(request: pytest.FixtureRequest, slow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A server of each kind with a short queue and a short body timeout."""
    log = tmp_path_factory.mktemp(request.param) / "log"
    with server_process.started(
        request.param, slow, log, queue_texts=QUEUE_TEXTS, batch_tokens=BATCH_TOKENS, body_seconds=1
    ) as server:
        yield server
