"""Tags of entities in other spellings, and CoNLL-like files of several columns."""

from __future__ import annotations

import pytest

from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.datasets.sources import files
from gradsim_offline.experiments.evaluate.evaluate import read_split
from gradsim_shared.errors import DataError, SettingsError

WORDS = ("Ann", "lives", "in", "New", "York", ".")
BIO = ("B-PER", "O", "O", "B-LOC", "I-LOC", "O")
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
SPELLINGS = {
    "lower prefix": ("b-PER", "o", "o", "b-LOC", "i-LOC", "o"),
    "underscore": ("B_PER", "O", "O", "B_LOC", "I_LOC", "O"),
    "suffix": ("PER-B", "O", "O", "LOC-B", "LOC-I", "O"),
    "BIOES with underscores": ("S_PER", "O", "O", "B_LOC", "E_LOC", "O"),
    "BILOU as suffixes": ("PER_u", "o", "o", "LOC_b", "LOC_l", "o"),
    "IOB1": ("i:PER", "O", "O", "i:LOC", "i:LOC", "O"),
}


@pytest.fixture
def put(tmp_path):
    """A function that writes tags, or whole lines, as a split of English, and returns the directory."""

    def write(tags=(), split="train", lines=()):
        (tmp_path / "eng").mkdir(exist_ok=True)
        lines = lines or [f"{word} {tag}" for word, tag in zip(WORDS, tags, strict=False)]
        (tmp_path / "eng" / f"{split}.conll").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


@pytest.mark.parametrize("tags", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_read_as_the_same_entities_and_said(put, tags):
    put(tags, "dev")
    found = files.load(put(tags))
    assert found.labels == LABELS
    assert found.split("eng", "train")[0].tags == found.split("eng", "dev")[0].tags == BIO
    assert found.notes[0].startswith("files: the tags mark entities and are read so: ")
    assert f"{tags[0]!r} as '{tags[0].strip('PER-_:').upper()}-PER'" in found.notes[0]


@pytest.mark.parametrize("tags", SPELLINGS.values(), ids=SPELLINGS)
def test_evaluating_and_adding_a_language_read_them_alike(put, tags):
    directory = put(tags, "test")
    put(tags)
    assert read_split("files", directory, None, "test").split("eng", "test")[0].tags == BIO
    found = files.load_language(directory, "eng", LABELS, "token_classification")
    assert found.split("eng", "test")[0].tags == BIO


def test_a_dev_tag_of_another_type_is_still_refused(put):
    put(("b-ORG",), "dev")
    with pytest.raises(DataError, match=r"dev\.conll:1: unknown tag 'B-ORG'"):
        files.load(put(SPELLINGS["lower prefix"]))


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (("b-per", "o", "NOUN"), "'b-per' looks like an entity's tag and 'NOUN' does not: no entities are read"),
        (("B_PER", "I_PER"), "'B_PER' looks like an entity's tag and there is no O"),
        (("B", "I", "O"), "the tags B, I have no type, so no entities are read; write B-TYPE and I-TYPE"),
    ],
)
def test_tags_that_are_partly_entities_are_noted(put, tags, said):
    found = files.load(put(tags))
    assert found.split("eng", "train")[0].tags == tags and len(found.notes) == 1 and said in found.notes[0]


@pytest.mark.parametrize("tags", [("NN-S", "O", "VB-U"), ("S", "O", "M"), ("NOUN", "I", "O")])
def test_other_tags_are_left_alone(put, tags):
    found = files.load(put(tags))
    assert found.labels == tuple(sorted(tags)) and found.notes == ()


CONLL_2003 = ("-DOCSTART- -X- -X- O", "", "Ann NNP B-NP B-PER", "lives VBZ B-VP O", "", "York NNP B-NP B-LOC")


@pytest.mark.parametrize("options", [{"word_column": 1, "tag_column": 4}, {"tag_column": -1}, {"word_column": 1}])
def test_columns_of_conll_2003(put, options):
    found = load_dataset("files", put(lines=CONLL_2003), None, options)
    assert [(one.words, one.tags) for one in found.split("eng", "train")] == [
        (("Ann", "lives"), ("B-PER", "O")),
        (("York",), ("B-LOC",)),
    ]


def test_more_columns_than_two_name_the_settings(put):
    with pytest.raises(DataError, match=r"train\.conll:3: 4 fields; .* --set data_options\.tag_column=4"):
        files.load(put(lines=CONLL_2003))
    with pytest.raises(DataError, match=r"train\.conll:3: 4 fields; tag_column is 5"):
        load_dataset("files", put(lines=CONLL_2003), None, {"tag_column": 5})
    with pytest.raises(SettingsError, match="columns are counted from 1"):
        load_dataset("files", put(lines=CONLL_2003), None, {"tag_column": 0})
