"""Keys at the start of a service: missing or empty ones, and the warning where there are none on a public address."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys

import pytest
from real_server import SOURCES

from gradsim_serving.cli.serve import serve
from gradsim_serving.http.keys import keys_of
from gradsim_serving.options import HttpOptions, Options


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GRADSIM_API_KEYS", ",", "is set but holds no key: unset it, or give it one"),
        ("GRADSIM_ADMIN_KEYS", "", "is set but holds no key: unset it, or give it one"),
        ("GRADSIM_API_KEYS_FILE", "", "is set but names no file: unset it, or name one"),
        ("GRADSIM_ADMIN_KEYS_FILE", "", "is set but names no file: unset it, or name one"),
    ],
)
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import gradsim_serving.service", marks=pytest.mark.slow),
        "from gradsim_serving.cli import main; main()",
    ],
)
def test_keys_that_are_meant_and_missing_do_not_open_the_service(tiny, variable, value, said, code):
    environment = os.environ | {"PYTHONPATH": SOURCES, "GRADSIM_BUNDLES": str(tiny), variable: value}
    command = [sys.executable, "-c", code, str(tiny), "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {variable} {said}")


@pytest.mark.parametrize(
    ("host", "keys", "warned"),
    [("0.0.0.0", None, True), ("0.0.0.0", "k" * 16, False), ("127.0.0.1", None, False), ("localhost", None, False)],
)
def test_a_service_without_keys_on_a_public_address_warns_in_one_line(tiny, monkeypatch, capsys, host, keys, warned):
    class Server:
        def __init__(self, *_):
            pass

        def run(self, sockets):
            sockets[0].close()

    monkeypatch.setattr("gradsim_serving.server.Server", Server)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's; with them somebody else shows what is logged
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    serve((tiny,), Options(HttpOptions(keys=keys_of([keys] if keys else []))), host=host, port=0, log_level="warning")
    lines = [line for line in capsys.readouterr().err.splitlines() if "without keys" in line]
    assert [line.startswith("without keys everybody who reaches http://0.0.0.0:") for line in lines] == [True] * warned
