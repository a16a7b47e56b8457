"""A build on a disk that is too small says so in one line, whatever was being written; with more space it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .program import TINY, arguments, gradsim

SHELL = """
mount -t tmpfs -o size=4k tmpfs disk || exit 99
for size in $SIZES; do
    mount -o remount,size=$size disk || exit 99
    "$@"
    echo "$? at $size"
done
"""
CANNOT = 99
FULL = "Error: no space left in disk/run: free some, and give the same command again; what was computed is kept"


def build_on_a_disk_of(sizes, directory, until="build"):
    """Run a command again and again on a disk that grows, in a mount namespace; return the lines that it prints."""
    (directory / "disk").mkdir()
    settings = arguments({}, TINY | {"pretraining.ngram_buckets": 512, "measuring.fraction": 0.2})
    command = [sys.executable, "-c", "from gradsim_offline.cli import main; main()", until, "--out", "disk/run"]
    command += ["--languages", "eng,hau", "--groups", "2", "--epochs", "1", "--quiet", *settings]
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    try:
        done = subprocess.run(
            [*alone, "sh", "-c", SHELL, "sh", *command],
            cwd=directory,
            env=os.environ | {"SIZES": " ".join(sizes)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare (Linux, util-linux) to mount a small disk with")
    if done.returncode in (1, CANNOT):
        pytest.skip(f"no small disk can be mounted here: {done.stdout.strip()}")
    return done.stdout.splitlines()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full (Linux)")
def test_a_full_disk_is_one_line(tmp_path):
    """The log is on a disk that is always full."""
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    given = {"languages": "eng,hau", "model": "ngrams", "out": tmp_path}
    code, shown, said = gradsim("encoder", "-q", *arguments(given, TINY))
    assert (code, shown) == (1, "") and " ".join(said.split()) == FULL.replace("disk/run", str(tmp_path))


@pytest.mark.slow
def test_a_disk_too_small_for_a_file_of_safetensors_is_one_line(tmp_path):
    assert build_on_a_disk_of(("500k",), tmp_path, "measure") == [FULL, "1 at 500k"]


@pytest.mark.slow
def test_a_build_goes_on_when_there_is_space(tmp_path):
    """Each size is enough for some more of the stages: checkpoints, models, ONNX, fastText, the bundle."""
    sizes = ("100k", "500k", "1m", "2m", "3m", "5m", "7m")
    *lines, last = build_on_a_disk_of([*sizes, "99m"], tmp_path)
    assert lines[: 2 * len(sizes)] == [line for size in sizes for line in (FULL, f"1 at {size}")]
    assert last == "0 at 99m"
