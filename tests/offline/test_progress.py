"""Progress where no bar can be seen: a line now and then, and none where nobody listens or a bar is seen."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory


@pytest.fixture
def stream():
    return io.StringIO()


def wait_for(pattern, stream):
    """Wait until a line is there, however busy the machine is."""
    ends = time.monotonic() + 60
    while not re.search(pattern, stream.getvalue(), flags=re.MULTILINE):
        assert time.monotonic() < ends, stream.getvalue()
        time.sleep(0.005)


def run_stage(tmp_path, work, progress):
    RunDirectory(tmp_path, progress).stage("encoder", {}, lambda _: work(), title="mini encoder")


def test_a_long_stage_says_that_it_runs_and_how_far_its_bar_is(tmp_path, stream):
    progress = Progress(Console(file=stream, width=200), silent_seconds=0.02)

    def work():
        wait_for(r"^    mini encoder: \d+ s so far$", stream)
        with progress.bar("masked language modelling", 4) as advance:
            for step in range(3):
                advance(f"loss {step}")
            said = r"masked language modelling 3/4, \d+ s left, loss 2$"
            wait_for(rf"^    mini encoder: \d+ s so far; {said}", stream)

    run_stage(tmp_path, work, progress)
    assert stream.getvalue().startswith("● mini encoder\n")
    said = stream.getvalue()
    time.sleep(0.1)
    assert stream.getvalue() == said, "it says something after its end"


def test_a_bar_outside_of_a_stage_says_it_too(stream):
    with Progress(Console(file=stream, width=200), silent_seconds=0.02).bar("scoring", 2) as advance:
        advance("hau")
        wait_for(r"^    scoring: \d+ s so far; scoring 1/2, \d+ s left, hau$", stream)


def test_nothing_is_said_within_the_time(tmp_path, stream):
    run_stage(tmp_path, lambda: time.sleep(0.1), Progress(Console(file=stream, width=200), silent_seconds=600))
    assert stream.getvalue() == "● mini encoder\n"


@pytest.mark.parametrize("console", [{"quiet": True}, {"force_terminal": True}])
def test_no_line_where_nobody_reads_it_or_a_bar_is_seen(tmp_path, stream, console):
    progress = Progress(Console(file=stream, width=200, **console), silent_seconds=0.02)
    run_stage(tmp_path, lambda: time.sleep(0.1), progress)
    assert "so far" not in stream.getvalue()
