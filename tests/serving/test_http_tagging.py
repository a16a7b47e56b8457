"""Named entities and parts of speech, on both servers: what is found, and where in the text as it was sent."""

from __future__ import annotations

import unicodedata

import pytest
import tiny_tags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.loading import load_group_model
from gradsim_shared.bundle import open_bundle
from gradsim_shared.iob import entities

ANY = st.text(st.characters(codec="utf-8"), max_size=40)
TEXTS = st.lists(st.builds(lambda before, after: f"{before}x{after}", ANY, ANY), min_size=1, max_size=4)
SENTENCES = [(code, sentence) for code, found in tiny_tags.NER.items() for sentence in found]
ODD = {  # all of them say: Musa, somewhere in Kano
    "emoji": "🙂👩‍👩‍👧‍👦 Musa 🇳🇬 Kano👍🏽.",
    "combining marks": unicodedata.normalize("NFD", "é ọ́ Musa Ìbàdàn Kano é"),
    "marks alone": "\u0301 Musa a\u0301\u0323 Kano",
    "right to left": "شكرا Musa في Kano. \u202bعربي\u202c",
    "tabs and double spaces": "\t Musa\t\tyana  zaune   a\u00a0Kano  .",
    "lines": "Musa\nyana\r\nzaune a\u2028Kano\n\n.",
    "punctuation": '("Musa",Kano!?)',
    "zero width": "\ufeffya\u200b Musa yana\u200b zaune \u2060a Kano .",
    "outside of the first plane": "𝕬𝕭 Musa 𐤀𐤁 Kano 𠮷野家",
    "control characters": "\x01 Musa \x00 Kano\x7f",
}


def found(server, text, *, endpoint="/ner", language="hau"):
    """Return what an endpoint finds in one text."""
    response = server.ask(text, language=language, endpoint=endpoint)
    assert response.status_code == 200, response.text
    (prediction,) = response.json()["predictions"]
    return prediction["entities" if endpoint == "/ner" else "words"]


def check(text, spans):
    """Check that spans are in order, inside the text, apart, and say what stands there."""
    behind = 0
    for span in spans:
        assert behind <= span["start"] < span["end"] <= len(text)
        assert span["text"] == text[span["start"] : span["end"]]
        assert 0 < span["score"] <= 1
        behind = span["end"]


@pytest.mark.parametrize(("language", "sentence"), SENTENCES)
def test_the_entities_of_a_sentence(server, language, sentence):
    text, (words, tags) = tiny_tags.written(sentence), tiny_tags.tagged(sentence)
    expected = [(kind, " ".join(words[first:last])) for kind, first, last in entities(tags)]
    for given_language in (language, None):
        spans = found(server, text, language=given_language)
        assert [(span["type"], span["text"]) for span in spans] == expected
        check(text, spans)


def test_an_answer_has_exactly_the_documented_form(server):
    response = server.ask("Musa yana zaune a Kano.", endpoint="/ner")
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["predictions", "bundle"]
    assert answer["bundle"] == "tiny-ner@1.0.0"
    (prediction,) = answer["predictions"]
    assert list(prediction) == ["entities", "truncated", "route"]
    assert [list(entity) for entity in prediction["entities"]] == [["type", "text", "start", "end", "score"]] * 2
    assert prediction["truncated"] is False
    route = prediction["route"]
    assert route.pop("group_confidence") >= route.pop("confidence") > 0.5
    assert route.pop("candidates")[0]["language"] == "hau"
    assert route == {
        "language": "hau",
        "group": "g0",
        "collective_similarity": 0.4,
        "reason": "identified",
        "mixture": [{"group": "g0", "weight": 1.0}],
        "code_mixed": False,
        "second_language": None,
    }
    (prediction,) = server.ask("Musa yana zaune a Kano.", endpoint="/pos").json()["predictions"]
    assert list(prediction) == ["words", "truncated", "route"]
    assert [list(word) for word in prediction["words"]] == [["text", "start", "end", "tag", "score"]] * 6


