"""Universal Dependencies: releases with several treebanks, what CoNLL-U allows, and what is said of bad files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.datasets.conll import read_conllu
from gradsim_offline.datasets.sources import ud
from gradsim_shared.errors import DataError
from gradsim_shared.segmentation import locate


def row(place, form, tag="NOUN", other="_"):
    return "\t".join([str(place), form, "_", tag, "_", "_", "0", "root", "_", other])


def sentence(*forms, text=None):
    comment = [f"# text = {text}"] if text else []
    return "\n".join([*comment, *(row(place, form) for place, form in enumerate(forms, start=1))]) + "\n\n"


@pytest.fixture
def put(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        return file

    return write


@pytest.fixture
def release(tmp_path, put):
    """A release with two treebanks of English, one each of Bulgarian and Yoruba, and some that cannot be read."""
    for folder, name, splits in (
        ("UD_English-EWT", "en_ewt", ("train", "dev", "test")),
        ("UD_English-Atis", "en_atis", ("train", "test")),
        ("UD_English-PUD", "en_pud", ("test",)),
        ("UD_Bulgarian-BTB", "bg_btb", ("train", "dev", "test")),
        ("UD_Yoruba-YTB", "yo_ytb", ("train", "test")),
        ("UD_Turkish_German-SAGT", "qtd_sagt", ("train", "dev", "test")),
    ):
        for split in splits:
            put(f"{folder}/{name}-ud-{split}.conllu", sentence(name, split))
        put(f"{folder}/README.md", "notes")
    put("UD_English-ESL/en_esl-ud-train.conllu", sentence("_", "_"))
    put("UD_English-ESL/en_esl-ud-test.conllu", sentence("_", "_"))
    return tmp_path


def words(found, code, split):
    return [sentence.words for sentence in found.split(code, split)]


def test_treebanks_of_a_language_follow_each_other(release):
    found = ud.load(release)
    assert found.languages == ("bul", "eng") and found.aliases == {"bul": ("bg",), "eng": ("en",)}
    assert words(found, "eng", "train") == [("en_atis", "train"), ("en_ewt", "train")]
    assert words(found, "eng", "test") == [("en_atis", "test"), ("en_ewt", "test")]
    assert words(found, "eng", "dev") == [("en_ewt", "dev")]
    assert found.notes == (
        "ud: left out, for they have no train file: en_pud",
        "ud: left out, for they have no words, as their text is not free: en_esl",
        "ud: left out, for they are of no language in ISO 639: qtd_sagt",
        "ud: 2 languages are read; --languages names others: yor",
    )


def test_languages_and_treebanks_are_named(release):
    found = ud.load(release, ["yo", "en_ewt"])
    assert found.languages == ("eng", "yor") and words(found, "eng", "test") == [("en_ewt", "test")]
    assert words(ud.load(release, ["en_ewt", "eng"]), "eng", "train") == [("en_atis", "train"), ("en_ewt", "train")]
    for wrong in ("en_gum", "fin", "nonsense"):
        with pytest.raises(DataError, match=f"ud: unknown language or treebank '{wrong}'.*Known: bg_btb"):
            ud.load(release, [wrong])


def test_one_treebank_alone(release):
    assert ud.load(release / "UD_Yoruba-YTB").languages == ("yor",)
    with pytest.raises(DataError, match="holds no treebank to train on"):
        ud.load(release / "UD_English-PUD")


def test_version_1_and_splits_in_several_files(tmp_path, put):
    text = row(1, "i", "CONJ") + "\n\n"
    for part in ("c", "l"):
        put(f"UD_Czech/cs-ud-train-{part}.conllu", text + sentence(part))
    put("UD_Czech/cs-ud-test.conllu", text)
    found = ud.load(tmp_path)
    assert words(found, "ces", "train") == [("i",), ("c",), ("i",), ("l",)]
    assert found.split("ces", "test")[0].tags == ("CCONJ",)


def test_a_language_without_a_test_file(tmp_path, put):
    put("UD_English-A/en_a-ud-train.conllu", sentence("a"))
    with pytest.raises(DataError, match="ud: en_a: no test file"):
        ud.load(tmp_path)


def test_folders_of_languages(tmp_path, put, monkeypatch):
    for split in ("train", "dev", "test"):
        put(f"ud/yo/{split}.conllu", sentence("a"))
        put(f"ud/en/{split}.conllu", sentence("b"))
    monkeypatch.setenv("GRADSIM_DATA", str(tmp_path))
    assert ud.load().languages == ("eng", "yor")
    assert ud.load(languages=["yor"]).aliases == {"yor": ("yo",)}
    monkeypatch.delenv("GRADSIM_DATA")
    with pytest.raises(DataError, match="ud needs --data-dir"):
        ud.load()
    with pytest.raises(DataError, match=r"holds no data; expected UD_<Language>-<Treebank> or <lang>/train\.conllu"):
        ud.load(tmp_path / "ud" / "yo")
    assert len(set(ud.LANGUAGES)) == 27 and len(set(ud.LABELS)) == 17


def test_ranges_empty_nodes_and_spaces(put):
    lines = [
        "# sent_id = 1",
        "# text = Al 110 000 va!",
        row("1-2", "Al", "_"),
        row(1, "a", "ADP"),
        row(2, "el", "DET"),
        row(3, "110 000", "NUM"),
        row("3.1", "ido", "VERB"),
        row(4, "va", "VERB", "Gloss=x|SpaceAfter=No"),
        row(5, "!", "PUNCT"),
    ]
    (found,) = read_conllu(put("a.conllu", "\n".join(lines)))
    assert found.words == ("a", "el", "110 000", "va", "!") and found.tags == ("ADP", "DET", "NUM", "VERB", "PUNCT")
    assert found.text == "a el 110 000 va!" and list(found.lines) == [4, 5, 6, 8, 9]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("do  n't", "do  n't"), ("don't", "don't"), ("do n't go", "do n't"), ("dont", "do n't"), (None, "do n't")],
)
def test_the_comment_is_the_text_if_the_words_are_its_words(put, text, expected):
    assert read_conllu(put("a.conllu", sentence("do", "n't", text=text)))[0].text == expected


def test_a_range_without_a_space_after_it(put):
    lines = [row("1-2", "cannot", "_", "SpaceAfter=No"), row(1, "can"), row(2, "not"), row(3, "!")]
    assert read_conllu(put("a.conllu", "\n".join(lines)))[0].text == "can not!"


def test_crlf_a_byte_order_mark_blank_lines_and_no_newline_at_the_end(put):
    text = "\ufeff\r\n# text = a b\r\n" + row(1, "a") + "\r\n" + row(2, "b") + "\r\n \r\n\r\n" + row(1, "#")
    found = read_conllu(put("a.conllu", text))
    assert [(s.words, s.text) for s in found] == [(("a", "b"), "a b"), (("#",), "#")]


def test_a_sentence_of_ten_thousand_words(put):
    assert len(read_conllu(put("a.conllu", sentence(*(f"w{n}" for n in range(10_000)))))[0].words) == 10_000


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (row(1, "a") + "\n" + row(2, "b", "_"), ":2: the word 'b' has no UPOS tag"),
        (row(1, "a") + "\n" + row(2, "b", "NN"), ":2: unknown tag 'NN'; did you mean"),
        (row(1, "a") + "\n" + row(2, ""), ":2: the word is empty"),
        ("1 a _ NOUN _ _ 0 root _ _", ":1: 1 tab-separated fields; CoNLL-U has 10"),
        (row(1, "a") + "\t_", ":1: 11 tab-separated fields"),
        (row("x", "a"), ":1: 'x' is no word number"),
        (row(1, "a") + "\n" + row(1, "b"), ":2: word 1 where 2 was expected; a blank line ends each sentence"),
        ("", "the train split of yor holds no sentences"),
    ],
)
def test_bad_files(tmp_path, put, text, what):
    for split in ("train", "dev", "test"):
        put(f"yo/{split}.conllu", text if split == "train" else sentence("a"))
    with pytest.raises(DataError, match=what) as caught:
        ud.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_another_encoding(tmp_path, put):
    for split in ("train", "dev", "test"):
        put(f"yo/{split}.conllu", sentence("a"))
    (tmp_path / "yo" / "dev.conllu").write_bytes(sentence("a", "é").encode("latin-1"))
    with pytest.raises(DataError, match=r"yo/dev.conllu:2: the byte 0xe9 is not UTF-8"):
        ud.load(tmp_path)


forms = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=4)
glued = st.lists(st.tuples(forms, st.booleans()), min_size=1, max_size=8)


@given(glued)
@settings(deadline=None)
def test_the_text_put_together_from_the_words_holds_them_all(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("glued") / "a.conllu"
    rows = [
        row(place, form, other="SpaceAfter=No" if no_space else "_")
        for place, (form, no_space) in enumerate(pieces, start=1)
    ]
    path.write_text("\n".join(rows), encoding="utf-8", newline="")
    (found,) = read_conllu(path)
    written = "".join(form if no_space else f"{form} " for form, no_space in pieces).strip(" ")
    assert found.text == written and locate(found.words, found.text) is not None
