"""How ``gradsim-serve predict`` ends when a text fails in one model, while another thread still runs a second one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import engines
import onnx
import pytest
import slow_bundle
import tiny_bundle
from onnx import numpy_helper
from real_server import SOURCES

TIMES = 2

SLOW_TO_END = """
import sys, time
from gradsim_serving.cli import main

class Last:  # let Python take its time to end: a thread that comes out of a model meanwhile is an abort
    def __del__(self, threads=sys._current_frames, sleep=time.sleep):
        for _ in range(50):
            if len(threads()) > 1:
                sleep(0.1)

last = Last()
main()
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    """A bundle that asks both groups for every text: one is slow, the other has lost the last word it knows."""
    directory = tmp_path_factory.mktemp("bundles") / "sure"
    tiny_bundle.build(directory)
    slow_bundle.slow_down(directory / "groups" / "g0" / "model.onnx", rounds=600)
    path = directory / "groups" / "g1" / "model.onnx"
    model = onnx.load(path)
    (table,) = [one for one in model.graph.initializer if one.name == "embedding"]
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table)[:-1], "embedding"))
    onnx.save(model, str(path))
    tiny_bundle.write_manifest(directory, threshold=0.5)
    return engines.unsure(directory, directory.with_name("failing"))


def test_a_failed_text_is_exit_code_1_although_another_group_still_runs_it(failing):
    words = json.loads((failing / "groups" / "g1" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    line = json.dumps({"text": " ".join([max(words, key=words.get)] * 60)})
    command = [sys.executable, "-c", SLOW_TO_END, "predict", str(failing), "--policy", "soft", "--threads", "2"]
    environment = os.environ | {"PYTHONPATH": SOURCES}
    for _ in range(TIMES):
        done = subprocess.run(command, env=environment, input=line, capture_output=True, text=True, check=False)
        last = "Error: 1 of 1 lines could not be answered; their error says why"
        assert (done.returncode, done.stderr.splitlines()[-1]) == (1, last)
        assert json.loads(done.stdout)["error"]["code"] == "internal_error"
