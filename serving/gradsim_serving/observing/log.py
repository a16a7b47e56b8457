"""The service's log: JSON lines from a thread of its own, or plain messages on stderr; never a client's text."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily

from gradsim_serving.observing.log_sink import Sink

PACKAGES = ("gradsim_serving", "gradsim_runtime")
"""The names of the service's own loggers."""


def describe(error: BaseException) -> str:
    """Return the type of an error and the last lines of its traceback, without its message: that may hold a text."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return json.dumps({"error": type(error).__name__, "at": places})


class StderrHandler(logging.Handler):
    """Writes each message as one line to stderr, unless the root logger has handlers, which do so already.

    A full or closed stderr is ignored.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message; what an exception says is left out, since it may hold a text."""
        if logging.getLogger().handlers:
            return
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"{record.getMessage()}\n")
            sys.stderr.flush()


_STDERR_HANDLER = StderrHandler(logging.INFO)


def log_to_stderr() -> None:
    """Write messages of the service's own modules, of level INFO and above, to stderr; idempotent."""
    for name in PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(_STDERR_HANDLER)  # logging takes a handler once


WAITING_LINES = 10_000
"""Lines that wait to be written; more are dropped and counted."""

GATHER_SECONDS = 0.1
"""How long the writing thread collects lines before it writes: one thread switch for many requests."""

LONGEST = 200
"""Characters of a field that clients filled; the rest is cut."""

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode  # ASCII only: no line end can be smuggled in


class Log:
    """Writes lines from a thread of its own, so that a slow, full or closed sink never blocks or fails a request.

    Args:
        path: A file that lines are appended to; ``None`` means stderr.
        waiting_lines: How many may wait to be written.

    Raises:
        SettingsError: The file cannot be opened.
    """

    def __init__(self, path: Path | None = None, *, waiting_lines: int = WAITING_LINES) -> None:
        self._sink = Sink(path)
        self._limit = waiting_lines
        self._lines: deque[dict[str, Any]] = deque()
        self._some = threading.Event()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._dropped = self._written = 0
        self._handler = JsonHandler(self)

    def request(
        self,
        *,
        request_id: str,
        endpoint: str,
        status: int,
        code: str | None,
        texts: int,
        seconds: float,
        stages: Mapping[str, float] | None = None,
        groups: Iterable[str] = (),
    ) -> None:
        """Write one line for a request that was answered.

        Args:
            request_id: As the answer carries it.
            endpoint: One of the known paths, or ``other``: never a path as it was sent, which may hold anything.
            status: HTTP status.
            code: That of the error; ``None``: there was none.
            texts: How many texts it held; 0 where it could not be read.
            seconds: From its headers to the end of its answer.
            stages: Seconds of each stage, by name.
            groups: The groups that answered.
        """
        milliseconds = {"total": round(seconds * 1000, 3)}
        for name, spent in (stages or {}).items():
            milliseconds[name] = round(spent * 1000, 3)
        self._put(
            {
                "time": time.time(),
                "event": "request",
                "request": request_id[:LONGEST],
                "endpoint": endpoint,
                "status": status,
                "code": code,
                "texts": texts,
                "milliseconds": milliseconds,
                "groups": list(groups),
            }
        )

    def event(self, name: str, **fields: str | float | bool | list[str] | None) -> None:
        """Write one line for something that happened to the service: a reload, a canary that failed."""
        self._put({"time": time.time(), "event": name, **fields})

    def listen(self) -> None:
        """Write the messages of the service's own modules too, until ``close``: reloads, canaries, errors."""
        for name in PACKAGES:
            logger = logging.getLogger(name)
            logger.setLevel(logging.INFO)
            logger.addHandler(self._handler)

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Write what waits, as far as that is possible in the time; later lines are dropped."""
        for name in PACKAGES:
            logging.getLogger(name).removeHandler(self._handler)
        self._end.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        if self._thread is None or not self._thread.is_alive():
            self._sink.close()

    @property
    def dropped(self) -> int:
        """How many lines were lost."""
        return self._dropped

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the metrics of the log, for Prometheus."""
        lines = CounterMetricFamily("gradsim_log_lines", "Lines of the log, by what became of them.", labels=["fate"])
        lines.add_metric(["written"], self._written)
        lines.add_metric(["dropped"], self._dropped)
        return (lines,)

    def _put(self, line: dict[str, Any]) -> None:
        if len(self._lines) >= self._limit or self._end.is_set():
            with self._lock:
                self._dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        """Start the writing thread with the first line, so that an import starts none."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gradsim-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            self._some.wait()
            self._some.clear()
            self._end.wait(GATHER_SECONDS)
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Write what waits now."""
        lines = [_bytes(self._lines.popleft()) for _ in range(len(self._lines))]
        if not lines:
            return
        lost = self._sink.write(lines)
        with self._lock:
            self._dropped += lost
            self._written += len(lines) - lost


class JsonHandler(logging.Handler):
    """Sends what the service's own modules log to a `Log`: their messages name places in the code, never a text."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; what an exception says is left out, since it may hold a text."""
        self._log.event("message", level=record.levelname.lower(), logger=record.name, message=record.getMessage())


def _bytes(line: dict[str, Any]) -> bytes:
    moment = datetime.fromtimestamp(line["time"], UTC)
    line["time"] = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return f"{_encode(line)}\n".encode("ascii")
