"""What a good request is answered, on both servers."""

from __future__ import annotations

import pytest
import tiny_bundle

POSITIVE = {"hau": "Wannan fim yana da kyau sosai", "amh": "ይህ ፊልም በጣም ጥሩ ነው", "pcm": "Dis food sweet well well"}
NEGATIVE = {"swa": "Kitabu hiki ni mbaya sana", "hau": "Abincin nan ba shi da kyau"}


def test_an_answer_has_exactly_the_documented_form(server):
    response = server.ask(POSITIVE["hau"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["predictions", "bundle"]
    assert answer["bundle"] == "tiny@1.0.0"
    (prediction,) = answer["predictions"]
    assert list(prediction) == ["label", "score", "scores", "truncated", "route"]
    assert prediction["label"] == "positive"
    assert list(prediction["scores"]) == tiny_bundle.LABELS
    assert prediction["score"] == max(prediction["scores"].values())
    assert sum(prediction["scores"].values()) == pytest.approx(1)
    route = prediction["route"]
    assert list(route) == [
        "language",
        "confidence",
        "group",
        "collective_similarity",
        "reason",
        "group_confidence",
        "candidates",
        "mixture",
        "code_mixed",
        "second_language",
    ]
    assert 0.5 < route.pop("confidence") <= route.pop("group_confidence") <= 1
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


@pytest.mark.parametrize("language", tiny_bundle.SERVED_BY)
def test_every_language_is_identified_and_answered_by_its_group(server, language):
    texts, labels = zip(*tiny_bundle.sentences(language), strict=True)
    predictions = server.ask(*texts).json()["predictions"]
    assert [prediction["label"] for prediction in predictions] == list(labels)
    assert {prediction["route"]["language"] for prediction in predictions} == {language}
    assert {prediction["route"]["group"] for prediction in predictions} == {tiny_bundle.SERVED_BY[language]}


def test_a_mixed_batch_keeps_its_order(server):
    texts = [POSITIVE["amh"], NEGATIVE["swa"], POSITIVE["hau"], POSITIVE["pcm"], NEGATIVE["hau"]]
    together = server.ask(*texts).json()["predictions"]
    assert [prediction["route"]["language"] for prediction in together] == ["amh", "swa", "hau", "pcm", "hau"]
    assert [prediction["label"] for prediction in together] == ["positive", "negative"] + ["positive"] * 2 + [
        "negative"
    ]
    alone = [server.ask(text).json()["predictions"][0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one["route"] == other["route"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)


def test_a_given_language_wins_over_the_identifier(server):
    (prediction,) = server.ask(POSITIVE["amh"], language="swa").json()["predictions"]
    expected = {"language": "swa", "confidence": None, "group": "g0", "collective_similarity": 0.4, "reason": "given"}
    assert expected.items() <= prediction["route"].items()


@pytest.mark.parametrize("alias", ["ha", "HAU", "hau", "ha-NG", "hau_Latn", "ha-Latn-NG-1996"])
def test_aliases_name_the_same_language(server, alias):
    (prediction,) = server.ask(POSITIVE["hau"], language=alias).json()["predictions"]
    assert prediction["route"]["language"] == "hau"
    assert prediction["route"]["reason"] == "given"


def test_a_list_gives_the_languages_that_are_known(server):
    predictions = server.ask(POSITIVE["hau"], POSITIVE["hau"], language=["swa", None]).json()["predictions"]
    assert [prediction["route"]["language"] for prediction in predictions] == ["swa", "hau"]
    assert [prediction["route"]["reason"] for prediction in predictions] == ["given", "identified"]


@pytest.mark.parametrize("text", ["Wannan fim\nyana da kyau sosai", "Wannan fim\x00 yana da kyau\r\n", "a\tb\u2028c"])
def test_newlines_and_nul_are_answered(server, text):
    response = server.ask(text)
    assert response.status_code == 200
    assert response.json()["predictions"][0]["route"]["reason"] == "identified"


@pytest.mark.parametrize("text", ["Привет, мир", "你好,世界", "Γειά σου"])
def test_a_script_of_no_language_goes_to_the_fallback(server, text):
    (prediction,) = server.ask(text).json()["predictions"]
    expected = {"language": None, "confidence": 0.0, "group": "g0", "collective_similarity": None, "reason": "unknown"}
    assert expected.items() <= prediction["route"].items()


@pytest.mark.parametrize(
    "text", ["ab " * 1667, "a" * 5000, "ጥሩ " * 1667, "😀" * 5000], ids=["words", "word", "amh", "emoji"]
)
def test_5000_characters_are_answered(server, text):
    response = server.ask(text[:5000])
    assert response.status_code == 200


@pytest.mark.parametrize("text", ["😀", "123", "@user https://t.co/x", "</s>", "__label__hau", "ﷺ", "\u202e a", "ı̇İ"])
def test_odd_texts_are_answered(server, text):
    assert server.ask(text).status_code == 200


def test_as_many_texts_as_are_allowed(server):
    predictions = server.ask(*[POSITIVE["hau"], POSITIVE["amh"]] * 128).json()["predictions"]
    assert [prediction["route"]["language"] for prediction in predictions] == ["hau", "amh"] * 128


def test_both_servers_answer_the_same(direct, bentoml):
    body = {"texts": [*POSITIVE.values(), "Привет", "😀", "@user"], "language": None}
    answers = [server.client.post("/sentiment", json=body) for server in (direct, bentoml)]
    assert answers[0].content == answers[1].content
    for path in ("/", "/languages", "/groups", "/livez", "/readyz", "/openapi.json", "/nothing", "/sentiment"):
        one, other = (server.client.get(path) for server in (direct, bentoml))
        assert (one.status_code, one.content) == (other.status_code, other.content)
