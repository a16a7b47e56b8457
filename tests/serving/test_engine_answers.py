"""The engine's answers: those of each text alone, whatever else is asked at the same time."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import tiny_bundle
import tiny_tags
from engines import answers_of, engine_of, unsure
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_runtime import Bundle
from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.loading import Loaded, load_group_model
from gradsim_shared.bundle import open_bundle
from gradsim_shared.decoding import decoder_of, probabilities
from gradsim_shared.errors import RequestError

SENTENCES = [text for code in tiny_bundle.SERVED_BY for text, _ in tiny_bundle.sentences(code)]
TEXTS = st.sampled_from([*SENTENCES, "Привет", "😀", "a " * 90, "sweet fim nzuri"])
REQUESTS = st.lists(
    st.tuples(
        st.lists(st.tuples(TEXTS, st.sampled_from([None, None, "hau", "pcm", "am"])), min_size=1, max_size=9),
        st.sampled_from([None, "best", "soft", "fallback"]),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def engine(tiny, tiny_ner, tmp_path_factory):
    bundles = [unsure(bundle, tmp_path_factory.mktemp("unsure") / bundle.name) for bundle in (tiny, tiny_ner)]
    with engine_of(*bundles, threads=2, runners=2, batch_tokens=96) as found:
        yield found


def alone(engine, text, language, policy, endpoint="/sentiment"):
    """Answer one text by the parts of the bundle, step by step."""
    served = engine.served[endpoint]
    route = (
        served.router.identified(text, served.identifier.identify([text])[0], policy)
        if language is None
        else served.router.given(language)
    )
    if len(route.mixture) == 1:
        (decoded,) = served.models[route.group].answers([text])
        return route, decoded.prediction
    labels = served.manifest.labels
    mixed = sum(w * probabilities(served.models[g].logits([text])[0], labels) for g, w in route.mixture)
    decoder = decoder_of(served.manifest.task)
    reading = served.models[route.group].read([text])[0]
    (decoded,) = decoder.decode([np.log(mixed)], [text], reading, labels)
    return route, decoded.prediction


def numbers(prediction):
    """Return all that a prediction holds, as a flat list."""
    if hasattr(prediction, "scores"):
        return [prediction.label, *prediction.scores.values()]
    return [part for found in prediction.entities for part in (found.type, found.start, found.end, found.score)]


@given(requests=REQUESTS)
@settings(deadline=None, max_examples=40)
def test_concurrent_requests_are_answered_in_order_and_as_each_text_alone(engine, requests):
    async def ask():
        return await asyncio.gather(
            *(
                engine.answer("/sentiment", [text for text, _ in entries], [code for _, code in entries], policy=policy)
                for entries, policy in requests
            )
        )

    for (entries, policy), answers in zip(requests, asyncio.run(ask()), strict=True):
        assert len(answers) == len(entries)
        for (text, code), answer in zip(entries, answers, strict=True):
            route, expected = alone(engine, text, code, policy)
            assert answer.route == route
            assert answer.bundle == "tiny@1.0.0"
            assert numbers(answer.prediction)[1:] == pytest.approx(numbers(expected)[1:], abs=1e-6)
            assert answer.truncated == text.startswith("a a")  # 90 words; the model reads 64


def test_soft_mixes_the_groups_probabilities_by_their_weights(engine):
    text = "sweet fim nzuri"
    (answer,) = answers_of(engine, "/sentiment", [text], None, policy="soft")
    assert answer.route.reason == "soft"
    assert sum(weight for _, weight in answer.route.mixture) == pytest.approx(1)
    models, labels = engine.served["/sentiment"].models, tiny_bundle.LABELS
    for column, label in enumerate(labels):
        expected = sum(
            weight * probabilities(models[group].logits([text])[0], labels)[0, column]
            for group, weight in answer.route.mixture
        )
        assert answer.prediction.scores[label] == pytest.approx(expected, abs=1e-6)


def test_soft_mixes_tags_word_by_word(engine):
    text = f"{tiny_tags.written(tiny_tags.NER['yor'][0])} Musa zaune"
    (answer,) = answers_of(engine, "/ner", [text], None, policy="soft")
    assert len(answer.route.mixture) == 2
    _, expected = alone(engine, text, None, "soft", "/ner")
    assert numbers(answer.prediction) == pytest.approx(numbers(expected), abs=1e-6)


def test_long_sentences_are_tagged_in_windows_beside_others(engine):
    texts = [tiny_tags.written(sentence) * times for times in (1, 9) for sentence in tiny_tags.NER["hau"]]
    for text, answer in zip(texts, answers_of(engine, "/ner", texts, "hau"), strict=True):
        assert numbers(answer.prediction) == pytest.approx(numbers(alone(engine, text, "hau", None, "/ner")[1]))
        assert not answer.truncated
    cut, whole = answers_of(engine, "/ner", ["Musa yana " + "a" * 500, texts[-1]], "hau")
    assert (cut.truncated, whole.truncated) == (True, False)


def test_a_bundle_says_whether_long_texts_are_cut_or_read_in_windows(tiny, tmp_path):
    windowed = shutil.copytree(tiny, tmp_path / "windows")
    tiny_bundle.write_manifest(windowed, long_texts="windows")
    begins_badly = "ba shi da kyau " * 12 + "ya burge ni " * 100  # the model reads 64 words
    texts = [begins_badly, "ya burge ni", "a " * 2000]
    loaded, answered = Loaded(), {}
    for bundle in (tiny, windowed):
        found = open_bundle(bundle)
        shared = load_group_model(found, found.manifest.groups[0], SessionSettings(), loaded)  # one tokenizer.json
        with engine_of(bundle) as engine:
            answers = answers_of(engine, "/sentiment", texts, "hau")
        here = Bundle.open(bundle).predict(texts, language="hau")
        for answer, decoded, other in zip(answers, shared.answers(texts), here, strict=True):
            assert numbers(answer.prediction)[1:] == pytest.approx(numbers(decoded.prediction)[1:], abs=1e-6)
            assert (other.label, other.truncated) == (answer.prediction.label, answer.truncated)
        answered[bundle.name] = [(answer.prediction.label, answer.truncated) for answer in answers]
    assert answered["tiny"] == [("negative", True), ("positive", False), ("neutral", True)]
    assert answered["windows"] == [("positive", False), ("positive", False), ("neutral", True)]


@pytest.mark.parametrize("group", ["g0", "g1"])
def test_an_answer_of_two_groups_is_truncated_if_either_has_cut_the_text(tiny, tmp_path, monkeypatch, group):
    with engine_of(unsure(tiny, tmp_path / "unsure"), runners=1) as engine:  # one group runs after the other
        model = engine.served["/sentiment"].models[group]
        read = model.read
        monkeypatch.setattr(model, "read", lambda texts: [replace(reading, cut=[0]) for reading in read(texts)])
        (answer,) = answers_of(engine, "/sentiment", [SENTENCES[0]], None, policy="soft")
    assert len(answer.route.mixture) == 2
    assert answer.truncated


def test_the_time_of_each_stage_is_told(engine):
    async def ask():
        return await engine.answer("/sentiment", SENTENCES[:9], None, deadline=time.monotonic() + 9)

    answers = asyncio.run(ask())
    assert set(answers.seconds) == {"identify", "tokenise", "queue", "run", "decode"}
    assert all(seconds >= 0 for seconds in answers.seconds.values())


def test_a_text_that_reject_refuses_fails_its_request_with_its_index(engine):
    with pytest.raises(RequestError) as failure:
        answers_of(engine, "/sentiment", ["Wannan fim yana da kyau sosai", "Привет"], ["hau", None], policy="reject")
    assert (failure.value.code, failure.value.index) == ("unsupported_language", 1)


def test_languages_that_cannot_be_are_refused_at_once(engine):
    for language, code, index in (("xyz", "unknown_language", None), (["hau", "xyz"], "unknown_language", 1)):
        with pytest.raises(RequestError) as failure:
            asyncio.run(engine.answer("/sentiment", ["a", "b"], language))
        assert (failure.value.code, failure.value.index) == (code, index)
    with pytest.raises(RequestError, match="language holds 1 codes for 2 texts"):
        asyncio.run(engine.answer("/sentiment", ["a", "b"], ["hau"]))
    with pytest.raises(RequestError, match="/ner knows it, /sentiment does not"):
        asyncio.run(engine.answer("/sentiment", ["a"], "yor"))


@pytest.mark.parametrize("runners", [1, 3])
def test_every_request_is_answered_when_few_texts_are_preprocessed_at_once(tiny, monkeypatch, runners):
    monkeypatch.setattr("gradsim_serving.engine.admission.TEXTS_AT_ONCE", 2)

    async def caller(engine, first):
        texts = SENTENCES[first % len(SENTENCES) :][:3]
        return [len(await engine.answer("/sentiment", texts, None)) for _ in range(20)] == [len(texts)] * 20

    async def callers(engine):
        async with asyncio.timeout(60):
            return await asyncio.gather(*(caller(engine, first) for first in range(12)))

    with engine_of(tiny, threads=runners, runners=runners, batch_tokens=32) as engine:
        assert all(asyncio.run(callers(engine)))
