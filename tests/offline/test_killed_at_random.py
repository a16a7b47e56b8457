"""A build that is killed at twenty random moments ends as one that is not."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import time

import pytest
from quick_builds import in_this_process

from .program import TINY, arguments, gradsim

RUNS, KILLS = 4, 5  # of each run: twenty moments in all
LOADED = ["torch", "transformers", "optimum.exporters.onnx", "sklearn.linear_model", "gradsim_offline.cli.build"]


def killed_after(context, words, seconds):
    """Run the command, kill it after so many seconds, and return whether it was still at work."""
    process = context.Process(target=in_this_process, args=(words,))
    process.start()
    process.join(seconds)
    at_work = process.is_alive()
    process.kill()
    process.join()
    assert at_work or process.exitcode == 0
    return at_work


def hashes(run):
    """Return what similarity, grouping and weights hash to, by file."""
    kinds = ("similarity.json", "groups.json", "model.safetensors", "gradients.safetensors", "model.onnx")
    found = {}
    for path in sorted(path for path in run.rglob("*") if path.name in kinds):
        content = path.read_bytes()
        if path.name == "similarity.json":  # all but the time that it took
            content = json.dumps(json.loads(content) | {"seconds": 0}).encode()
        found[str(path.relative_to(run))] = hashlib.sha256(content).hexdigest()
    return found


@pytest.mark.slow
def test_a_build_that_is_killed_at_random_moments_ends_at_the_same(tmp_path):
    settings = TINY | {"measuring.fraction": 0.5, "training.fraction": 0.5, "measuring.batch_size": 8}
    given = {"languages": "eng,hau,tur", "model": "mini", "groups": 2, "epochs": 2}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)

    def words(out):
        return ["build", "-q", *arguments(given | {"out": out}, settings)]

    started = time.monotonic()
    assert not killed_after(context, words(tmp_path / "whole"), 600)
    seconds = time.monotonic() - started
    expected = hashes(tmp_path / "whole")
    assert any("groups.json" in name for name in expected) and any("train/" in name for name in expected)
    moments = random.Random(22)
    killed = 0
    for number in range(RUNS):
        out = tmp_path / f"killed-{number}"
        for _ in range(KILLS):
            killed += killed_after(context, words(out), moments.uniform(0.02, 0.35) * seconds)
        code, _, said = gradsim(*words(out))
        assert code == 0, said
        assert hashes(out) == expected
    assert killed > RUNS * KILLS / 2
