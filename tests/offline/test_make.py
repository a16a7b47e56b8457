"""What a user types at ``make``, and the demo that it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(directory, *words, path=""):
    """Call a target of the Makefile in another directory."""
    if shutil.which("make") is None:
        pytest.skip("there is no make here")
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "MAKEFLAGS": ""}
    command = ["make", "-f", ROOT / "Makefile", "-C", directory, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_make_clean_removes_what_can_be_made_again_and_nothing_else(tmp_path):
    folders = ("bench", "docs", "offline", "serving", "shared", "tests")
    kept = ["mine/bin", "runs/demo", *folders]
    made = [".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"]
    made += [f"{folder}/__pycache__" for folder in folders]
    for name in kept + made:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    done = make(tmp_path, "clean", f"VENV={tmp_path / 'mine'}")
    assert done.returncode == 0, done.stderr
    assert [name for name in kept + made if (tmp_path / name).exists()] == kept
    assert make(tmp_path, "clean-runs").returncode == 0
    assert not (tmp_path / "runs").exists() and (tmp_path / "mine" / "bin").exists()


@pytest.mark.parametrize(
    ("words", "built"),
    [
        ([], "-t gradsim ."),
        (["CUDA=1", "CUDA_BASE=x"], "-t gradsim:cuda --build-arg BASE=x --build-arg PROVIDER=cuda ."),
    ],
)
def test_make_image_needs_an_engine_and_names_the_file(tmp_path, words, built):
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    (tmp_path / "docker").chmod(0o755)
    assert make(tmp_path, "image", *words, path=tmp_path).returncode == 0
    assert (tmp_path / "called").read_text() == f"build -f deploy/Dockerfile {built}\n"
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    done = make(tmp_path, "image", *words, path=tmp_path)
    assert done.returncode and "no Docker engine is running here" in done.stderr


@pytest.mark.slow
def test_the_demo_ends_as_its_build_does(tmp_path):
    (tmp_path / "file").touch()
    command = [sys.executable, ROOT / "demo.py", "--out", tmp_path / "file" / "below"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1 and "Not a directory" in done.stderr
