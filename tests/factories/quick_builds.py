"""What a build does only to be good is done briefly: fastText tries one setting, few calls are timed."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

IDENTIFIER = {"NGRAM_LENGTHS": ((1, 4),), "RATES": (0.3,), "SEEN": 8000, "BUCKETS": (1_000, 200_000)}
TIMING = {"REPEATS": 7}
QUICKLY = (
    "from gradsim_offline.core import timing; from gradsim_offline.identifier import training; "
    f"vars(timing).update({TIMING!r}); vars(training).update({IDENTIFIER!r})"
)
"""A statement for a program in a process of its own."""


def in_this_process(words: Sequence[str]) -> None:
    """Be the program, quietly; for a process that is forked with everything imported."""
    from gradsim_offline.cli import main

    sys.argv = ["gradsim-offline", *words]
    with quickly(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        main()


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