@pytest.mark.parametrize("language", tiny_tags.POS)
def test_the_parts_of_speech_of_a_sentence(server, language):
    for sentence in tiny_tags.POS[language]:
        text, (words, tags) = tiny_tags.written(sentence), tiny_tags.tagged(sentence)
        spans = found(server, text, endpoint="/pos", language=language)
        assert [(span["text"], span["tag"]) for span in spans] == list(zip(words, tags, strict=True))
        check(text, spans)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_offsets_are_code_points_of_the_text_as_it_was_sent(server, text):
    spans = found(server, text)
    check(text, spans)
    where = {(span["text"], span["start"]) for span in found(server, text, endpoint="/pos")}
    for name in ("Musa", "Kano"):
        place = text.index(name)
        assert any(span["start"] <= place and place + 4 <= span["end"] for span in spans)
        assert any(name in word and start <= place < start + len(word) for word, start in where)


@given(texts=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_spans_of_any_text_match_the_text(direct, texts):
    for endpoint, name in (("/ner", "entities"), ("/pos", "words")):
        response = direct.ask(*texts, endpoint=endpoint)
        assert response.status_code == 200, response.text
        for text, prediction in zip(texts, response.json()["predictions"], strict=True):
            check(text, prediction[name])
            if name == "words":  # every character but white space is in a word
                assert "".join(word["text"] for word in prediction[name]).split() == ["".join(text.split())]


@given(texts=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_no_tag_goes_on_with_an_entity_that_did_not_begin(tiny_ner_model, texts):
    for decoded in tiny_ner_model.answers(texts):
        for before, tag in zip(("O", *decoded.answer), decoded.answer, strict=False):
            assert not tag.startswith("I-") or before[1:] == tag[1:]
        assert len(list(entities(decoded.answer))) == len(decoded.prediction.entities)


@pytest.fixture(scope="module")
def tiny_ner_model(tiny_ner):
    """The model of one group; alone it would often answer I- after O."""
    bundle = open_bundle(tiny_ner)
    return load_group_model(bundle, bundle.manifest.groups[0], SessionSettings())


LONG = {
    "10 000 words": "a " * 10_000,
    "one word": "a" * 20_000,
    "Amharic": "ጥሩ " * 6_000,
    "emoji": "😀" * 20_000,
    "marks": "a" + "\u0301" * 19_999,
    "punctuation": "!?" * 10_000,
}


@pytest.mark.parametrize("endpoint", ["/ner", "/pos"])
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_are_read_to_their_end(direct, text, endpoint):
    spans = found(direct, text, endpoint=endpoint)
    check(text, spans)
    if endpoint == "/pos":
        assert spans[-1]["end"] == len(text.rstrip())


@pytest.mark.parametrize("text", ["123", "?!", "...", "😀", "\u0301", "\x01\ue000", "https://t.co/x", "@user", "[CLS]"])
def test_texts_without_a_letter_or_a_word_are_answered(server, text):
    assert server.ask(text, endpoint="/ner").status_code == 200
    words = found(server, text, endpoint="/pos")
    assert "".join(word["text"] for word in words) == text


@pytest.mark.parametrize("endpoint", ["/ner", "/pos"])
@pytest.mark.parametrize("text", ["\u200b\u200d\ufeff", " \t\n", "\x00"])
def test_texts_of_which_nothing_is_visible_are_refused(server, endpoint, text):
    response = server.ask("a b", text, endpoint=endpoint)
    assert response.status_code == 422
    assert (response.json()["error"]["code"], response.json()["error"]["index"]) == ("empty_text", 1)


def test_a_batch_of_the_most_texts_answers_as_one_by_one(direct):
    texts = [f"{tiny_tags.written(sentence)} {'x ' * number}" for number in range(37) for _, sentence in SENTENCES][
        :256
    ]
    together = direct.ask(*texts, endpoint="/ner").json()["predictions"]
    assert len(together) == len(texts) == 256
    for row in range(0, 256, 23):
        (alone,) = direct.ask(texts[row], endpoint="/ner").json()["predictions"]
        assert alone["route"] == together[row]["route"]
        for one, other in zip(alone["entities"], together[row]["entities"], strict=True):
            assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-6)
            assert one == other


def test_both_servers_answer_the_same(direct, bentoml):
    for endpoint in ("/ner", "/pos"):
        one, other = (server.ask(*ODD.values(), endpoint=endpoint) for server in (direct, bentoml))
        assert one.status_code == 200
        assert one.content == other.content
