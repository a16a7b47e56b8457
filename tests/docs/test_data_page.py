"""What docs/data.md shows is what is read: its examples, the names of its splits, its endings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets import own_folders
from gradsim_offline.datasets import tables as _tables
from gradsim_offline.datasets import token_files as _token_files
from gradsim_offline.datasets.sources import files
from gradsim_shared.columns import LABEL_COLUMNS, LANGUAGE_COLUMNS, TEXT_COLUMNS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
TEXTS, WORDS = (
    next(section for section in PAGE.split("\n## ") if section.startswith(f"Your own {kind}"))
    for kind in ("labelled texts", "tagged words")
)
EXAMPLES = re.findall(r"^`(\w+/\w+\.\w+)`[^\n]*:\n\n```\w+\n(.*?)```$", TEXTS, flags=re.MULTILINE | re.DOTALL)


def endings(section):
    return {ending for row in re.findall(r"^\| (`\..*?) \|", section, flags=re.MULTILINE) for ending in _named(row)}


def _named(row):
    return re.findall(r"`(.+?)`", row)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    for name, content in EXAMPLES:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
        if "validation" in name:
            (root / name.replace("validation", "train")).write_text(content, encoding="utf-8")
    return files.load(root)


def test_every_example_is_read(found):
    shown = {name.split("/")[0] for name, _ in EXAMPLES}
    assert set(found.languages) == shown and len(EXAMPLES) == 7
    assert found.labels == ("negative", "positive")
    assert all(len(found.split(code, "train")) == 2 for code in found.languages)
    assert found.split("hau", "train")[1] == Example('Ya ce "ba zan dawo ba"', "negative")
    assert found.split("ibo", "train")[0] == Example('Ọ sị "agaghị m alọta" ọzọ', "negative")
    assert found.split("swa", "train")[0] == Example("Filamu nzuri, nimeipenda", "positive")
    assert len(found.split("twi", "dev")) == 2
    assert len(found.notes) == 1 and "ibo/train.tsv" in found.notes[0]


def test_the_table_of_all_languages_is_read(tmp_path):
    (name, content), *others = re.findall(r"^`(\w+\.\w+)`[^\n]*:\n\n```\w+\n(.*?)```$", TEXTS, re.MULTILINE | re.DOTALL)
    (tmp_path / name).write_text(content, encoding="utf-8")
    table = files.load(tmp_path / name)
    assert not others and table.name == "reviews" and table.languages == ("hau", "pcm")
    assert [list(table.counts(split).values()) for split in ("train", "dev", "test")] == [[1, 1], [1, 0], [0, 1]]


def test_the_names_of_columns_and_their_options():
    rows = re.findall(
        r"^\| (text|label|language)\b.*? \| (.+?) \| `--(\w+)-column NAME` \|$", TEXTS, flags=re.MULTILINE
    )
    usual = {"text": TEXT_COLUMNS, "label": LABEL_COLUMNS, "language": LANGUAGE_COLUMNS}
    assert {what: tuple(_named(names)) for what, names, _ in rows} == usual
    assert [(what, option) for what, _, option in rows] == [(what, what) for what in usual]


def test_the_names_of_splits():
    rows = re.findall(r"^\| (train|dev|test) \| (.+?) \|$", TEXTS, flags=re.MULTILINE)
    assert {split: tuple(_named(names)) for split, names in rows} == own_folders.NAMES


def test_the_endings():
    assert endings(TEXTS) == set(_tables.ENDINGS)
    assert endings(WORDS) == set(_token_files.ENDINGS)
