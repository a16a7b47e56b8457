"""AfriSenti through ``datasets``: a local directory of the Hub's form, and what is said where there is no network."""

from __future__ import annotations

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradsim_offline.core.dataset import Example
from gradsim_offline.datasets.sources import afrisenti
from gradsim_shared.errors import DataError

TEXTS = {
    "train": [('  "Ina kwana" \\n @user', "positive"), ("ba kyau 😡", "negative")],
    "validation": [("to", "neutral")],
    "test": [("የዛሬው ሥራ", "positive"), ("x\ty", "neutral"), ('"', "negative")],
}
SPLIT = {"train": "train", "dev": "validation", "test": "test"}


def make_hub_directory(root, *, column, classes, splits=tuple(TEXTS)):
    """Write parquet files per language and the README.md that names them, as on the Hub."""
    lines = ["---", "configs:"]
    for code in ("hau", "tso"):
        lines += [f"- config_name: {code}", "  data_files:"]
        for split in splits:
            rows = TEXTS[split]
            labels = [afrisenti.HUB_LABELS.index(label) if classes else label for _, label in rows]
            (root / code).mkdir(parents=True, exist_ok=True)
            table = pa.table({column: [f"{text}{code}" for text, _ in rows], "label": labels})
            pq.write_table(table, root / code / f"{split}-00000-of-00001.parquet")
            lines += [f"  - split: {split}", f"    path: {code}/{split}-*"]
    (root / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Let ``datasets`` keep its copies where the test's files lie."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("classes", [True, False], ids=["numbers", "strings"])
@pytest.mark.parametrize("column", ["text", "tweet"])
def test_a_directory_of_the_hubs_form(tmp_path, column, classes):
    root = make_hub_directory(tmp_path / "hub", column=column, classes=classes)
    for code in ("hau", "tso"):
        found = afrisenti.read_hub(code, str(root), None)
        assert found == {
            split: [Example(f"{text}{code}", label) for text, label in TEXTS[theirs]] for split, theirs in SPLIT.items()
        }


def test_load_takes_the_hub_where_there_are_no_files(tmp_path, monkeypatch):
    root = make_hub_directory(tmp_path / "hub", column="text", classes=True)
    monkeypatch.delenv("GRADSIM_DATA", raising=False)
    read = afrisenti.read_hub
    monkeypatch.setattr(afrisenti, "read_hub", lambda code: read(code, str(root), None))
    found = afrisenti.load(languages=["ha", "tso"])
    assert found.languages == ("hau", "tso") and found.counts("test") == {"hau": 3, "tso": 3}


def test_a_missing_split_names_those_that_are_there(tmp_path):
    root = make_hub_directory(tmp_path / "hub", column="text", classes=True, splits=("train", "test"))
    with pytest.raises(DataError, match="no split validation; found train, test"):
        afrisenti.read_hub("hau", str(root), None)


def test_the_pinned_revision_is_a_commit():
    assert len(afrisenti.HUB_REVISION) == 40 and int(afrisenti.HUB_REVISION, 16)


def test_without_network_and_without_a_copy_the_ways_on_are_named(monkeypatch):
    monkeypatch.delenv("GRADSIM_DATA", raising=False)
    with pytest.raises(DataError) as caught:
        afrisenti.load(languages=["hau"])
    message = str(caught.value)
    assert "\n" not in message
    for way in (afrisenti.HUB_NAME, "Hugging Face Hub", "--data-dir", "GRADSIM_DATA"):
        assert way in message
