"""Where log lines are written: stderr, or a file that may be rotated, full or closed; lost lines are counted."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from gradsim_shared.errors import SettingsError

TRIES, PAUSE_SECONDS = 20, 0.05


class Sink:
    """An open file descriptor that is written to in whole lines.

    Args:
        path: A file that lines are appended to, made where it does not exist; one that was moved away (rotated) is made
            anew. ``None`` means stderr.

    Raises:
        SettingsError: The file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._torn = False  # a line was cut off by an error: the next one must begin on a line of its own
        try:
            self._open()
        except OSError as error:
            if path is not None:
                raise SettingsError(f"the log file {path} cannot be opened: {error.strerror}") from error

    def write(self, lines: list[bytes]) -> int:
        """Write lines, each with its line end, and return how many were lost."""
        whole = b"".join(lines)
        written = self._written(b"\n" + whole if self._torn else whole) - self._torn
        if written == len(whole):
            self._torn = False
            return 0
        self._torn = self._torn if written <= 0 else whole[written - 1 : written] != b"\n"
        return len(lines) - whole[: max(written, 0)].count(b"\n")

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _written(self, data: bytes) -> int:
        """Write what can be written and return how many bytes that was."""
        written = tries = 0
        try:
            self._follow()
            while written < len(data) and tries < TRIES and self._descriptor is not None:
                try:
                    written += os.write(self._descriptor, data[written:])
                except BlockingIOError:  # a non-blocking pipe whose reader is slow
                    tries += 1
                    time.sleep(PAUSE_SECONDS)
        except OSError:  # full disk, broken pipe, a directory that has gone: the caller counts what is lost
            return written
        return written

    def _open(self) -> None:
        if self._path is not None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        elif sys.__stderr__ is not None:  # else descriptor 2 was closed at the start and may be a socket by now
            self._descriptor = os.dup(2)

    def _follow(self) -> None:
        """Open the file again when another, or none, has its name now."""
        if self._path is None or self._descriptor is None:
            return
        ours = os.fstat(self._descriptor)
        try:
            named = os.stat(self._path)  # noqa: PTH116 - beside os.fstat
        except FileNotFoundError:
            named = None
        if named is None or (named.st_ino, named.st_dev) != (ours.st_ino, ours.st_dev):
            old = self._descriptor
            self._open()
            os.close(old)
