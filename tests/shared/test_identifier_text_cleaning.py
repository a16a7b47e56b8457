"""What the language identifier sees of a text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradsim_shared.identifier_text import identifier_text


@given(st.text(st.characters(codec=None)))
@example("a\nb\r\n\x00c\ud800\u2028d")
@example("</</s>s>")
@example("__label____label__x")
def test_any_text_becomes_one_clean_line(text):
    cleaned = identifier_text(text)
    cleaned.encode("utf-8")  # no lone surrogate
    assert not [character for character in cleaned if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")]
    assert cleaned == " ".join(cleaned.split())
    assert "</s>" not in cleaned
    assert "__label__" not in cleaned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ina SON Wannan", "ina son wannan"),
        ("@user ina https://t.co/AbC?x=1 so", "ina so"),
        ("HTTPS://T.CO/x", ""),
        ("a@b.com", "a@b.com"),
        ("RT @user_1: ጥሩ\nነው", "rt : ጥሩ ነው"),
        ("  ", ""),
        ("a\x01\n\ud800c", "a c"),
        ("mi </s> x", "mi x"),
        ("ọ̀rọ̀ 😀!", "ọ̀rọ̀ 😀!"),
    ],
)
@pytest.mark.parametrize("normalisation", [0, 1])
def test_examples(text, expected, normalisation):
    assert identifier_text(text, normalisation) == expected


@pytest.mark.parametrize(
    ("text", "before", "now"),
    [
        ("Ｗａｎｎａｎ　ｆｉｌｍ！", "ｗａｎｎａｎ ｆｉｌｍ！", "wannan film!"),
        ("Wan\u00adnan\u200f \u200bfim", "wan\u00adnan\u200f \u200bfim", "wannan fim"),
        ("a\x00b", "a b", "ab"),
        ("ይህ፡ፊልም፡፡", "ይህ፡ፊልም፡፡", "ይህ ፊልም፡፡"),
        ("\ufefb \u0644\u0627", "\ufefb \u0644\u0627", "\u0644\u0627 \u0644\u0627"),  # lam with alef
        ("@us\u200ber ina", "@us\u200ber ina", "ina"),
    ],
)
def test_other_forms_and_unseen_marks_are_told_apart_by_older_identifiers_only(text, before, now):
    assert (identifier_text(text, 0), identifier_text(text)) == (before.replace("@us\u200ber", "\u200ber"), now)
