"""The service's log: JSON lines of requests, or plain messages, written by a thread of their own; never a text.

`logging`'s own queue handler and listener carry the lines, so that a slow, full or closed sink never blocks or fails a
request: what cannot be written is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prometheus_client.core import CounterMetricFamily

from gradsim_shared.errors import SettingsError

PACKAGES = ("gradsim_serving", "gradsim_runtime")
"""The names of the service's own loggers."""

WAITING_LINES = 10_000
"""Lines that wait to be written; more are dropped and counted."""

GATHER_SECONDS = 0.05
"""How long lines gather before they are written together."""

LONGEST = 200
"""Characters of a field that clients filled; the rest is cut."""

requests = logging.getLogger("gradsim_serving.requests")

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode  # ASCII only: no line end can be smuggled in


def describe(error: BaseException) -> str:
    """Return the type of an error and the last lines of its traceback, without its message: that may hold a text."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return json.dumps({"error": type(error).__name__, "at": places})


def log_request(
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
    """Log one line for a request that was answered.

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
    milliseconds = {"total": seconds, **(stages or {})}
    fields = {
        "request": request_id[:LONGEST],
        "endpoint": endpoint,
        "status": status,
        "code": code,
        "texts": texts,
        "milliseconds": {name: round(spent * 1000, 3) for name, spent in milliseconds.items()},
        "groups": list(groups),
    }
    requests.info("request", extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """One JSON object a line: a request's fields, or a message of the service's own modules."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line; what an exception says is left out, since it may hold a text."""
        moment = datetime.fromtimestamp(record.created, UTC)
        written = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        fields = getattr(record, "fields", None)
        if fields is not None:
            return _encode({"time": written, "event": "request", **fields})
        level, message = record.levelname.lower(), record.getMessage()
        return _encode({"time": written, "event": "message", "level": level, "logger": record.name, "message": message})


class PlainFormatter(logging.Formatter):
    """The message alone."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line; what an exception says is left out, since it may hold a text."""
        return record.getMessage()


class LineHandler(logging.Handler):
    """Writes lines to a file descriptor, in the listener's thread.

    Unlike the handlers of `logging` it has no lock, on which the end of the process could wait for a pipe that nobody
    reads; a file that is moved away (logrotate) is made anew.

    Args:
        path: Lines are appended to it; ``None``: stderr.

    Raises:
        SettingsError: The file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.written = self.lost = 0
        self._path = path
        self._descriptor: int | None = None
        self._lines: list[bytes] = []
        self._is_torn = False  # a line was cut off by a full disk: the next one must begin on a line of its own
        try:
            self._open()
        except OSError as error:
            if path is not None:
                raise SettingsError(f"the log file {path} cannot be opened: {error.strerror}") from error

    def createLock(self) -> None:  # noqa: N802 - of logging
        """Have none: one thread writes."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Gather a line until ``flush``."""
        self._lines.append(f"{self.format(record)}\n".encode())

    def flush(self) -> None:
        """Write the lines that were gathered, or count them as lost."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        torn, count = b"\n" if self._is_torn else b"", 0
        with suppress(OSError):  # full disk, broken pipe, a directory that has gone
            if self._path is not None:
                self._follow(self._path)
            if self._descriptor is not None:
                count = os.write(self._descriptor, torn + b"".join(lines))
        written, end = 0, len(torn)
        for line in lines:
            end += len(line)
            written += end <= count
        self._is_torn = written < len(lines) if count else self._is_torn
        self.written += written
        self.lost += len(lines) - written

    def _open(self) -> None:
        if self._path is not None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        elif sys.__stderr__ is not None:  # else descriptor 2 was closed at the start and may be a socket by now
            self._descriptor = os.dup(2)

    def _follow(self, path: Path) -> None:
        """Open the file again when another, or none, has its name now."""
        assert self._descriptor is not None
        ours = os.fstat(self._descriptor)
        try:
            named = path.stat()
        except FileNotFoundError:
            named = None
        if named is None or (named.st_ino, named.st_dev) != (ours.st_ino, ours.st_dev):
            old = self._descriptor
            self._open()
            os.close(old)


class BoundedQueueHandler(QueueHandler):
    """Hands records to the listener's queue; past a limit they are dropped and counted."""

    queue: SimpleQueue[Any]

    def __init__(self, queue: SimpleQueue[Any], limit: int) -> None:
        super().__init__(queue)
        self.dropped = 0
        self._limit = limit

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the record as it is: it stays in this process, and is formatted by the thread that writes."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put a record into the queue, if there is room."""
        if self.queue.qsize() >= self._limit:
            self.dropped += 1
        else:
            self.queue.put_nowait(record)


class GatheringListener(QueueListener):
    """Writes the lines of `GATHER_SECONDS` at once: a thread that wakes for each line takes 0.1 ms from requests."""

    queue: SimpleQueue[Any]

    def dequeue(self, block: bool) -> logging.LogRecord:
        """Return the next record; before it waits for one, what was gathered is written."""
        if not self.queue.empty():
            return super().dequeue(block)
        for handler in self.handlers:
            handler.flush()
        record = super().dequeue(block)
        time.sleep(GATHER_SECONDS)
        return record

    def stop(self) -> None:
        """Write what waits, and end."""
        super().stop()
        for handler in self.handlers:
            handler.flush()


class Log:
    """The log of a service that runs, from ``listen`` to ``close``.

    Args:
        path: Where lines go; ``None``: stderr.
        as_json: Whether lines are JSON; else they are messages alone, and none where the root logger has handlers,
            which show them already.
        waiting_lines: How many may wait to be written.

    Raises:
        SettingsError: The file cannot be opened.
    """

    def __init__(self, path: Path | None = None, *, as_json: bool = True, waiting_lines: int = WAITING_LINES) -> None:
        self._sink = LineHandler(path)
        self._sink.setFormatter(JsonFormatter() if as_json else PlainFormatter())
        queue: SimpleQueue[Any] = SimpleQueue()
        self._handler = BoundedQueueHandler(queue, waiting_lines)
        if not as_json:
            self._handler.addFilter(lambda _: not logging.getLogger().handlers)
        self._listener = GatheringListener(queue, self._sink)

    def listen(self) -> None:
        """Take what the service's own modules log from now on; it waits until ``start``."""
        for name in PACKAGES:
            logger = logging.getLogger(name)
            logger.setLevel(logging.INFO)
            logger.addHandler(self._handler)

    def start(self) -> None:
        """Write it, in a thread."""
        self._listener.start()

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Write what waits, as far as that is possible in the time; later lines are dropped."""
        for name in PACKAGES:
            logging.getLogger(name).removeHandler(self._handler)
        stopping = threading.Thread(target=self._listener.stop, name="gradsim-log-end", daemon=True)
        stopping.start()
        stopping.join(timeout_seconds)

    @property
    def dropped(self) -> int:
        """How many lines were lost."""
        return self._handler.dropped + self._sink.lost

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the metrics of the log, for Prometheus."""
        lines = CounterMetricFamily("gradsim_log_lines", "Lines of the log, by what became of them.", labels=["fate"])
        lines.add_metric(["written"], self._sink.written)
        lines.add_metric(["dropped"], self.dropped)
        return (lines,)
