"""What is said of a data set before anything is trained on it, by every command that trains."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gradsim_offline.cli import cli
from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.datasets.summary import lines
from gradsim_offline.pipeline.recipes import resolve
from gradsim_shared.errors import SettingsError


def texts(**labels):
    """Return a data set whose languages have one training text for each of their labels."""
    train = {code: {"train": [Example("x", label) for label in mine]} for code, mine in labels.items()}
    every = sorted({label for mine in labels.values() for label in mine})
    return Dataset("mine", "text_classification", tuple(every), train, notes=("mine: hau/old.txt is not read",))


@pytest.fixture
def directory(tmp_path):
    for code, rows in (("eng", "good,positive\nbad,negative"), ("hau", "kyau,Positive\nmugu,negative")):
        (tmp_path / code).mkdir()
        (tmp_path / code / "train.csv").write_text(f"text,label\n{rows}\n")
    return tmp_path


def test_languages_labels_and_notes_are_a_line_each():
    assert list(lines(texts(eng=["a", "b", "b"], hau=["a", "b"]))) == [
        "mine: 2 languages, 5/0/0 texts (train/dev/test): eng 3/0/0, hau 2/0/0",
        "2 labels in train: b (3), a (2)",
        "fewer than 20 training texts: eng (3), hau (2): too few to tell which languages help, and a score may be off "
        "by tens of points; add texts, or leave the language out and `assign` it later",
        "mine: hau/old.txt is not read",
    ]


def test_entities_are_counted_by_type(tagged):
    counts = dict.fromkeys(("LOC", "ORG", "PER"), 0)
    for code in tagged.languages:
        for sentence in tagged.split(code, "train"):
            for tag in sentence.tags:
                counts[tag[2:]] = counts.get(tag[2:], 0) + tag.startswith("B-")
    (line,) = [line for line in lines(tagged) if "in train" in line]
    assert line.startswith("3 entity types in train: ")
    assert all(f"{kind} ({counts[kind]})" in line for kind in ("LOC", "ORG", "PER"))


@pytest.mark.parametrize("pair", ["positive/Positive", "very good/very-good", "news./news", "straße/STRASSE"])
def test_labels_that_look_alike_are_named(pair):
    labels = pair.split("/")
    (warning,) = [line for line in lines(texts(eng=[*labels, "z"], hau=[*labels, "z"])) if "warning" in line]
    assert "differ in capitals, spaces or signs only" in warning
    assert all(label in warning for label in labels) and "z (" not in warning


@pytest.mark.parametrize("pair", ["1/-1", "1.5/15", "+/-", "C/C++", "की/का"])
def test_labels_that_signs_before_digits_tell_apart_are_not_named(pair):
    labels = pair.split("/")
    assert not [line for line in lines(texts(eng=labels, hau=labels)) if "warning" in line]


def test_labels_of_one_language_only_are_named():
    (warning,) = [line for line in lines(texts(eng=["a", "b"], hau=["a", "b", "1"])) if "warning" in line]
    assert warning == "warning: labels of one language only: 1 (hau, 1)"
    assert not [line for line in lines(texts(eng=["a", "b", "1"])) if "warning" in line]


def test_labels_with_line_breaks_stay_on_one_line():
    many = [f"label{number}" for number in range(3000)]
    for line in lines(texts(eng=["a\nb", "x" * 5000, *many], hau=many)):
        assert "\n" not in line and len(line) < 4000


@pytest.mark.parametrize(
    "words",
    [("build", "--must-link", "eng+xyz"), ("compare", "--must-link", "eng+xyz"), ("measure", "--must-link", "eng+xyz")],
)
def test_every_command_that_trains_says_it_first(directory, tmp_path, words):
    answer = CliRunner().invoke(cli, [*words, "--data", str(directory), "--out", str(tmp_path / "run")])
    assert answer.exit_code == 1
    assert f"{directory.name}: 2 languages, 4/0/0 texts (train/dev/test): eng 2/0/0, hau 2/0/0" in answer.output
    assert "3 labels in train: negative (2), " in answer.output
    assert "Positive (1) and positive (1)" in answer.output


def test_a_build_says_once_what_the_data_hold_and_then_what_trains_where(directory, tmp_path):
    out = tmp_path / "run"
    tiny = [word for name in ("epochs=1", "ngram_buckets=64") for word in ("--set", f"pretraining.{name}")]
    words = ["encoder", "--data", str(directory), *tiny, "--out", str(out)]
    answer = CliRunner().invoke(cli, [*words, "--device", "cpu", "--groups", "1"])
    assert answer.exit_code == 0
    notes = answer.output[: answer.output.index("●")].splitlines()
    assert sum("languages," in line and "2/0/0" in line for line in notes) == 1
    assert f"  model mini, on cpu; in {out}" in notes[-2:] and not [line for line in notes if " train," in line]


def test_a_directory_stands_for_files_in_it(directory):
    found = resolve(None, {"data": str(directory)})
    assert (found.data, found.data_dir) == ("files", directory)
    shown = [CliRunner().invoke(cli, ["settings", "--data", data]) for data in (str(directory), "files")]
    assert shown[0].exit_code == 0 and shown[0].output == shown[1].output
    for code in ("eng", "hau"):
        (directory / code / "train.csv").unlink()
        (directory / code / "train.conll").write_text("Ann B-PER\nlives O\n")
    assert resolve(None, {"data": str(directory)}) == resolve("mini-tagging", {"data": "files", "data_dir": directory})
    with pytest.raises(SettingsError, match="is a directory; leave out --data-dir"):
        resolve(None, {"data": str(directory), "data_dir": directory})
