"""A tiny real fastText language identifier, the same in every run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gradsim_shared.identifier_text import identifier_text


def train(texts: Iterable[tuple[str, str]]) -> bytes:
    """Train an identifier on ``(language, text)`` and return its file.

    With fewer than 11 threads fastText 0.9.3 leaves part of its matrix uninitialised, with more than 1 its result is
    another each time. So: one thread, in a process whose allocations are zeros (glibc fills them with 255 ^ 255).
    """
    return _train("".join(f"__label__{code} {identifier_text(text)}\n" for code, text in texts))


@cache
def _train(lines: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "train.txt").write_text(lines, encoding="utf-8")
        environment = os.environ | {"MALLOC_PERTURB_": "255"}
        subprocess.run([sys.executable, "-c", _TRAIN], cwd=directory, env=environment, check=True)
        return (Path(directory) / "model.ftz").read_bytes()


_TRAIN = """
import fasttext
options = dict(dim=16, minn=1, maxn=4, bucket=1000, epoch=40, lr=0.5, thread=1, verbose=0)
model = fasttext.train_supervised("train.txt", **options)
model.quantize(input="train.txt", retrain=False, verbose=0, thread=1)
model.save_model("model.ftz")
"""
