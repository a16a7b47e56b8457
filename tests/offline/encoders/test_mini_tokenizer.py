"""mini's tokenizer: what it keeps of a text, its spelling table, the same one from every training."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gradsim_offline.datasets.sources import demo
from gradsim_offline.training.encoders.mini import (
    _CODES,
    END,
    LONGEST_PIECE,
    MASK,
    PAD,
    SPECIAL,
    START,
    UNKNOWN,
    spelling,
    train_tokenizer,
)

SPACE = "▁"


@pytest.fixture(scope="module")
def sentences():
    dataset = demo.load(languages=["hau", "hin", "rus", "tur"])
    return [example.text for code in dataset.languages for example in dataset.split(code, "train")]


@pytest.fixture(scope="module")
def tokenizer(sentences) -> Tokenizer:
    return train_tokenizer(sentences, 600)


def folded(text):
    return unicodedata.normalize("NFKC", text).lower()


def spelled(tokenizer, text):
    pieces = tokenizer.encode(text).tokens
    assert pieces[0] == "<s>" and pieces[-1] == "</s>"
    return "".join(pieces[1:-1])


def test_pieces_spell_the_folded_text(tokenizer, sentences):
    for text in sentences:
        assert spelled(tokenizer, text) == SPACE + folded(text).replace(" ", SPACE)


@given(text=st.text("abcdekmnorstuy .,!?", min_size=1, max_size=60))
@settings(max_examples=80, deadline=None)
def test_a_text_of_known_letters_comes_back(tokenizer, text):
    tokens = tokenizer.encode(text).tokens
    assert "<unk>" not in tokens
    assert "".join(tokens[1:-1]) == (
        (SPACE + text.replace(" ", SPACE)) if not text.startswith(" ") else text.replace(" ", SPACE)
    )


def test_special_pieces_have_their_ids(tokenizer):
    assert [tokenizer.token_to_id(piece) for piece in SPECIAL] == [START, PAD, END, UNKNOWN, MASK]


def test_capitals_compatibility_forms_links_and_names(tokenizer):
    assert tokenizer.encode("KYAU").ids == tokenizer.encode("kyau").ids == tokenizer.encode("ｋｙａｕ").ids
    assert tokenizer.encode("see https://t.co/Abc now").ids == tokenizer.encode("see http://x.org/?q=1&r now").ids
    assert tokenizer.encode("@user @user @user kyau").ids == tokenizer.encode("@user kyau").ids


def test_a_character_that_was_never_seen_is_unknown(tokenizer):
    assert tokenizer.encode("ጤ").ids[2:-1] == [UNKNOWN]
    assert tokenizer.encode("").ids[0] == START and tokenizer.encode("").ids[-1] == END


def test_pieces_are_short_and_punctuation_stands_alone(tokenizer):
    for piece in tokenizer.get_vocab():
        if piece not in SPECIAL:
            assert 1 <= len(piece) <= LONGEST_PIECE
            assert len(piece) == 1 or all(c == SPACE or unicodedata.category(c)[0] in "LMN" for c in piece), piece


def test_every_training_gives_the_same_tokenizer(sentences, tokenizer):
    assert {train_tokenizer(sentences, 600).to_str() for _ in range(3)} == {tokenizer.to_str()}


def test_scores_fall_and_rare_characters_have_the_lowest(tokenizer):
    import json

    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    scores = [score for _, score in vocabulary[len(SPECIAL) :]]
    assert scores == sorted(scores, reverse=True)
    assert all(len(piece) == 1 for piece, score in vocabulary[len(SPECIAL) :] if score == scores[-1])


def test_the_spelling_table(tokenizer):
    table = spelling(tokenizer)
    assert table.shape == (tokenizer.get_vocab_size(), LONGEST_PIECE)
    for piece, index in tokenizer.get_vocab().items():
        codes = [code for code in table[index].tolist() if code]
        assert table[index, : len(codes)].tolist() == codes, "no gap before the end"
        if piece in SPECIAL:
            assert codes == ([_CODES[piece]] if piece in _CODES else [])
        else:
            assert "".join(map(chr, codes)) == piece
    assert not table[PAD].any()
