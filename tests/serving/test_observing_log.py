"""The log: what a line holds, and that no disk, pipe or thread of it can fail or hold up a request."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from gradsim_serving.observing.log import LineHandler, Log, log_request
from gradsim_shared.errors import SettingsError

SOURCES = os.pathsep.join(str(Path(__file__).parents[2] / folder) for folder in ("serving", "shared"))


@contextmanager
def logging_to(path: Path, **settings: int) -> Iterator[Log]:
    log = Log(path, **settings)
    log.listen()
    log.start()
    yield log
    log.close(10)


def say(request_id: str = "r1", **fields: object) -> None:
    line = {"endpoint": "/sentiment", "status": 200, "code": None, "texts": 1, "seconds": 0.0042}
    log_request(request_id=request_id, **{**line, **fields})


def wait_for(what, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_line_says_when_who_what_how_long_and_where(tmp_path):
    with logging_to(tmp_path / "log"):
        say(stages={"queue": 0.0011, "run": 0.0025}, groups=("g0", "g2"))
        say("r2", status=429, code="overloaded", texts=16)
        logging.getLogger("gradsim_serving.test").warning("reloaded: %s", "demo@2")
    first, second, third = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "event": "request",
        "request": "r1",
        "endpoint": "/sentiment",
        "status": 200,
        "code": None,
        "texts": 1,
        "milliseconds": {"total": 4.2, "queue": 1.1, "run": 2.5},
        "groups": ["g0", "g2"],
    }
    assert (second["code"], second["texts"], second["groups"]) == ("overloaded", 16, [])
    assert (third["event"], third["level"], third["message"]) == ("message", "warning", "reloaded: demo@2")


@settings(deadline=None, max_examples=20)
@given(request_ids=st.lists(st.text(), min_size=1, max_size=20))
def test_whatever_a_client_names_its_request_one_line_stays_one_line(tmp_path_factory, request_ids):
    path = tmp_path_factory.mktemp("log") / "log"
    with logging_to(path):
        for request_id in request_ids:
            say(request_id + "x" * 500)
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line)["request"] for line in lines[:-1]] == [f"{name}{'x' * 500}"[:200] for name in request_ids]


def test_a_full_disk_loses_lines_and_nothing_else():
    with logging_to(Path("/dev/full")) as log:
        for _ in range(50):
            say()
        wait_for(lambda: log.dropped == 50)
    registry = CollectorRegistry()
    registry.register(log)
    assert b'gradsim_log_lines_total{fate="dropped"} 50.0' in generate_latest(registry)


def test_a_broken_pipe_loses_lines_and_nothing_else(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with logging_to(pipe) as log:
        os.close(reader)
        say()
        wait_for(lambda: log.dropped == 1)


def test_a_reader_that_stands_still_fills_a_bounded_queue_and_no_request_waits(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with logging_to(pipe, waiting_lines=500) as log:
        for number in range(3000):  # about 500 kB into a pipe of 64 kB that nobody reads
            say(f"r{number}")
        assert log.dropped > 0
        rest = b""

        def read() -> bool:
            nonlocal rest
            try:
                rest += os.read(reader, 1 << 20)
            except BlockingIOError:
                return rest.count(b"\n") + log.dropped == 3000
            return False

        wait_for(read)  # what was not dropped arrives, whole and in order, as soon as somebody reads
    os.close(reader)
    numbers = [int(json.loads(line)["request"][1:]) for line in rest.splitlines()]
    assert numbers == sorted(set(numbers))


STUCK = """
import logging, sys
from pathlib import Path
from gradsim_serving.observing.log import Log
log = Log(Path(sys.argv[1]))
log.listen()
log.start()
for _ in range(9000):
    logging.getLogger("gradsim_serving.test").info("x" * 100)
log.close(0.1)
"""


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end_of_the_process(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    done = subprocess.run([sys.executable, "-c", STUCK, str(pipe)], env=environment, timeout=60, check=False)
    os.close(reader)
    assert done.returncode == 0


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", ""])
def test_a_closed_or_full_stderr_fails_nothing(how):
    program = """
import logging
from gradsim_serving.observing.log import Log
log = Log()
log.listen()
log.start()
logging.getLogger("gradsim_serving.test").info("a")
log.close(10)
print(log.dropped)
"""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {how}', sys.executable, program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    assert done.stdout == ("1\n" if how else "0\n")
    assert ('"message":"a"' in done.stderr) is not bool(how)


def test_a_rotated_file_is_followed(tmp_path):
    path = tmp_path / "log"
    with logging_to(path):
        say("before")
        wait_for(lambda: path.read_text() != "")
        path.rename(tmp_path / "log.1")
        say("after")
    assert json.loads((tmp_path / "log.1").read_text())["request"] == "before"
    assert json.loads(path.read_text())["request"] == "after"


def write(sink: LineHandler, text: str) -> None:
    sink.handle(logging.LogRecord("test", logging.INFO, "", 0, text, None, None))
    sink.flush()


def test_a_directory_that_has_gone_loses_lines_until_it_is_back(tmp_path):
    directory = tmp_path / "logs"
    directory.mkdir()
    sink = LineHandler(directory / "log")
    (directory / "log").unlink()
    directory.rmdir()
    write(sink, "a")
    assert (sink.written, sink.lost) == (0, 1)
    directory.mkdir()
    write(sink, "c")
    assert (sink.written, sink.lost) == (1, 1)
    assert (directory / "log").read_bytes() == b"c\n"


def test_a_line_that_was_cut_off_is_lost_alone(tmp_path):
    """A limit on the file's size cuts a write in two, as a disk that runs full does."""
    program = """
import logging, resource, signal, sys
from pathlib import Path
from gradsim_serving.observing.log import LineHandler
sink = LineHandler(Path(sys.argv[1]))
def write(number):
    sink.handle(logging.LogRecord("test", logging.INFO, "", 0, f"{number:04d}", None, None))
    sink.flush()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (23, hard))
for number in range(10):
    write(number)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
for number in range(10):
    write(number)
print(sink.written, sink.lost)
"""
    path = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    assert done.stdout.split() == ["14", "6"]
    lines = path.read_text().splitlines()
    assert lines == ["0000", "0001", "0002", "0003", "000", *(f"{number:04d}" for number in range(10))]


def test_a_file_that_cannot_be_opened_is_named_at_the_start(tmp_path):
    with pytest.raises(SettingsError, match=r"log file .*missing/log cannot be opened: No such file"):
        Log(tmp_path / "missing" / "log")


def test_many_threads_lose_no_line(tmp_path):
    with logging_to(tmp_path / "log") as log:
        threads = [threading.Thread(target=lambda: [say() for _ in range(200)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len((tmp_path / "log").read_text().splitlines()) == 1600
    assert log.dropped == 0


def test_an_error_of_the_service_becomes_a_line_without_what_the_exception_says(tmp_path):
    logger = logging.getLogger("gradsim_serving.test")
    with logging_to(tmp_path / "log") as log:
        logger.info("reloaded: demo@2")
        try:
            raise ValueError("Musa yana zaune a Kano.")
        except ValueError:
            logger.exception("internal error at %s", "engine.py:3")
    logger.error("too late")
    written = (tmp_path / "log").read_text()
    assert [json.loads(line)["message"] for line in written.splitlines()] == [
        "reloaded: demo@2",
        "internal error at engine.py:3",
    ]
    assert "Musa" not in written
    assert log.dropped == 0
