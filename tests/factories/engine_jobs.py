"""Jobs for engines, which a worker must be able to import."""

from __future__ import annotations

import os
import signal
import time


def say(progress, number):
    progress.note(f"  number {number}", heading=True)
    return number, os.getpid(), os.environ.get("OMP_NUM_THREADS")


def fail(number):
    raise ZeroDivisionError(f"cannot divide by {number}")


def die_once(flag):
    """Be killed the first time, as by a system whose memory is full."""
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def wait(flag):
    """Say who it is, and never end."""
    flag.write_text(str(os.getpid()))
    time.sleep(600)
