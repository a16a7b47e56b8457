"""The progress of ``predict``: one line on a terminal, rewritten; nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TextIO

INTERVAL_SECONDS = 0.2


class Progress:
    """Counts lines and errors, and shows them on a terminal.

    Args:
        stream: Where to show it, if it is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.lines = self.errors = 0
        self._stream = stream if stream.isatty() else None
        self._begin = time.monotonic()
        self._shown = 0.0

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Count what has been written."""
        self.lines += len(records)
        self.errors += sum("error" in record for record in records)
        now = time.monotonic()
        if self._stream is not None and now - self._shown >= INTERVAL_SECONDS:
            self._shown = now
            self._stream.write(f"\r\033[K{self._words(now)}")
            self._stream.flush()

    def clear(self) -> None:
        """Erase the line."""
        if self._stream is not None:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last counts on the terminal."""
        self.clear()
        if self._stream is not None and kind is None:
            self._stream.write(f"{self._words(time.monotonic())}\n")

    def _words(self, now: float) -> str:
        errors = f", {self.errors} errors" if self.errors else ""
        return f"{self.lines} lines{errors}, {self.lines / max(now - self._begin, 1e-9):.0f} a second"
