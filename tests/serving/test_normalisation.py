"""Marks that people do not see and kinds of white space change no answer; spans fit the text as it was sent."""

from __future__ import annotations

import sys
import unicodedata

import pytest
import tiny_bundle
import tiny_tags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_server import SOURCES, free_port, running

SPACES = [" ", "\n", "\t", "\r\n", "\x0b", "\x85", "\xa0", "\u1361", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000"]
MARKS = [
    *"\u200e\u200f\u061c\u202b\u202c\u2066\u2069\u200b\u2060\ufeff\xad\u180e\u034f\ufe0f\ufff9\u2063\x00\U000e0061"
]
JOINERS = ["\u200c", "\u200d"]  # these sentences have no script that joins
SENTIMENT = [text for code in tiny_bundle.SERVED_BY for text, _ in tiny_bundle.sentences(code)[::5]]
NER = [tiny_tags.written(sentence) for found in tiny_tags.NER.values() for sentence in found]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service of three bundles whose models read normalised texts."""
    folder = tmp_path_factory.mktemp("normalised")
    bundles = [
        tiny_bundle.build(folder / "sentiment", normalisation=1),
        tiny_tags.build_ner(folder / "ner", normalisation=1),
        tiny_tags.build_pos(folder / "pos", normalisation=1),
    ]
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", *map(str, bundles), "--port", str(port), "--threads", "1"]
    with running(command, port, folder / "log", {"PYTHONPATH": SOURCES}) as found:
        yield found


def answers(server, texts, endpoint, language=None):
    response = server.ask(*texts, endpoint=endpoint, language=language)
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


@st.composite
def spoilt(draw, text):
    """Write a text in a way that looks much the same: other white space between its words, marks anywhere."""
    run = st.lists(st.sampled_from(SPACES), min_size=1, max_size=2).map("".join).filter(lambda one: "፡፡" not in one)
    words = text.split(" ")
    written = draw(st.just("") | run) + words[0] + "".join(draw(run) + word for word in words[1:])
    for mark in draw(st.lists(st.sampled_from([*MARKS, *JOINERS]), max_size=4)):
        place = draw(st.integers(0, len(written)))
        written = written[:place] + mark + written[place:]
    return written + draw(st.just("") | run)


def plainly(text):
    """Return a text without marks, by Unicode's own categories, with single spaces."""
    seen = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Cc") or sign.isspace())
    return " ".join(seen.replace("\u034f", "").replace("\ufe0f", "").replace("\u1361", " ").split())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_no_label_and_no_language_changes(server, data):
    text = data.draw(st.sampled_from(SENTIMENT))
    plain, odd = answers(server, [text, data.draw(spoilt(text))], "/sentiment")
    assert odd == plain


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_no_entity_changes_and_each_is_where_it_says(server, data):
    text = data.draw(st.sampled_from(NER))
    sent = data.draw(spoilt(text))
    plain, odd = answers(server, [text, sent], "/ner")
    assert odd["route"] == plain["route"]
    found = [(entity["type"], plainly(entity["text"]), entity["score"]) for entity in odd["entities"]]
    assert found == [(entity["type"], entity["text"], entity["score"]) for entity in plain["entities"]]
    for entity in odd["entities"]:
        inside = sent[entity["start"] : entity["end"]]
        assert entity["text"] == inside
        assert all(plainly(sign) for sign in (inside[0], inside.rstrip("\ufe0f")[-1]))


def test_full_width_letters_are_of_their_language(server):
    wide = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
    for text in ("Wannan fim yana da kyau sosai", "Filamu hii ni nzuri sana"):
        plain, odd = answers(server, [text, text.translate(wide)], "/sentiment")
        assert odd["route"] == plain["route"] and odd["route"]["language"] is not None


def test_joiners_that_are_seen_stay_in_their_words(server):
    text = "می\u200cخواهم 👨\u200d👩\u200d👧 क\u094d\u200dष ok"
    (prediction,) = answers(server, [text], "/pos", "eng")
    assert [word["text"] for word in prediction["words"]] == text.split()


@pytest.mark.parametrize("endpoint", ["/sentiment", "/ner", "/pos"])
@pytest.mark.parametrize("text", ["\u2800", "\ufe0f", "፡", "\u3164 \u034f"])
def test_a_text_of_which_nothing_is_left_is_answered(server, endpoint, text):
    odd, _ = answers(server, [text, "Musa yana zaune a Kano."], endpoint)
    assert not odd.get("entities") and not odd.get("words")


def test_a_bundle_from_before_is_served_as_it_was(direct):
    plain, odd = answers(direct, ["Musa yana zaune a Kano.", "\u200fMusa yana zaune a Kano."], "/ner", "hau")
    assert "Musa" in [entity["text"] for entity in plain["entities"]]
    assert "Musa" not in [entity["text"] for entity in odd["entities"]]
