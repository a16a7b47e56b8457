"""Where the words of a raw text are: every rule on the texts that people send, and on any Unicode text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradsim_shared.errors import SettingsError
from gradsim_shared.segmentation import RULES, join, locate, segment

every_rule = pytest.mark.parametrize("rule", RULES)
worded = pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "spaces"])

ANYTHING = st.text(st.characters(codec=None))  # lone surrogates, too
PIECES = [
    *"aBn9s.,:;-/()!?@#_=[] \t",
    *("n't", "'s", "\u2019", "\u2018", "Mr.", "kr.", "http://", "www.", "--", "...", '"', "\u00a0", "\u3000"),
    *("中", "の", "ー", "\u0301", "\u200b", "\u200d", "\ufeff", "\ufe0f", "\u20e3", "\u00ad", "١", "க்", "س", "\u200f"),
    *("😂", "👩", "🏽", "🇷", "🇼", "\U000e0067", "\ud800", "\ue000", "\u0378"),
]
CROWDED = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
"""Texts of what the rules look for, in any order: where the alternatives of a rule meet."""
texts = st.one_of(ANYTHING, CROWDED)


def words_of(text: str, rule: str) -> list[str]:
    return [text[start:end] for start, end in segment(text, rule)]


@every_rule
@settings(deadline=None, max_examples=200)
@given(text=texts)
@example(text="")
@example(text=" \u200d ")
@example(text="مرحبا بالعالم، كيف الحال؟")
def test_every_character_but_white_space_is_in_exactly_one_word(rule: str, text: str) -> None:
    spans = segment(text, rule)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    inside = {place for start, end in spans for place in range(start, end)}
    assert inside == {place for place, character in enumerate(text) if not character.isspace()}


@worded
@settings(deadline=None, max_examples=300)
@given(text=texts)
@example(text="don't中")
@example(text="I'd've a'sn't")
@example(text="kr., kr. og f.eks. 3. Mai")
def test_words_that_are_joined_are_the_same_words_again(rule: str, text: str) -> None:
    words = words_of(text, rule)
    assert words_of(join(words), rule) == words
    assert words_of(" ".join(words), rule) == words


@every_rule
@settings(deadline=None, max_examples=100)
@given(text=texts)
def test_words_are_located_where_they_were_found(rule: str, text: str) -> None:
    assert locate(words_of(text, rule), text) == segment(text, rule)


@settings(deadline=None)
@given(words=st.lists(texts))
def test_any_words_are_located_in_what_they_are_joined_to(words: list[str]) -> None:
    text = join(words)
    spans = locate(words, text)
    assert spans is not None
    assert [text[start:end].split() for start, end in spans] == [word.split() for word in words]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("words", "Ina Lagos. Yau!!", "Ina|Lagos|.|Yau|!|!"),
        ("words", "o'clock n’ibindi ‘yan 'Best'", "o'clock|n’ibindi|‘|yan|'|Best|'"),
        ("letters", "o'clock n’ibindi ‘yan 'Best' ng'", "o'clock|n’ibindi|‘yan|'Best'|ng'"),
        ("words", "2,000 and 3.5 at 10:30, 16/11/2004.", "2,000|and|3.5|at|10:30|,|16/11/2004|."),
        ("letters", "2,000 at 10:30.", "2|,|000|at|10|:|30|."),
        ("words", "see https://t.co/a?b=c, @user_1 #tag!", "see|https://t.co/a?b=c|,|@user_1|#tag|!"),
        ("letters", "@user #tag", "@|user|#|tag"),
        ("words", "(www.a.org/x).", "(|www.a.org/x|)|."),
        ("words", "the U.S. and Dr. Who left. So...", "the|U.S.|and|Dr.|Who|left|.|So|..."),
        ("words", "Port-au-Prince -- :-) :D", "Port|-|au|-|Prince|--|:-)|:D"),
        ("words", 'he said """"no"', 'he|said|""""|no|"'),
        ("words-split-clitics", "I don't; it’s Ali's, we'll", "I|do|n't|;|it|’s|Ali|'s|,|we|'ll"),
        ("words-keep-hyphens", "magyar-orosz tv- és film-, -e a - b", "magyar-orosz|tv-|és|film-|,|-e|a|-|b"),
        ("words-keep-dots", "5 kr. og 3. mai 2004. Så", "5|kr.|og|3.|mai|2004|.|Så"),
        ("words-keep-dots", "f.eks. dr.phil. H. C.", "f.eks.|dr.phil.|H.|C|."),
        ("spaces", "Ina Lagos.", "Ina|Lagos."),
    ],
)
def test_what_each_rule_keeps_together(rule: str, text: str, expected: str) -> None:
    assert words_of(text, rule) == expected.split("|")


@worded
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京 2024。", "我|爱|北|京|2024|。"),
        ("ラーメンとPython", "ラ|ー|メ|ン|と|Python"),
        ("か\u3099", "か\u3099"),  # a voicing mark of its own
        ("ọ̀rọ̀ हिन्दी தமிழ்", "ọ̀rọ̀|हिन्दी|தமிழ்"),
        ("can\u00adcel می\u200cخواهم \u200bEthiopia", "can\u00adcel|می\u200cخواهم|\u200bEthiopia"),
        ("a\u00a0b\u3000c\td  e\u2028f", "a|b|c|d|e|f"),
        ("👩🏽\u200d🚀👍🏽❤️!", "👩🏽\u200d🚀|👍🏽|❤️|!"),
        ("🇳🇬🇷🇼🇰", "🇳🇬|🇷🇼|🇰"),
        ("1️⃣2️⃣#️⃣", "1️⃣|2️⃣|#️⃣"),
        ("🏴\U000e0067\U000e0062\U000e007f ok😂😂", "🏴\U000e0067\U000e0062\U000e007f|ok|😂|😂"),
        ("شكرا، يا علي؟", "شكرا|،|يا|علي|؟"),
        ("ጥፋት ነው።", "ጥፋት|ነው|።"),
        ("", ""),
    ],
)
def test_scripts_marks_and_emoji(rule: str, text: str, expected: str) -> None:
    assert words_of(text, rule) == [word for word in expected.split("|") if word]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Lagos", "."], "Lagos ."),
        (["中", "国", "a", "人", "!"], "中国 a 人 !"),
        (["中国", "人"], "中国 人"),
        ([], ""),
    ],
)
def test_join_puts_a_space_between_all_but_single_characters(words: list[str], text: str) -> None:
    assert join(words) == text


@pytest.mark.parametrize(
    ("words", "text", "spans"),
    [
        (["Lagos", "."], "  Lagos.", [(2, 7), (7, 8)]),
        (["110 000", "x"], "110\u00a0000  x", [(0, 7), (9, 10)]),
        (["a b"], "a\t b", [(0, 4)]),
        (["a", "b"], "a\u200b b", [(0, 1), (3, 4)]),
        (["\u200ba"], " \u200ba", [(1, 3)]),
        (["a", "a"], "aa", [(0, 1), (1, 2)]),
        (["a", "c"], "a b c", None),
        (["a", "b"], "a", None),
        (["a b"], "ab", None),
        ([], "a", []),
    ],
)
def test_locate(words: list[str], text: str, spans: list[tuple[int, int]] | None) -> None:
    assert locate(words, text) == spans


@every_rule
def test_every_rule_says_what_it_does(rule: str) -> None:
    assert RULES[rule].description


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"unknown segmentation rule 'word'\. Did you mean words"):
        segment("a", "word")
