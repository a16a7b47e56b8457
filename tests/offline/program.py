"""The program as the shell would call it, in this process, built quickly; and settings of a tiny build."""

from __future__ import annotations

import contextlib
import io
import sys

import pytest
from quick_builds import quickly

from gradsim_offline import cli

TINY = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 256,
    "pretraining.ngram_size": 8,
    "pretraining.epochs": 1,
    "training.batch_size": 8,
    "maximum_length": 32,
    "exporting.precision": "fp32",
    "ngrams.strengths": "[8.0]",
}


def gradsim(*words):
    """Return the exit code, standard output and standard error of ``gradsim-offline``."""
    error = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(error), quickly():
        patch.setattr(sys, "argv", ["gradsim-offline", *map(str, words)])
        with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code, out.getvalue(), error.getvalue()


def arguments(options, settings):
    """Return options and settings as words; an option that is ``None`` is left out."""
    return [
        *(word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
    ]


def write_splits(folder, dataset, code, sizes, change=lambda rows: None):
    """Write the first texts of a language's splits as ``<code>/<split>.tsv``; empty splits are left out."""
    rows = {
        split: [f"{example.text}\t{example.label}" for example in dataset.split(code, split)[:most]]
        for split, most in zip(("train", "dev", "test"), sizes, strict=True)
    }
    change(rows)
    (folder / code).mkdir(parents=True)
    for split, lines in rows.items():
        if lines:
            (folder / code / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
