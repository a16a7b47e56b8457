"""What is left of a text before anything reads it, and where it stands in the text as sent."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradsim_shared.normalisation import normalise, original_positions, original_spans, trimmed

SPACES = [*" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u2800\u3164", "\u1361"]
UNSEEN = [
    *"\x00\x07\x7f\x9f\xad\u034f\u061c\u17b4\u180b\u180e\u200b\u200e\u200f\u202a\u202e\u2060\u2063\u2066\u2069\u206f",
    *"\ufe00\ufe0f\ufeff\ufff9\ufffb\U0001bca0\U0001d173\U000e0100\U000e01ef",
]
TAGS = "\U000e0001\U000e0061"  # not seen either, but parts of flags
KEPT = {
    "Persian": "می\u200cخواهم خانه\u200cها",
    "Persian with a vowel sign": "می\u064e\u200cروم",
    "Marathi, the eyelash of ra": "दर\u094d\u200dया",
    "Hindi, a half form at the end of a word": "क\u094d\u200d आधा",
    "Hindi, a virama that is shown": "क\u094d\u200cष",
    "Bengali, ra with ya-phalaa": "র\u200d\u09cdযাব",
    "Malayalam, a chillu at the end of a word": "അവന\u0d4d\u200d വന്നു",
    "Sinhala": "ශ\u0dca\u200dරී ලංකා",
    "Fulani in Adlam": "\U0001e900\u200c\U0001e901",
    "a family": "👨\u200d👩\u200d👧\u200d👦",
    "a tone": "👩🏽\u200d🏫 👍🏽",
    "a flag of tags": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a flag of letters": "🇳🇬",
    "combining marks": "ọ́ o\u0323\u0301 שָׁלוֹם",
    "two Ethiopic word spaces are a full stop": "ይህ ፊልም፡፡",
    "Arabic number sign and tatweel": "\u0600١٢ مـر",
}
anything = st.text(st.characters(codec=None))
crowded = st.lists(
    st.sampled_from([*SPACES, *UNSEEN, *TAGS, *"\u200c\u200daKé፡ቃ❤中", *KEPT.values()]), max_size=12
).map("".join)
texts = anything | crowded


@given(texts)
@example("፡ ፡፡a ፡")
@example("፡\u200b፡")
@example("a\u200c\U000e0061\u200dم\u200c\u200dم")
def test_it_is_done_once_and_says_where_everything_stands(text):
    plain, where = normalise(text), original_positions(text)
    assert normalise(plain) == plain == " ".join(plain.split())
    assert len(where) == len(plain) and all(one < other for one, other in pairwise(where))
    for place, sign in zip(where, plain, strict=True):
        assert text[place] == sign or (sign == " " and (text[place].isspace() or text[place] in SPACES))
    for place, (start, end) in zip(where, original_spans([(i, i + 1) for i in range(len(plain))], text), strict=True):
        assert start == place and normalise(f"a{text[start + 1 : end]}") == "a"  # and its selectors
    assert normalise(text, 0) == text


@given(texts, st.data())
def test_marks_that_are_not_seen_change_nothing_anywhere(text, data):
    place = data.draw(st.integers(0, len(text)))
    marks = "".join(data.draw(st.lists(st.sampled_from(UNSEEN), min_size=1, max_size=3)))
    assert normalise(text[:place] + marks + text[place:]) == normalise(text)


@given(st.lists(st.text("aKé中ቃم", min_size=1), min_size=1), st.data())
def test_any_white_space_is_one_space(words, data):
    run = st.lists(st.sampled_from(SPACES), min_size=1, max_size=3).map("".join).filter(lambda run: "፡፡" not in run)
    outside = st.just("") | run
    written = data.draw(outside) + words[0]
    for word in words[1:]:
        written += data.draw(run) + word
    assert normalise(written + data.draw(outside)) == " ".join(words)


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_is_seen_stays(text):
    assert normalise(text) == text
    assert normalise(f"\u200f{text}\ufeff") == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Ka\u200cno\u200d", "Kano"),  # beside Latin letters
        ("می\u200c \u200cخواهم\u200c", "می خواهم"),  # at the edges of words
        ("می\u200c\u200c\u200dخواهم", "می\u200cخواهم"),  # of a run the first
        ("می\u200c\u200e\u200cخواهم", "می\u200cخواهم"),
        ("۳\u200cساله", "۳ساله"),  # digits do not join
        ("👨\u200d x\u200d👧", "👨 x👧"),
        ("❤\ufe0f 1\ufe0f\u20e3", "❤ 1\u20e3"),  # which of its forms a sign has
        ("🏴\U000e0067", "🏴"),  # no whole flag
        ("a\U000e0068\U000e0069b", "ab"),  # hidden text
        ("ቃል፡ቃል ፡ ቃል፡", "ቃል ቃል ቃል"),
        ("\u200b\x00", ""),
    ],
)
def test_what_is_not_seen_goes(text, plain):
    assert normalise(text) == plain


def test_format_characters_are_marks_unless_they_are_seen():
    seen = {
        "\u0600",
        "\u0601",
        "\u0602",
        "\u0603",
        "\u0604",
        "\u0605",
        "\u06dd",
        "\u070f",
        "\u0890",
        "\u0891",
        "\u08e2",
    }
    seen |= {"\U000110bd", "\U000110cd"}  # number signs that enclose what follows
    seen |= {chr(code) for code in range(0x13430, 0x13440)}  # how hieroglyphs stand together
    for code in range(0x110000):
        sign = chr(code)
        if unicodedata.category(sign) == "Cf":
            assert normalise(f"a{sign}b") == (f"a{sign}b" if sign in seen else "ab"), hex(code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u200fKa\u00adno\u200f\t\tLagos\ufeff", ["Ka\u00adno", "Lagos"]),
        ("\n❤\ufe0f\u200f ok", ["❤\ufe0f", "ok"]),
        ("ቃል፡ቃል", ["ቃል", "ቃል"]),
    ],
)
def test_spans_begin_and_end_at_what_is_seen(text, expected):
    plain = normalise(text)
    ends = [0, *(place for place, sign in enumerate(plain) if sign == " "), len(plain)]
    words = [(start + (start > 0), end) for start, end in pairwise(ends)]
    assert [text[start:end] for start, end in original_spans(words, text)] == expected


def test_a_span_is_trimmed_to_what_is_seen():
    text = " \u200fKa\u00adno\u200f \u200b"
    assert trimmed((1, 8), text) == (2, 7)
    assert trimmed((0, 10), text) == (0, 9)  # white space is no mark
    assert trimmed((2, 7), text) == (2, 7)
    assert trimmed((9, 10), text) == (9, 10)
