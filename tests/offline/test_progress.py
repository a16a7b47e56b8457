"""Progress where no bar can be seen: a line now and then, never a longer silence, and none where nobody listens."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory


def run_stage(tmp_path, work, **console):
    """Run a stage that may be silent for 20 ms; return what was written."""
    stream = io.StringIO()
    progress = Progress(Console(file=stream, width=200, **console), silent_seconds=0.02)
    RunDirectory(tmp_path, progress).stage("encoder", {}, lambda _: work(progress), title="mini encoder")
    return stream.getvalue().splitlines()


def test_a_long_stage_says_that_it_runs_and_how_far_its_bar_is(tmp_path):
    def work(progress):
        time.sleep(0.1)
        with progress.bar("masked language modelling", 4) as advance:
            for step in range(3):
                advance(f"loss {step}")
            time.sleep(0.1)

    heading, first, *_, last = run_stage(tmp_path, work)
    assert heading == "● mini encoder" and first == "    mini encoder: 0 s so far"
    assert last.startswith("    mini encoder: 0 s so far; masked language modelling 3/4, 0 s left, loss 2")


def test_a_bar_outside_of_a_stage_says_it_too():
    stream = io.StringIO()
    with Progress(Console(file=stream, width=200), silent_seconds=0.02).bar("scoring", 2) as advance:
        advance("hau")
        time.sleep(0.1)
    assert "scoring: 0 s so far; scoring 1/2, 0 s left, hau" in stream.getvalue()


def test_a_stage_that_speaks_is_left_alone(tmp_path):
    def work(progress):
        for _ in range(20):
            time.sleep(0.005)
            progress.note("at it")

    assert len(run_stage(tmp_path, work)) <= 22  # a slow machine may be late once


@pytest.mark.parametrize("console", [{"quiet": True}, {"force_terminal": True}])
def test_no_line_where_nobody_reads_it_or_a_bar_is_seen(tmp_path, console):
    assert not [line for line in run_stage(tmp_path, lambda _: time.sleep(0.1), **console) if "so far" in line]
