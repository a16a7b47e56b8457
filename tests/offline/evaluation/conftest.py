"""A tiny comparison, run once through the command line: three methods, two seeds, three languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradsim_offline.datasets.sources import demo

from ..program import TINY, arguments, gradsim, write_splits

LANGUAGES = ("eng", "hau", "tur")
SIZES = {"eng": (26, 9, 13), "hau": (32, 8, 17), "tur": (20, 9, 9)}  # train, dev, test
SEEN = {"eng": 1, "hau": 2, "tur": 0}  # test texts that also stand in train or dev
SETTINGS = TINY | {
    "measuring.batch_size": 8,
    "measuring.layers": '["head.out"]',
    "grouping.singleton_score": "self",
}
METHODS = {  # each a file; together: the joint model, one model per language, and a pair with one of these again
    "together": 'measure = "gradient"\n[grouping]\ngroups = 1\n',
    "alone": '# Each for itself\nmeasure = "gradient"\n[grouping]\ngroups = 3\nsingleton_score = 2.0\n',
    "pairs": '# A pair and one alone\nmeasure = "gradient"\n[grouping]\ngroups = 2\nsingleton_score = 0.9\n',
}


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Path:
    """A folder with data of three languages and three methods."""
    root = tmp_path_factory.mktemp("comparing")
    dataset = demo.load(languages=list(LANGUAGES))
    for code, sizes in SIZES.items():

        def repeat_seen(rows, count=SEEN[code]):
            rows["test"][:count] = [rows["train"][0], rows["dev"][0]][:count]

        write_splits(root / "data", dataset, code, sizes, repeat_seen)
    for name, content in METHODS.items():
        (root / f"{name}.toml").write_text(content, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def words(inputs):
    """A function that returns the words of a command on the tiny data."""

    def of(command, out, methods=(), **changes):
        given = {"data": "files", "data-dir": inputs / "data", "epochs": 1, "seeds": 2, "out": out, **changes}
        if command == "compare":
            given = {"methods": ",".join(str(inputs / f"{name}.toml") for name in methods), "groups": 2, **given}
        return [command, *arguments(given, SETTINGS)]

    return of


@pytest.fixture(scope="session")
def compared(words, tmp_path_factory) -> tuple[Path, str, str]:
    """A finished comparison's run directory, and what it printed and said."""
    out = tmp_path_factory.mktemp("runs") / "compare"
    code, shown, said = gradsim(*words("compare", out, METHODS, permutations=300))
    assert code == 0, said
    return out, shown, said
