"""A tiny few-shot experiment, run through the command line: three languages, all regimes, two seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.sources import demo, files

from ..program import TINY, arguments, gradsim, write_splits

SOURCE, TARGETS = "eng", ("hau", "tur")
SIZES = {"eng": (30, 9, 12), "hau": (24, 6, 10), "tur": (18, 6, 0)}  # train, dev, test: tur is scored on dev
REGIMES = ("zero-shot", "ord-fs", "mix-ft", "naive-mix", "gradient-mix")


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A folder with labelled texts of three languages."""
    root = tmp_path_factory.mktemp("few-shot-data")
    whole = demo.load(languages=list(SIZES))
    for code, sizes in SIZES.items():
        write_splits(root, whole, code, sizes)
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
        return ["few-shot", *arguments(given, TINY), *flags]

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
