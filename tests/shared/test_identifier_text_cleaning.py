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
        ("a\x00b\ud800c", "a b c"),
        ("mi </s> x", "mi x"),
        ("ọ̀rọ̀ 😀!", "ọ̀rọ̀ 😀!"),
    ],
)
def test_examples(text, expected):
    assert identifier_text(text) == expected
