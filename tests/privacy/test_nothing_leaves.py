"""No command looks a name up, calls anybody or writes where it was not told to: seen from outside, by strace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from quick_builds import QUICKLY
from real_server import ROOT, free_port, running
from watching import Seen, home_of_its_own, require_strace, seen, watched

from gradsim_shared.privacy import SWITCHES

SOURCES = os.pathsep.join(str(ROOT / folder) for folder in ("offline", "serving", "shared"))
TOOLKIT = [sys.executable, "-c", f"{QUICKLY}; from gradsim_offline.cli import main; main()"]
SERVICE = [sys.executable, "-m", "gradsim_serving"]
TINY = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 512,
    "pretraining.epochs": 1,
    "measuring.fraction": 0.2,
    "ngrams.strengths": "[8.0]",
}
FONTS = (".cache/matplotlib", ".config/matplotlib", ".cache/fontconfig")
"""In the home directory, where matplotlib keeps its list of fonts: docs/observing.md declares it."""


@pytest.fixture(scope="module", autouse=True)
def strace():
    require_strace()


def run(command: list[str], directory: Path, text: str = "") -> Seen:
    """Run a command to its end as a new user would, in an empty directory, and return what it did."""
    directory.mkdir()
    environment = home_of_its_own(directory) | {"PYTHONPATH": SOURCES}
    trace, work = directory / "trace", directory / "work"
    work.mkdir()
    done = subprocess.run(
        watched(command, trace), cwd=work, env=environment, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return seen(trace, work)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What a tiny build did, and the directory that it was done in."""
    directory = tmp_path_factory.mktemp("privacy") / "build"
    settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    options = ["--languages", "eng,hau", "--groups", "2", "--epochs", "1", "--quiet", *settings]
    return run([*TOOLKIT, "build", *options], directory), directory


def test_a_build_writes_its_run_directory_and_the_list_of_fonts(built):
    did, directory = built
    assert did.called == set()
    home, fonts = directory / "home", "/var/cache/fontconfig"  # the second: when root runs it
    allowed = [home / ".cache", home / ".config"]  # the directories themselves
    outside = did.outside(directory / "work" / "runs", directory / "temporary", fonts, *(home / one for one in FONTS))
    assert [path for path in outside if Path(path) not in allowed] == []
    assert not [path for path in (directory / "temporary").rglob("*") if path.is_file()]


def test_predict_writes_its_output(built, tmp_path):
    bundle = built[1] / "work" / "runs" / "demo" / "bundle"
    line = json.dumps({"text": "Wannan fim yana da kyau"})
    did = run([*SERVICE, "predict", str(bundle), "--output", "answers.jsonl"], tmp_path / "predict", f"{line}\n")
    assert did.called == set()
    assert did.outside() == [str(tmp_path / "predict" / "work" / "answers.jsonl")]


@pytest.mark.parametrize("server", ["direct", pytest.param("bentoml", marks=pytest.mark.slow)])
def test_a_service_writes_nothing_but_what_bentoml_keeps(built, tmp_path, monkeypatch, server):
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)  # the tests have set them for themselves
    bundle, trace, port = built[1] / "work" / "runs" / "demo" / "bundle", tmp_path / "trace", free_port()
    environment = home_of_its_own(tmp_path) | {"PYTHONPATH": SOURCES, "GRADSIM_BUNDLES": str(bundle)}
    command = [*SERVICE, str(bundle)]
    if server == "bentoml":
        command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
    command = watched([*command, "--port", str(port)], trace)
    with running(command, port, tmp_path / "log", environment) as running_server:
        assert running_server.ask("Wannan fim yana da kyau").status_code == 200
    did = seen(trace, ROOT)
    assert did.called == set()
    home = tmp_path / "home"
    kept = [home / "bentoml", tmp_path / "temporary"] if server == "bentoml" else []
    assert did.outside(*kept) == []
