"""What the tests of data sets share: a data directory of the user's own, and how it is refused."""

from __future__ import annotations

import datasets
import pytest

from gradsim_offline.datasets.sources import files
from gradsim_shared.errors import DataError


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mine"


@pytest.fixture
def put(root):
    """A function that writes a file below the data directory, and returns its path."""

    def write(path, text):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


@pytest.fixture
def refused():
    """A function that loads a directory, and returns the message; it is one short line and has all the parts."""

    def load(root, *parts, languages=None):
        with pytest.raises(DataError) as caught:
            files.load(root, languages)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 1000
        for part in parts:
            assert part in message, message
        return message

    return load


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """Let ``datasets`` keep its copies where the test's files lie; no files of a data set are at hand."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.delenv("GRADSIM_DATA", raising=False)
