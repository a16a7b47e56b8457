"""Outcomes in words: functions from plain figures to sentences, the most important first, for commands and pages."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console


def print_verdict(sentences: Sequence[str], console: Console | None = None) -> None:
    """Print the sentences of a verdict, the first in bold."""
    out = console or Console(highlight=False, soft_wrap=True)
    for position, sentence in enumerate(sentences):
        out.print(f"\n{sentence}" if position == 0 else sentence, style=None if position else "bold", markup=False)
