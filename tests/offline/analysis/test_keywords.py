"""Keywords: what a word is, and the weights worked out by hand."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_offline.experiments.analyse.keywords import keywords, words
from gradsim_shared.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@user Lagos is GREAT https://t.co/x", ["lagos", "is", "great"]),
        ("see www.example.org, mail me@home.ng", ["see", "mail", "me", "home", "ng"]),
        ("#BringBack 12 3rd of 2023!", ["bringback", "rd", "of"]),
        ("ሰላም ነው። በጣም", ["ሰላም", "ነው", "በጣም"]),
        ("مَرْحَبًا بِكُم", ["مَرْحَبًا", "بِكُم"]),
        ("Ba'a da ’yan 'yan", ["ba'a", "da", "yan", "yan"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("one &amp; two 😀😀 a é", ["one", "two"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_both_spellings_of_a_marked_letter_are_one_word():
    composed = unicodedata.normalize("NFC", "Ọmọ́ dára")
    assert words(composed) == words(unicodedata.normalize("NFD", composed)) == ["ọmọ́", "dára"]


@given(st.text())
def test_words_hold_letters_and_marks_only(text):
    for word in words(text):
        kinds = {unicodedata.category(sign)[0] for sign in word if sign not in "'\u2019\u200c\u200d"}
        assert kinds <= {"L", "M", "N"}
        assert sum(not unicodedata.category(sign).startswith("M") for sign in word) >= 2


def test_the_weights_are_those_worked_out_by_hand():
    texts = {"aaa": ["sun sun moon"], "bbb": ["moon rain"], "ccc": ["moon"]}
    found = keywords(texts, most_texts=1)
    rare, shared = math.log(4 / 2) + 1, math.log(4 / 4) + 1
    length = math.hypot(2 * rare, shared)
    assert [(k.word, pytest.approx(k.weight)) for k in found["aaa"]] == [
        ("sun", 2 * rare / length),
        ("moon", shared / length),
    ]
    assert [k.word for k in found["bbb"]] == ["rain", "moon"]
    assert found["ccc"][0].weight == pytest.approx(1)


def test_equal_weights_stand_in_the_order_of_the_alphabet_and_top_cuts():
    found = keywords({"aaa": ["dd cc bb aa"], "bbb": ["xx"]}, top=3, most_texts=1)
    assert [k.word for k in found["aaa"]] == ["aa", "bb", "cc"]


def test_words_of_too_many_texts_are_left_out_in_their_language_only():
    texts = {"aaa": ["the sun", "the moon", "the rain", "the wind"], "bbb": ["the", "sea", "sand", "shore"]}
    found = keywords(texts, most_texts=0.3)
    assert {k.word for k in found["aaa"]} == {"sun", "moon", "rain", "wind"}
    assert "the" in {k.word for k in found["bbb"]}


def test_a_language_without_words_has_no_keywords_and_none_at_all_is_an_error():
    assert keywords({"aaa": ["😀 12"], "bbb": ["sea"]})["aaa"] == ()
    with pytest.raises(DataError, match="no words"):
        keywords({"aaa": ["12"], "bbb": []})
