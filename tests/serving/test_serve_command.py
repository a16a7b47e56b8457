"""``gradsim-serve``: what people type and what they are told."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import metadata

import pytest
import tiny_bundle
from click.testing import CliRunner
from real_server import ROOT, SOURCES, free_port, running

from gradsim_serving.cli import main
from gradsim_serving.cli.serve import ready_lines
from gradsim_serving.http.examples import GENERIC, OPINIONS, PEOPLE_AND_PLACES, example
from gradsim_shared.errors import BundleError


def run(*arguments):
    """Run the command to its end."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


OPTIONS = ("--host", "--port", "--threads", "--max-body-bytes", "--queue-texts", "--timeout-seconds", "--log-level")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_option(option):
    result = run(option)
    assert result.exit_code == 0
    for part in ("BUNDLE...", *OPTIONS, "--version", "127.0.0.1", "3000", "4096", "30"):
        assert part in result.output


def test_version():
    assert run("--version").output == f"gradsim-serve, version {metadata.version('gradsim-router')}\n"


@pytest.mark.parametrize("module", ["uvicorn", "fastapi", "starlette", "onnxruntime"])
def test_without_the_extra_installed_it_says_what_to_install(tiny, module):
    code = f"import sys; sys.modules[{module!r}] = None; from gradsim_serving.cli import main; main([sys.argv[1]])"
    environment = os.environ | {"PYTHONPATH": SOURCES}
    command = [sys.executable, "-c", code, str(tiny)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    expected = f"Error: {module} is not installed; run: pip install 'gradsim-router[serving]'\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_a_missing_module_of_ours_is_a_fault_and_no_missing_extra(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradsim_serving.app", None)
    assert isinstance(run(tiny).exception, ModuleNotFoundError)


@pytest.mark.parametrize("by", ["option", "environment"])
def test_limits_reach_the_app(tiny, monkeypatch, by):
    found = {}

    def create_app(_, options, **__):
        found.update(asdict(options) | asdict(options.http))
        raise BundleError("stop here")

    monkeypatch.setattr("gradsim_serving.app.create_app", create_app)
    limits = {"threads": 3, "max_body_bytes": 4, "queue_texts": 5, "timeout_seconds": 6, "runners": 7, "memory_mb": 8}
    limits["keep_alive_seconds"] = 9
    if by == "option":
        arguments = [part for name, value in limits.items() for part in (f"--{name.replace('_', '-')}", value)]
    else:
        arguments = []
        for name, value in limits.items():
            monkeypatch.setenv(f"GRADSIM_{name.upper()}", str(value))
    assert run(tiny, *arguments).output == "Error: stop here\n"
    assert {name: found[name] for name in limits} == limits


def test_an_idle_connection_is_closed_after_the_time_that_was_asked_for(tiny, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(tiny), "--port", str(port), "--keep-alive-seconds", "0.2"]
    at = ("127.0.0.1", port)
    with running(command, port, tmp_path / "log", {"PYTHONPATH": SOURCES}), socket.create_connection(at, 30) as peer:
        peer.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while part := peer.recv(4096):
            received += part
        assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("endpoint", "languages", "text"),
    [
        ("sentiment", ["amh", "hau"], OPINIONS["hau"]),
        ("sentiment", ["spa", "xyz"], OPINIONS["spa"]),
        ("sentiment", ["xyz"], GENERIC["sentiment"]),
        ("ner", ["amh", "luo"], PEOPLE_AND_PLACES["luo"]),
        ("pos", ["eng"], PEOPLE_AND_PLACES["eng"]),
        ("ner", ["xyz"], "Wangari Maathai"),
        ("of-a-later-version", ["deu"], PEOPLE_AND_PLACES["deu"]),
    ],
)
def test_the_example_is_in_a_language_of_the_bundle_and_fits_the_endpoint(endpoint, languages, text):
    assert example(endpoint, languages) == text
    line = ready_lines("http://h:1", {f"/{endpoint}": languages}).splitlines()[1]
    assert json.loads(shlex.split(line)[-1]) == {"texts": [text], "language": None}
    assert f"curl -s http://h:1/{endpoint} " in line


def test_no_bundle():
    result = run()
    assert result.exit_code == 2
    assert "Missing argument 'BUNDLE...'" in result.output


