"""WikiAnn and MasakhaNER: local directories of their forms, what is said of bad ones, and the Hub's parquet files."""

from __future__ import annotations

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradsim_offline.datasets.hub import Hub, hub_dataset
from gradsim_offline.datasets.sources import masakhaner, wikiann
from gradsim_shared.errors import DataError

pytestmark = pytest.mark.usefixtures("hub_cache")

ROWS = {
    "train": [(["Wolof", ":", "Dakar"], [0, 0, 5]), (["Aisha", "Bello"], [1, 2])],
    "validation": [(["UN"], [3])],
    "test": [(["a"], [0]), (["x", "y"], [2, 4])],
}
SPLIT = {"train": "train", "dev": "validation", "test": "test"}


def tags_of(numbers):
    return tuple(wikiann.HUB.labels[number] for number in numbers)


def make_folder(folder, code="", ending=""):
    """Write the three files of a language in PAN-X's form."""
    folder.mkdir(parents=True)
    for ours, theirs in SPLIT.items():
        blocks = [
            "".join(f"{code}{word}\t{tag}\n" for word, tag in zip(words, tags_of(numbers), strict=True))
            for words, numbers in ROWS[theirs]
        ]
        (folder / f"{ours}{ending}").write_text("\n".join(blocks), encoding="utf-8")
    return folder


def make_hub(root, codes, *, flat=False, names=True, splits=tuple(ROWS), columns=("tokens", "ner_tags")):
    """Write parquet files as the Hub's conversion does, or ``flat`` as its data sets do themselves."""
    labels = datasets.ClassLabel(names=list(wikiann.HUB.labels)) if names else datasets.Value("int64")
    features = datasets.Features(
        {columns[0]: datasets.Sequence(datasets.Value("string")), columns[1]: datasets.Sequence(labels)}
    )
    for code in codes:
        for split in splits:
            table = {columns[0]: [words for words, _ in ROWS[split]], columns[1]: [tags for _, tags in ROWS[split]]}
            path = root / code / (f"{split}-00000-of-00001.parquet" if flat else f"{split}/0000.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(table, schema=features.arrow_schema), path)
    return Hub(str(root), None, wikiann.HUB.labels)


def check(found, code):
    """The data set is what ROWS says, with the one broken entity repaired."""
    for ours, theirs in SPLIT.items():
        expected = [(tuple(words), tags_of(numbers)) for words, numbers in ROWS[theirs]]
        if ours == "test":
            expected[1] = (("x", "y"), ("B-PER", "B-ORG"))
        assert [(sentence.words, sentence.tags) for sentence in found.split(code, ours)] == expected


@pytest.mark.parametrize("prefix", ["yo:", ""], ids=["with the code", "without"])
@pytest.mark.parametrize("ending", ["", ".txt"])
def test_a_directory_of_panx(tmp_path, prefix, ending):
    make_folder(tmp_path / "yo", prefix, ending)
    found = wikiann.load(tmp_path)
    assert found.task == "token_classification" and found.aliases == {"yor": ("yo",)}
    assert found.labels == ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
    check(found, "yor")
    assert found.notes == ("wikiann: 2 I- tags that opened an entity were read as B- (yor test 2)",)


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    make_folder(tmp_path / "wikiann" / "yor", "yo:")
    monkeypatch.setenv("GRADSIM_DATA", str(tmp_path))
    check(wikiann.load(), "yor")
    monkeypatch.setenv("GRADSIM_DATA", str(tmp_path / "wikiann"))
    with pytest.raises(DataError, match=r"GRADSIM_DATA is set to .* is not a directory; .*unset it.*--data-dir"):
        wikiann.load()
    with pytest.raises(DataError, match=r"--data-dir .*nowhere is not a directory"):
        wikiann.load(tmp_path / "nowhere")


def test_the_fifteen_languages_come_first_and_what_is_left_out_is_said(tmp_path):
    for code in ("yo", "sw", "bar", "als"):
        make_folder(tmp_path / code, f"{code}:")
    (tmp_path / "zh-min-nan").mkdir()  # no ISO 639 code: passed over
    found = wikiann.load(tmp_path)
    assert found.languages == ("swa", "yor")
    assert found.notes[0] == "wikiann: 2 languages are read; --languages names others: als, bar"
    assert wikiann.load(tmp_path, ["bar", "yo"]).languages == ("bar", "yor")
    with pytest.raises(DataError, match=r"wikiann: unknown language 'hau'.*Known: als, bar, swa, yor"):
        wikiann.load(tmp_path, ["hau"])


def test_other_languages_alone_are_all_read(tmp_path):
    make_folder(tmp_path / "bar", "bar:")
    assert wikiann.load(tmp_path).languages == ("bar",)
    assert len(wikiann.LANGUAGES) == 15


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("yo:a\tO\nb\tO\n", ":2: 'b' does not begin with 'yo:', as other tokens do"),
        ("yo:a\tO\nyo:b\tB-MISC\n", ":2: unknown tag 'B-MISC'; did you mean B-"),
        ("yo:a\tO\tO\n", ":1: 3 fields; expected a word and its tag"),
        ("", "the train split of yor holds no sentences"),
    ],
)
def test_invalid_files_are_refused_with_file_and_line(tmp_path, text, what):
    (make_folder(tmp_path / "yo") / "train").write_text(text)
    with pytest.raises(DataError, match=what):
        wikiann.load(tmp_path)


