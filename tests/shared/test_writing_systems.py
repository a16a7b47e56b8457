"""Which scripts a text uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_shared.scripts import main_scripts, script_of, scripts_of


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "LATIN"),
        ("ɗ", "LATIN"),
        ("ጥ", "ETHIOPIC"),
        ("س", "ARABIC"),
        ("я", "CYRILLIC"),
        ("字", "CJK"),
        ("あ", "HIRAGANA"),
    ],
)
def test_letters(character, script):
    assert script_of(character) == script


@pytest.mark.parametrize("character", ["1", " ", "!", "😀", "\u0301", "\n", "\ud800", "\0"])
def test_what_is_no_letter_has_no_script(character):
    assert script_of(character) is None


@given(st.text(st.characters(codec=None)))
def test_any_text_is_counted(text):
    assert sum(scripts_of(text).values()) <= len(text)


def test_main_scripts_leaves_out_the_rare_ones():
    assert main_scripts(["ጥሩ ነው" * 50, "ok"]) == ("ETHIOPIC",)
    assert main_scripts(["ጥሩ", "abcd"]) == ("LATIN", "ETHIOPIC")
    assert main_scripts(["123"]) == ()