def test_a_missing_bundle(tmp_path):
    result = run(tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {tmp_path / 'nothing'} is no bundle: it has no manifest.json.")


def test_a_changed_file_is_refused_before_listening(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "copy")
    (tmp_path / "copy" / "groups" / "g0" / "model.onnx").write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run(tmp_path / "copy", "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert "groups/g0/model.onnx has changed since it was written" in result.output
    assert result.output.count("\n") == 1


def test_a_port_in_use(tiny):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(tiny, "--port", port)
    assert result.exit_code == 1
    assert result.output == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; " + (
        "choose another --port or --host\n"
    )


def test_a_bundle_that_cannot_be_loaded_ends_the_server(tmp_path):
    bundle = tiny_bundle.build(tmp_path / "broken")
    (bundle / "groups" / "g1" / "model.onnx").write_bytes(b"no model")
    tiny_bundle.write_manifest(bundle, threshold=0.5)
    done = subprocess.run(
        [sys.executable, "-m", "gradsim_serving", str(bundle), "--port", "0"],
        env=os.environ | {"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("models run on cpu (")
    assert second.startswith(f"Error: bundle {bundle}: group g1 cannot be loaded")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_how_to_ask_and_stops_when_told(tiny, number):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gradsim_serving", str(tiny), "--port", str(port)],
        env=os.environ | {"PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready, command = process.stdout.readline(), process.stdout.readline()
    assert ready == f"Ready: http://127.0.0.1:{port}\n"
    asked = subprocess.run(command.removeprefix("Try:"), shell=True, capture_output=True, text=True, check=True)
    assert '"language":"hau"' in asked.stdout
    begin = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begin < 10
    assert process.returncode == 0
    (line,) = errors.splitlines()
    assert line.startswith("models run on cpu (")


def test_of_several_bundles_it_says_how_to_ask_each(three):
    process = subprocess.Popen(
        [sys.executable, "-m", "gradsim_serving", *three, "--port", "0"],
        env=os.environ | {"PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url, *commands = [process.stdout.readline() for _ in range(4)]
    answers = [
        json.loads(subprocess.run(line.removeprefix("Try:"), shell=True, capture_output=True, check=True).stdout)
        for line in commands
    ]
    process.terminate()
    output, errors = process.communicate(timeout=20)
    assert (output, errors.count("\n"), errors[:13]) == ("", 1, "models run on")
    address = url.removeprefix("Ready:").strip()
    assert [line.split()[3] for line in commands] == [f"{address}/{name}" for name in ("sentiment", "ner", "pos")]
    assert [answer["bundle"] for answer in answers] == ["tiny@1.0.0", "tiny-ner@1.0.0", "tiny-pos@1.0.0"]
    assert [entity["text"] for entity in answers[1]["predictions"][0]["entities"]] == ["Juma", "Nairobi"]


@pytest.mark.parametrize("variable", ["GRADSIM_QUEUE_TEXTS", pytest.param("GRADSIM_MAX_TEXTS", marks=pytest.mark.slow)])
def test_a_wrong_limit_for_the_bentoml_service_is_one_line(tiny, variable):
    environment = os.environ | {"PYTHONPATH": SOURCES, "GRADSIM_BUNDLES": str(tiny), variable: "0.5"}
    command = [sys.executable, "-c", "import gradsim_serving.service"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: Invalid value for")
    assert variable in line


@pytest.mark.parametrize(
    "variable", ["GRADSIM_QUEUE_TEXTS", pytest.param("GRADSIM_TIMEOUT_SECONDS", marks=pytest.mark.slow)]
)
def test_limits_reach_the_bentoml_service(tiny, variable):
    code = (
        "import gradsim_serving.app as app\n"
        "create = app.create_app\n"
        "app.create_app = lambda b, o, **k: print(o.queue_texts, o.http.timeout_seconds) or create(b, o, **k)\n"
        "import gradsim_serving.service as s; print(s.Gradsim.config['traffic']['timeout'])"
    )
    environment = os.environ | {"PYTHONPATH": SOURCES, "GRADSIM_BUNDLES": str(tiny), variable: "100"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    expected = ["100 30.0", "35.0"] if variable == "GRADSIM_QUEUE_TEXTS" else ["4096 100.0", "105.0"]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("bundles", [pytest.param("", marks=pytest.mark.slow), "/nothing/here"])
def test_bentoml_serve_without_a_bundle_ends_with_one_line(bundles, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--port", str(free_port())],
        cwd=ROOT,
        env=os.environ | {"GRADSIM_BUNDLES": bundles, "BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: /nothing/here is no bundle" if bundles else "Error: there is no bundle")


@pytest.mark.slow
def test_bentoml_serve_sends_no_usage_data(tiny, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "BENTOML_DO_NOT_TRACK"}
    environment |= {"GRADSIM_BUNDLES": str(tiny), "BENTOML_HOME": str(tmp_path), "__BENTOML_DEBUG_USAGE": "True"}
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
    with running([*command, "--port", str(port)], port, tmp_path / "log", environment) as server:
        pass  # BentoML would log what it sends at the start and at the end
    assert "Tracking" not in server.log.read_text(encoding="utf-8")


def test_the_service_loads_neither_torch_nor_the_toolkit():
    code = (
        "import sys, gradsim_serving.app, gradsim_serving.service\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('torch', 'transformers', 'optimum', 'gradsim_offline', 'scipy', 'sklearn')])"
    )
    environment = os.environ | {"PYTHONPATH": SOURCES}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
