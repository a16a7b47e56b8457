"""The language identifier of a build in a second: fastText tries one setting instead of four, for a short time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SETTINGS = {"NGRAM_LENGTHS": ((1, 4),), "RATES": (0.3,), "SEEN": 8000, "BUCKETS": (4_000, 200_000)}
QUICKLY = f"from gradsim_offline.identifier import training; vars(training).update({SETTINGS!r})"
"""A statement for a program in a process of its own."""


@contextmanager
def quick_identifier() -> Iterator[None]:
    """Let every identifier be trained so, until the end."""
    from gradsim_offline.identifier import training

    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setattr(training, name, value)
        yield
