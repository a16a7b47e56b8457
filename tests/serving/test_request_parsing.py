"""Parsing of bodies and writing of responses: the quick way and the plain way give the same."""

from __future__ import annotations

import json
from functools import partial

import fake_engine
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gradsim_serving.http.bodies import parsed
from gradsim_serving.http.errors import STATUS_OF_CODE, explained
from gradsim_serving.http.results import results_json
from gradsim_serving.http.texts import answer_model, texts_model, validated
from gradsim_serving.options import HttpOptions
from gradsim_shared.decode.text_classification import Prediction
from gradsim_shared.errors import RequestError
from gradsim_shared.routing import Candidate, Route

LIMITS = HttpOptions(max_texts=3, max_characters=8)
MODEL = texts_model(LIMITS)
EXPLAIN = partial(explained, max_texts=LIMITS.max_texts, max_characters=LIMITS.max_characters)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))
texts = st.lists(st.text(max_size=10) | scalars, max_size=5)
bodies = values | st.fixed_dictionaries(
    {"texts": texts | values},
    optional={
        "language": values | st.sampled_from(["hau", ["hau"], [None, "hau"]]),
        "policy": values | st.sampled_from(["best", "soft", "reject", "fallback"]),
        "other": scalars,
    },
)


@settings(deadline=None, max_examples=100)
@given(bodies)
def test_a_body_is_read_as_the_form_says_or_refused_with_a_known_code(value):
    body = json.dumps(value).encode()
    try:
        expected = MODEL.model_validate(json.loads(body))
    except ValidationError:
        with pytest.raises(RequestError) as refused:
            validated(MODEL, parsed(body), EXPLAIN)
        assert STATUS_OF_CODE[refused.value.code] == 422
        assert len(str(refused.value)) < 400
        return
    assert validated(MODEL, parsed(body), EXPLAIN).model_dump() == expected.model_dump()


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda middle: b'{"texts": ["' + middle + b'"]}'))
def test_bytes_are_read_or_refused_with_a_known_code(body):
    try:
        asked = validated(MODEL, parsed(body), EXPLAIN)
    except RequestError as error:
        assert STATUS_OF_CODE[error.code] in (400, 422)
    else:
        assert asked.texts
        assert all(isinstance(text, str) and text.encode() for text in asked.texts)


@pytest.mark.parametrize("policy", [None, "best", "soft", "reject", "fallback"])
def test_every_policy_can_be_asked_for(policy):
    assert validated(MODEL, {"texts": ["a"], "policy": policy}, EXPLAIN).policy == policy


numbers = st.floats(0, 1)
words = st.text(max_size=6)
candidates = st.builds(Candidate, words, numbers, words)
routes = st.builds(
    Route,
    st.none() | words,
    st.none() | numbers,
    words,
    st.none() | numbers,
    st.sampled_from(["given", "soft", "too_short"]),
    st.none() | numbers,
    st.lists(candidates, max_size=3).map(tuple),
    st.lists(st.tuples(words, numbers), min_size=1, max_size=2).map(tuple),
    st.booleans(),
)
predictions = st.builds(Prediction, words, numbers, st.dictionaries(words, numbers, max_size=3))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.builds(fake_engine.result, predictions, routes, st.booleans()), min_size=1, max_size=4), st.booleans()
)
def test_answers_are_written_as_their_form_says(answers, cut):
    form = answer_model(Prediction)
    written = results_json(answers, frozenset({0}) if cut else frozenset())
    read = form.model_validate_json(written).model_dump(mode="json")
    assert read == json.loads(written)
    for row, (answer, one) in enumerate(zip(answers, read["predictions"], strict=True)):
        assert one["truncated"] is (answer.truncated or (cut and row == 0))
        assert (one["label"], one["score"], one["scores"]) == (
            answer.prediction.label,
            answer.prediction.score,
            answer.prediction.scores,
        )
        assert tuple((part["group"], part["weight"]) for part in one["route"]["mixture"]) == answer.route.mixture
        assert one["route"]["language"] == answer.route.language
