"""What a build does only to be good is done briefly: fastText tries one setting, few calls are timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

IDENTIFIER = {"NGRAM_LENGTHS": ((1, 4),), "RATES": (0.3,), "SEEN": 8000, "BUCKETS": (1_000, 200_000)}
TIMING = {"REPEATS": 7}
QUICKLY = (
    "from gradsim_offline.core import timing; from gradsim_offline.identifier import training; "
    f"vars(timing).update({TIMING!r}); vars(training).update({IDENTIFIER!r})"
)
"""A statement for a program in a process of its own."""


@contextmanager
def quickly() -> Iterator[None]:
    """Let every build be so, until the end."""
    from gradsim_offline.core import timing
    from gradsim_offline.identifier import training

    with pytest.MonkeyPatch.context() as patch:
        for module, settings in ((timing, TIMING), (training, IDENTIFIER)):
            for name, value in settings.items():
                patch.setattr(module, name, value)
        yield
