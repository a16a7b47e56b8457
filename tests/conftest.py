"""What all tests share: no test is judged by the clock, and threads that wait leave the cores to those that work."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before numpy and torch are loaded
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # tests run in several processes: they share the cores among them

from gradsim_shared.privacy import send_no_usage_data

send_no_usage_data()  # before onnxruntime is loaded, whichever test is first

import pytest
from hypothesis import settings

settings.register_profile("no-clock", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=30)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples in the quick tests, where a test does not say how many."""
    settings.load_profile("quick" if config.option.markexpr == "not slow" else "no-clock")


pytest_plugins = ["server_fixtures"]
