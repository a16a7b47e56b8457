"""A tiny few-shot experiment, run through the command line: three languages, all regimes, two seeds."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from gradsim_offline import cli
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.sources import demo, files

SOURCE, TARGETS = "eng", ("hau", "tur")
SIZES = {"eng": (30, 9, 12), "hau": (24, 6, 10), "tur": (18, 6, 0)}  # train, dev, test: tur is scored on dev
REGIMES = ("zero-shot", "ord-fs", "mix-ft", "naive-mix", "gradient-mix")
SETTINGS = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 256,
    "pretraining.ngram_size": 8,
    "pretraining.epochs": 1,
    "training.batch_size": 8,
    "maximum_length": 32,
}


def gradsim(*words):
    """Call the program in this process, as the shell would; return exit code, standard output, standard error."""
    error = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(error):
        patch.setattr(sys, "argv", ["gradsim-offline", *map(str, words)])
        with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code, out.getvalue(), error.getvalue()


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A folder with labelled texts of three languages."""
    root = tmp_path_factory.mktemp("few-shot-data")
    whole = demo.load(languages=list(SIZES))
    for code, sizes in SIZES.items():
        (root / code).mkdir()
        for split, most in zip(("train", "dev", "test"), sizes, strict=True):
            lines = [f"{example.text}\t{example.label}" for example in whole.split(code, split)[:most]]
            if lines:
                (root / code / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def dataset(data) -> Dataset:
    return files.load(data)


@pytest.fixture(scope="session")
def words(data):
    """A function that returns the words of the command on the tiny data; ``None`` leaves an option out."""

    def of(out, *flags, **changes):
        given = {"data": "files", "data-dir": data, "source": SOURCE, "shots": "1,2", "seeds": 2, "epochs": 1}
        given |= {"shot-epochs": 2, "shot-batch-size": 4, "permutations": 100, "out": out}
        given |= {name.replace("_", "-"): value for name, value in changes.items()}
        return [
            "few-shot",
            *(word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))),
            *(word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")),
            *flags,
        ]

    return of


@pytest.fixture(scope="session")
def finished(words, tmp_path_factory):
    """A finished run's directory, what it printed, and what few-shot.json holds."""
    out = tmp_path_factory.mktemp("runs") / "few-shot"
    code, shown, said = gradsim(*words(out))
    assert code == 0, said
    return out, shown, json.loads((out / "few-shot.json").read_text(encoding="utf-8"))


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """A copy of the finished run, to go on with."""
    return Path(shutil.copytree(finished[0], tmp_path / "run"))


@pytest.fixture
def begun(finished, tmp_path) -> Path:
    """A run that has its encoder and nothing else."""
    shutil.copytree(finished[0] / "encoder", tmp_path / "begun" / "encoder")
    return tmp_path / "begun"