def test_an_empty_token_is_left_out_and_said(tmp_path):
    (make_folder(tmp_path / "yo") / "train").write_text("yo:a\tB-LOC\nyo:\u3000\tI-LOC\nyo:b\tI-LOC\n\nyo:\tO\n")
    found = wikiann.load(tmp_path)
    assert [(s.words, s.tags) for s in found.split("yor", "train")] == [(("a", "b"), ("B-LOC", "I-LOC"))]
    assert found.notes[0] == "wikiann: 2 words of nothing but white space were left out (yor train 2)"


def test_missing_files_and_empty_directories(tmp_path):
    with pytest.raises(DataError, match="holds no data; expected <lang>/train, dev and test"):
        wikiann.load(tmp_path)
    with pytest.raises(DataError, match=r"holds no data; expected <lang>/train\.txt"):
        masakhaner.load(tmp_path)
    (make_folder(tmp_path / "yo") / "dev").unlink()
    with pytest.raises(DataError, match="yo/dev is missing; expected train, dev, test per language"):
        wikiann.load(tmp_path)
    make_folder(tmp_path / "yor")
    with pytest.raises(DataError, match="are the same language, yor"):
        wikiann.load(tmp_path)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("names", [False, True], ids=["numbers only", "named classes"])
def test_the_hubs_form(tmp_path, flat, names):
    hub = make_hub(tmp_path / "hub", ("yo", "sw"), flat=flat, names=names)
    found = hub_dataset("wikiann", wikiann.LABELS, hub, {"swa": "sw", "yor": "yo"})
    assert found.languages == ("swa", "yor") and found.aliases == {"swa": ("sw",), "yor": ("yo",)}
    check(found, "yor")
    check(found, "swa")


def test_load_takes_the_hub_where_there_are_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(wikiann, "HUB", make_hub(tmp_path / "w", ("yo", "als")))
    assert wikiann.load(languages=["als", "yor"]).aliases == {"yor": ("yo",)}
    monkeypatch.setattr(masakhaner, "HUB", make_hub(tmp_path / "m", masakhaner.VERSION_2))
    found = masakhaner.load()
    assert found.languages == masakhaner.VERSION_2 and len(found.languages) == 20
    with pytest.raises(DataError, match="unknown language 'amh'"):
        masakhaner.load(languages=["amh"])


def test_invalid_files_on_the_hub_are_refused(tmp_path):
    hub = make_hub(tmp_path / "a", ("yo",), splits=("train", "test"))
    with pytest.raises(DataError, match=r"\(yo\) cannot be loaded .*validation.* Ways on: "):
        hub_dataset("wikiann", wikiann.LABELS, hub, {"yor": "yo"})
    hub = make_hub(tmp_path / "b", ("yo",), columns=("words", "tags"))
    with pytest.raises(DataError, match="expected the columns tokens and ner_tags; found words, tags"):
        hub_dataset("wikiann", wikiann.LABELS, hub, {"yor": "yo"})
    hub = Hub(make_hub(tmp_path / "c", ("yo",), names=False).name, None, ("O", "B-PER"))
    with pytest.raises(DataError, match=r"yo train:1: unknown tag 5; allowed: O, B-PER, or 0 to 1"):
        hub_dataset("wikiann", wikiann.LABELS, hub, {"yor": "yo"})


@pytest.mark.parametrize("source", [wikiann, masakhaner])
def test_the_pinned_revision_is_a_commit_and_the_classes_are_the_labels(source):
    assert len(source.HUB.revision) == 40 and int(source.HUB.revision, 16)
    assert sorted(source.HUB.labels) == sorted(source.LABELS)


@pytest.mark.parametrize("source", [wikiann, masakhaner])
def test_without_network_and_without_a_copy_the_ways_on_are_named(source):
    with pytest.raises(DataError) as caught:
        source.load(languages=["yor"])
    message = str(caught.value)
    assert "\n" not in message
    for way in (source.HUB.name, "Hugging Face Hub", "--data-dir", "GRADSIM_DATA"):
        assert way in message
