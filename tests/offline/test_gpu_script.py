"""The script for a GPU, in its smallest form, on whatever is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "gpu.py"
SMALLEST = "--layers 2 --width 64 --vocabulary 200 --languages 3 --batch-size 4 --steps 2 --repeats 3 --device cpu"


@pytest.mark.slow
def test_the_smallest_form_runs_on_the_cpu(tmp_path):
    words = [sys.executable, str(SCRIPT), *SMALLEST.split(), "--json", str(tmp_path / "gpu.json")]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert found["measuring"]["3"]["ratios"].keys() == {"plain", "head.out", "head", "encoder.1"}
    assert all(value > 0 for value in found["training"]["per_second"]["the product's loop"])
    assert found["answering"]["cpu"] > 0
    assert "no GPU" in done.stdout and "texts per second" in done.stdout
