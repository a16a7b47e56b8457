"""The user's own tagged words: every form is read alike, what is wrong is named by file, line and what is allowed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.core.dataset import TaggedSentence
from gradsim_offline.datasets.conll import read_conll, read_conllu
from gradsim_offline.datasets.sources import files
from gradsim_offline.datasets.token_files import read as read_file
from gradsim_shared.errors import DataError
from gradsim_shared.segmentation import join, locate

TRAIN = [
    (("Aisha", "tana", "zaune", "a", "Kano", "."), ("B-PER", "O", "O", "O", "B-LOC", "O")),
    (("Bola", "Ahmed", "Tinubu"), ("B-PER", "I-PER", "I-PER")),
]
DEV = [(("To", "Legas"), ("O", "B-LOC"))]
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
ENDINGS = ("conll", "txt", "bio", "jsonl", "conllu")
every_form = pytest.mark.parametrize("ending", ENDINGS)
conll = pytest.mark.parametrize("ending", ["conll", "txt", "bio"])


def content(sentences, ending, newline="\n", separator="\t"):
    """Lay sentences out in one of the forms."""
    if ending == "jsonl":
        lines = [json.dumps({"words": words, "tags": tags}, ensure_ascii=False) for words, tags in sentences]
        return newline.join(lines) + newline
    out = ""
    for words, tags in sentences:
        for place, (word, tag) in enumerate(zip(words, tags, strict=True), start=1):
            row = [str(place), word, "_", tag, *["_"] * 6] if ending == "conllu" else [word, tag]
            out += (separator if ending != "conllu" else "\t").join(row) + newline
        out += newline
    return out


def pairs(sentences):
    return [(sentence.words, sentence.tags) for sentence in sentences]


@every_form
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
def test_valid_files_of_every_form_are_read(root, put, ending, newline, mark):
    put(f"hau/train.{ending}", mark + content(TRAIN, ending, newline).encode())
    put(f"hau/dev.{ending}", mark + content(DEV, ending, newline).rstrip(newline).encode())  # no newline at the end
    put(f"yo/Train.{ending.upper()}", content(TRAIN[:1], ending))
    found = files.load(root)
    assert found.task == "token_classification" and found.languages == ("hau", "yor") and found.notes == ()
    assert found.labels == LABELS and found.aliases == {"yor": ("yo",)}
    assert pairs(found.split("hau", "train")) == TRAIN and pairs(found.split("hau", "dev")) == DEV
    assert found.split("hau", "train")[0].text == "Aisha tana zaune a Kano ."
    assert list(found.split("yor", "test")) == []


def test_the_forms_may_stand_side_by_side(root, put):
    for code, ending in zip(("hau", "ibo", "yor", "swa", "twi"), ENDINGS, strict=True):
        put(f"{code}/train.{ending}", content(TRAIN, ending))
    found = files.load(root)
    assert all(pairs(found.split(code, "train")) == TRAIN for code in found.languages)
    assert files.load(root, ["yo", "ha"]).languages == ("hau", "yor")


@conll
def test_tabs_and_spaces_in_one_file(root, put, ending):
    put(f"hau/train.{ending}", "Aisha\tB-PER\ntana O\nKano   B-LOC  \n 110 000 \t O\n\n \t \nBola B-PER")
    assert pairs(files.load(root).split("hau", "train")) == [
        (("Aisha", "tana", "Kano", "110 000"), ("B-PER", "O", "B-LOC", "O")),
        (("Bola",), ("B-PER",)),
    ]


@conll
def test_document_starts_are_skipped(root, put, ending):
    put(f"hau/train.{ending}", "-DOCSTART- -X- O O\n\nAisha B-PER\n-DOCSTART-\tO\ntana O\n")
    assert pairs(files.load(root).split("hau", "train")) == [(("Aisha",), ("B-PER",)), (("tana",), ("O",))]


def test_other_white_space_is_part_of_a_word(root, put):
    put("hau/train.conll", "a\u00a0b O\nc\u2028d B-X\n\u0085e\tO\n")
    assert files.load(root).split("hau", "train")[0].words == ("a\u00a0b", "c\u2028d", "\u0085e")


@pytest.mark.parametrize("words", ["words", "tokens"])
@pytest.mark.parametrize("tags", ["tags", "ner_tags", "labels"])
def test_the_names_of_json_fields(root, put, words, tags):
    row = {words: ["Aisha", "tana"], tags: ["B-PER", "O"], "id": 7, "text": "Aisha  tana"}
    put("hau/train.jsonl", json.dumps(row))
    found = files.load(root).split("hau", "train")
    assert found == [TaggedSentence("Aisha  tana", ("Aisha", "tana"), ("B-PER", "O"))]


def test_a_json_text_that_is_not_of_these_words_is_not_taken(root, put):
    put("hau/train.jsonl", json.dumps({"words": ["Aisha", "tana"], "tags": ["B-PER", "O"], "text": "Kano"}))
    assert files.load(root).split("hau", "train")[0].text == "Aisha tana"


def test_json_lines_with_text_and_label_are_texts(root, put):
    rows = [{"text": "a b", "label": label, "tokens": ["a", "b"]} for label in "xy"]
    put("hau/train.jsonl", "\n".join(map(json.dumps, rows)))
    assert files.load(root).task == "text_classification"


def test_texts_of_chinese_have_no_spaces(root, put):
    put("zh/train.conll", "北 B-LOC\n京 I-LOC\nABC O\n")
    assert files.load(root).split("zho", "train")[0].text == "北京 ABC"


def test_a_sentence_of_ten_thousand_words(root, put):
    long = (tuple(f"w{number}" for number in range(10_000)), ("O", "B-PER") * 5000)
    put("hau/train.conll", content([long], "conll"))
    assert pairs(files.load(root).split("hau", "train")) == [long]


@every_form
def test_tags_that_are_no_entities_are_sorted_and_not_changed(root, put, ending):
    put(f"hau/train.{ending}", content([(("a", "b", "c"), ("VERB", "NOUN", "I"))], ending))
    found = files.load(root)
    assert found.labels == ("I", "NOUN", "VERB") and found.split("hau", "train")[0].tags == ("VERB", "NOUN", "I")


@every_form
def test_broken_entities_are_repaired_and_counted(root, put, ending):
    broken = [(("a", "b", "c", "d"), ("I-PER", "I-LOC", "O", "I-LOC"))]
    put(f"hau/train.{ending}", content([*TRAIN, *broken], ending))
    put(f"hau/test.{ending}", content(broken, ending))
    found = files.load(root)
    assert found.split("hau", "test")[0].tags == ("B-PER", "B-LOC", "O", "B-LOC")
    assert found.notes == ("files: 6 I- tags that opened an entity were read as B- (hau train 3, hau test 3)",)


@every_form
def test_bioes_is_read_as_bio_and_counted(root, put, ending):
    tags = ("S-PER", "O", "B-LOC", "I-LOC", "E-LOC")
    put(f"hau/train.{ending}", content([(("a", "b", "c", "d", "e"), tags)], ending))
    found = files.load(root)
    assert found.labels == LABELS and found.split("hau", "train")[0].tags == ("B-PER", "O", "B-LOC", "I-LOC", "I-LOC")
    assert found.notes == ("files: 2 tags of BIOES or the like were read as BIO (hau train 2)",)


def test_both_tags_of_a_type_are_labels_where_the_files_hold_one(root, put):
    put("hau/train.conll", "Kano B-LOC\na O\n")
    put("hau/dev.conll", "Kano B-LOC\nKano I-LOC\n")
    assert files.load(root).labels == ("O", "B-LOC", "I-LOC")


@pytest.mark.parametrize("tag", ["PER", "0", "b-PER", "I-"])
def test_a_tag_that_is_none_among_entities(root, put, tag, refused):
    put("hau/train.conll", f"Kano B-LOC\na O\n\nb {tag}\n")
    refused(root, f"hau/train.conll:4: the tag {tag!r} among entities' tags; expected O, B-TYPE or I-TYPE")


@every_form
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_tag_that_no_train_split_has(root, put, ending, split, refused):
    put(f"hau/train.{ending}", content(TRAIN, ending))
    put(f"hau/{split}.{ending}", content([*DEV, (("x", "y"), ("O", "B-PRE"))], ending))
    line = 2 if ending == "jsonl" else 5
    refused(root, f"hau/{split}.{ending}:{line}: unknown tag 'B-PRE'; did you mean B-PER?", f"allowed: {LABELS[0]}, ")


@conll
@pytest.mark.parametrize(
    ("line", "count"), [("Kano", "1 field;"), ("Kano NNP B-NP B-LOC", "4 fields"), ("a\tb\tO", "3")]
)
def test_another_number_of_fields(root, put, ending, line, count, refused):
    put(f"hau/train.{ending}", f"a O\n\n{line}\n")
    refused(root, f"hau/train.{ending}:3: {count}", "expected a word and its tag")


@pytest.mark.parametrize(
    ("line", "what"), [("\tO", "the word is empty"), ("\u00a0 O", "the word is empty"), ("a\t", "tag")]
)
def test_an_empty_word_or_tag(root, put, line, what, refused):
    put("hau/train.conll", f"b B-X\nc O\n{line}\n")
    refused(root, "hau/train.conll:3: ", what)


@every_form
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
def test_another_encoding(root, put, ending, mark, refused):
    put(f"hau/train.{ending}", mark + content([(("café",), ("O",))], ending).encode().replace("é".encode(), b"\xe9"))
    refused(root, f"hau/train.{ending}:1: the byte 0xe9 is not UTF-8")


@every_form
def test_an_empty_file(root, put, ending, refused):
    put(f"hau/train.{ending}", "")
    put("ibo/train.conll", content(TRAIN, "conll"))
    refused(root, f"hau/train.{ending}: no sentences; a language needs a train split that is not empty")
    put(f"hau/train.{ending}", content(TRAIN, ending))
    put(f"hau/dev.{ending}", "\n\n")
    assert list(files.load(root).split("hau", "dev")) == []


def test_a_single_tag_is_refused(root, put, refused):
    put("hau/train.conll", "a O\nb O\n")
    refused(root, "mine: the train splits hold 1 tag; a tagger needs two")


def test_texts_and_words_in_one_data_set(root, put, refused):
    put("hau/train.conll", content(TRAIN, "conll"))
    put("yor/train.tsv", "text\tlabel\na\tx\nb\ty\n")
    refused(root, "yor/train.tsv holds labelled texts", "hau/train.conll tagged words", "one task")
    assert files.load(root, ["hau"]).task == "token_classification"
    assert files.load(root, ["yor"]).task == "text_classification"


def test_two_files_for_one_split(root, put, refused):
    for ending in ("conll", "jsonl"):
        put(f"hau/train.{ending}", content(TRAIN, ending))
    refused(root, "keep one of them", "train.conll", "train.jsonl")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", "not valid JSON"),
        ("[1]", "each line is a JSON object"),
        ('{"words": ["a"]}', "no field tags or ner_tags or labels; found 'words'"),
        ('{"tags": ["O"]}', "no field words or tokens"),
        ('{"words": ["a", "b"], "tags": ["O"]}', "2 words and 1 tags"),
        ('{"words": [], "tags": []}', "words is not a list of strings that are not empty"),
        ('{"words": "a", "tags": "O"}', "words is not a list"),
        ('{"words": ["a"], "tags": [3]}', "tags is not a list of strings"),
        ('{"words": [""], "tags": ["O"]}', "words is not a list of strings that are not empty"),
        ('{"words": [" "], "tags": ["O"]}', "the word is empty"),
        ('{"words": ["a\\ud83d"], "tags": ["O"]}', "a word or a tag holds a lone surrogate"),
    ],
)
def test_invalid_json_lines_are_refused(root, put, row, what, refused):
    put("hau/train.jsonl", content(TRAIN, "jsonl") + "\n" + row + "\n")
    refused(root, f"hau/train.jsonl:4: {what}")


def test_half_a_character_in_a_tag(root, put, refused):
    put("hau/train.jsonl", '{"words": ["a", "b"], "tags": ["x\\ud83d", "y"]}\n')
    refused(root, "hau/train.jsonl:1: a word or a tag holds a lone surrogate")


def test_one_languages_examples_for_given_labels(root, put):
    put("hau/train.conll", content(TRAIN, "conll").replace("I-PER", "E-PER"))
    put("yor/train.tsv", "text\tlabel\na\tx\nb\ty\n")
    found = files.load_language(root, "hau", LABELS, "token_classification").examples["hau"]
    assert list(found) == ["train"] and found["train"][1].tags == ("B-PER", "I-PER", "I-PER")
    assert len(files.load_language(root, "yor", ("x", "y"), "text_classification").split("yor", "train")) == 2
    with pytest.raises(DataError, match="holds data for text_classification; expected token_classification"):
        files.load_language(root, "yor", LABELS, "token_classification")
    with pytest.raises(DataError, match=r"train.conll:1: unknown tag 'B-PER'"):
        files.load_language(root, "hau", ("O", "B-LOC", "I-LOC"), "token_classification")


letters = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
words = letters.filter(lambda word: word.strip() and not word.startswith(("-DOCSTART-", "\ufeff")))
tagged = st.lists(st.tuples(words, st.sampled_from(["O", "NOUN", "B-PER", "I-PER"])), min_size=1, max_size=8)
sentences_of = st.lists(tagged.map(lambda rows: tuple(zip(*rows, strict=True))), min_size=1, max_size=4)


@given(sentences_of, st.sampled_from(["\n", "\r\n"]), st.sampled_from([" ", "\t", "   "]))
@settings(deadline=None)
def test_tagged_sentences_survive_a_round_trip(tmp_path_factory, sentences, newline, separator):
    folder = tmp_path_factory.mktemp("round")
    readers = {"conll": read_conll, "conllu": read_conllu, "jsonl": read_file}
    for ending, read in readers.items():
        path = folder / f"train.{ending}"
        path.write_bytes(content(sentences, ending, newline, separator).encode())
        found = read(path)
        assert pairs(found) == sentences
        for sentence in found:
            assert locate(sentence.words, sentence.text or join(sentence.words)) is not None
            lines = path.read_bytes().decode().split("\n")
            for line, word in zip(sentence.lines, sentence.words, strict=ending != "jsonl"):
                assert word in lines[line - 1]


@given(st.binary(max_size=60) | letters.map(str.encode), st.sampled_from(ENDINGS))
@settings(deadline=None)
def test_random_bytes_give_a_data_set_or_a_data_error(tmp_path_factory, noise, ending):
    folder = tmp_path_factory.mktemp("noise") / "hau"
    folder.mkdir()
    (folder / f"train.{ending}").write_bytes(content(TRAIN, ending).encode() + noise)
    try:
        found = files.load(folder.parent)
    except DataError as error:
        assert str(folder) in str(error)
    else:
        assert all(len(s.words) == len(s.tags) and locate(s.words, s.text) for s in found.split("hau", "train"))
