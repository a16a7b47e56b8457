"""The predictor: groups answer by the route, two of them together by its weights, whatever else is asked."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from gradsim_runtime.predictor import Predictor
from gradsim_shared.decoding import Decoded, Reading
from gradsim_shared.errors import RequestError
from gradsim_shared.identification import Identification
from gradsim_shared.manifest import Fallback
from gradsim_shared.manifest_identifier import Identifier

LOGITS = {"g0": np.array([[2.0, 0.0, 1.0]]), "g1": np.array([[0.0, 0.5, 1.5]])}
CUT = {"g0": [], "g1": [0]}  # the model of g1 does not read all of any text


class Model:
    """A group's model with the same logits for every text; decoding gives them back."""

    def __init__(self, group):
        self.group = group

    def read(self, texts):
        """Read nothing."""
        return [Reading([], cut=CUT[self.group])] * len(texts)

    def logits_of(self, readings):
        """Return the logits."""
        return [LOGITS[self.group]] * len(readings)

    def decode(self, logits, texts, readings):
        """Return the logits as the prediction."""
        return [Decoded(str(int(each.argmax())), each) for each in logits]


def identify(texts):
    """Be sure of one text and not of others."""
    sure = {"hau": 0.9, "amh": 0.1}
    return [Identification(sure if text == "sure" else {"hau": 0.45, "amh": 0.35, "swa": 0.2}) for text in texts]


class Language:
    """The part of a manifest's language that is read."""

    def __init__(self, code, group):
        self.code, self.group, self.aliases, self.scripts = code, group, [], ["LATIN"]
        self.collective_similarity = {group: 0.5}


class Manifest:
    """The part of a manifest that is read."""

    def __init__(self, policy):
        self.languages = [Language("hau", "g0"), Language("amh", "g1"), Language("swa", "g2")]
        self.identifier = Identifier(labels={"__label__hau": "hau"}, threshold=0.6, policy=policy)
        self.fallback = Fallback(group="g1")
        self.task, self.labels = "text_classification", ["a", "b", "c"]


def predictor(policy="soft"):
    return Predictor(Manifest(policy), identify, {group: Model(group) for group in LOGITS}.__getitem__)


def test_two_groups_answer_a_doubtful_text_by_their_probabilities():
    texts = ["doubtful", "sure"]
    routes = predictor().routes(texts)
    assert [route.reason for route in routes] == ["soft", "identified"]
    mixed, alone = predictor().answers(texts, routes)
    expected = (0.45 * softmax(LOGITS["g0"]) + 0.35 * softmax(LOGITS["g1"])) / 0.8
    assert np.exp(mixed.decoded.prediction) == pytest.approx(expected)
    assert alone.decoded.prediction is LOGITS["g0"]
    assert (mixed.truncated, alone.truncated) == (True, False)


@pytest.mark.parametrize(("policy", "group"), [("best", "g0"), ("fallback", "g1")])
def test_the_policy_chooses_the_group_of_a_doubtful_text(policy, group):
    for routes in (predictor(policy).routes(["doubtful"]), predictor("soft").routes(["doubtful"], policy=policy)):
        (answer,) = predictor().answers(["doubtful"], routes)
        assert answer.route.group == group
        assert answer.decoded.answer == str(int(LOGITS[group].argmax()))


def test_an_error_stands_in_the_place_of_its_text():
    outcomes = predictor("reject").route_each(["sure", "doubtful", "sure"], [None, None, "xyz"])
    assert outcomes[0].group == "g0"
    assert [(error.code, error.index) for error in outcomes[1:]] == [
        ("unsupported_language", 1),
        ("unknown_language", 2),
    ]
    with pytest.raises(RequestError) as raised:
        predictor("reject").routes(["sure", "doubtful"])
    assert raised.value.index == 1
    with pytest.raises(RequestError, match="2 codes for 1 texts"):
        predictor().routes(["sure"], ["hau", None])
