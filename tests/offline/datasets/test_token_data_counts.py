"""MasakhaNER and Universal Dependencies as their files hold them: every count, every word, every tag, every text."""

from __future__ import annotations

import pytest

from gradsim_offline.core.dataset import SPLITS, TaggedSentence
from gradsim_offline.datasets.sources import masakhaner, ud
from gradsim_shared.errors import DataError
from gradsim_shared.iob import entities
from gradsim_shared.segmentation import locate

MASAKHANER = {  # sentences of train, dev, test; words and B- tags of train: the data's own README
    "amh": (1750, 250, 500, 25819, 2247),
    "hau": (1912, 276, 552, 55010, 4143),
    "ibo": (2235, 320, 638, 42719, 3483),
    "kin": (2116, 302, 605, 47912, 3706),
    "lug": (1428, 200, 407, 33003, 3081),
    "luo": (644, 92, 186, 18577, 1250),
    "pcm": (2124, 306, 600, 52604, 4646),
    "swa": (2109, 300, 604, 56599, 4591),
    "wol": (1871, 267, 539, 36805, 1397),
    "yor": (2171, 305, 645, 56274, 2862),
}
REPAIRED = {("pcm", "train"): 5, ("lug", "train"): 3, ("hau", "train"): 1, ("hau", "test"): 1, ("yor", "train"): 1}
UD = {  # folder: language, then sentences of train, dev, test
    "bg": ("bul", 800, 200, 200),
    "da": ("dan", 400, 164, 200),
    "en": ("eng", 800, 200, 200),
    "et": ("est", 800, 200, 200),
    "fi": ("fin", 800, 200, 200),
    "hi": ("hin", 600, 200, 200),
    "hu": ("hun", 800, 200, 200),
    "ta": ("tam", 400, 80, 120),
}


@pytest.fixture(scope="module")
def news(data_root):
    return masakhaner.load(data_root / "masakhaner")


@pytest.fixture(scope="module")
def treebanks(data_root):
    return ud.load(data_root / "ud")


def raw_pairs(path, separator):
    """The words and tags of a file, read in the plainest way."""
    lines = path.read_bytes().decode("utf-8-sig").split("\n")
    return [tuple(line.split(separator)) for line in lines if line.strip()]


def test_masakhaner_is_named_entity_data(news):
    assert news.task == "token_classification" and news.name == "masakhaner" and news.aliases == {}
    assert news.labels == ("O", "B-DATE", "I-DATE", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
    assert news.languages == tuple(MASAKHANER)


@pytest.mark.parametrize("code", MASAKHANER)
def test_masakhaner_counts(news, code):
    train = news.split(code, "train")
    assert tuple(len(news.split(code, split)) for split in SPLITS) == MASAKHANER[code][:3]
    assert sum(len(sentence.words) for sentence in train) == MASAKHANER[code][3]
    found = sum(len(list(entities(sentence.tags))) for sentence in train)
    assert found == MASAKHANER[code][4] + REPAIRED.get((code, "train"), 0)


@pytest.mark.parametrize("code", MASAKHANER)
def test_masakhaner_holds_every_word_and_tag_of_its_files(news, data_root, code):
    for split in SPLITS:
        found = [pair for s in news.split(code, split) for pair in zip(s.words, s.tags, strict=True)]
        raw = raw_pairs(data_root / "masakhaner" / code / f"{split}.txt", " ")
        assert [word for word, _ in found] == ['"' if word == '"' * 4 else word for word, _ in raw]
        changed = [(new, old) for (_, new), (_, old) in zip(found, raw, strict=True) if new != old]
        assert all((new[0], old[0], new[1:]) == ("B", "I", old[1:]) for new, old in changed)
        expected = 1 if (code, split) == ("yor", "test") else REPAIRED.get((code, split), 0)
        assert len(changed) == expected


def test_masakhaner_says_what_it_repaired(news):
    (note,) = [note for note in news.notes if "opened" in note]
    assert note.startswith("masakhaner: 12 I- tags that opened an entity were read as B- (")
    for (code, split), count in (REPAIRED | {("yor", "test"): 1}).items():
        assert f"{code} {split} {count}" in note


def test_no_entity_is_broken_and_every_word_stands_in_the_text(news):
    for code in news.languages:
        for split in SPLITS:
            for sentence in news.split(code, split):
                before = ("O", *sentence.tags)
                assert not any(
                    tag[0] == "I" and last[2:] != tag[2:] for last, tag in zip(before, sentence.tags, strict=False)
                )
                assert locate(sentence.words, sentence.text) is not None


def test_masakhaner_begins_with_its_first_word_behind_the_byte_order_mark(news):
    assert news.split("luo", "train")[0].words[:2] == ("Jii", "2")


def test_some_languages_of_masakhaner(data_root, monkeypatch):
    monkeypatch.setenv("GRADSIM_DATA", str(data_root))
    assert masakhaner.load(languages=["yo", "amh"]).languages == ("amh", "yor")
    with pytest.raises(DataError, match=r"masakhaner: unknown language 'zul'.*Known: amh, hau"):
        masakhaner.load(languages=["zul"])


def test_ud_is_part_of_speech_data(treebanks):
    assert treebanks.task == "token_classification" and len(treebanks.labels) == 17
    assert list(treebanks.labels) == sorted(treebanks.labels)
    assert treebanks.aliases == {code: (folder,) for folder, (code, *_) in UD.items()}
    assert treebanks.notes == ()


@pytest.mark.parametrize("folder", UD)
def test_ud_holds_every_word_and_tag_of_its_files(treebanks, data_root, folder):
    code, *counts = UD[folder]
    assert [len(treebanks.split(code, split)) for split in SPLITS] == counts
    for split in SPLITS:
        rows = [
            line.split("\t")
            for line in (data_root / "ud" / folder / f"{split}.conllu").read_text(encoding="utf-8").split("\n")
            if line[:1].isdigit()
        ]
        raw = [(row[1], row[3]) for row in rows if row[0].isdecimal()]
        found = [pair for s in treebanks.split(code, split) for pair in zip(s.words, s.tags, strict=True)]
        assert found == raw


@pytest.mark.parametrize("folder", UD)
def test_ud_texts_are_the_comments_but_where_words_were_written_as_one(treebanks, data_root, folder):
    code, *_ = UD[folder]
    for split in SPLITS:
        blocks = (data_root / "ud" / folder / f"{split}.conllu").read_text(encoding="utf-8").strip().split("\n\n")
        for sentence, block in zip(treebanks.split(code, split), blocks, strict=True):
            lines = block.split("\n")
            comment = next(line.removeprefix("# text = ") for line in lines if line.startswith("# text = "))
            assert locate(sentence.words, sentence.text) is not None
            if not any("-" in line.split("\t")[0] for line in lines if line[0] != "#"):
                assert sentence.text.split() == comment.split()


def test_ud_keeps_forms_with_spaces(treebanks):
    spaced = [w for split in SPLITS for s in treebanks.split("fin", split) for w in s.words if " " in w]
    assert len(spaced) == 8 and "110 000" in spaced


def test_the_longest_sentences(treebanks, news):
    assert max(len(sentence.words) for sentence in treebanks.split("fin", "train")) == 177
    assert max(len(sentence.words) for sentence in news.split("pcm", "train")) == 149


def test_examples_are_tagged_sentences(treebanks):
    first = treebanks.split("dan", "train")[0]
    assert isinstance(first, TaggedSentence)
    assert first.text == "Hvor kommer julemanden fra?" and first.words[-2:] == ("fra", "?")
    assert first.gold == first.tags and first.input == first.words
