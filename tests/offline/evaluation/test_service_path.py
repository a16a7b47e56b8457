"""The service without its HTTP half: two groups answer a doubtful text together, and reject still answers here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from gradsim_offline.bundle.service_path import ServicePath
from gradsim_shared.decoding import Decoded
from gradsim_shared.identification import Identification
from gradsim_shared.manifest import Fallback
from gradsim_shared.manifest_identifier import Identifier

LOGITS = {"g0": np.array([[2.0, 0.0, 1.0]]), "g1": np.array([[0.0, 0.5, 1.5]])}


class Model:
    """A group's model with the same logits for every text; decoding gives them back."""

    def __init__(self, group):
        self.group = group

    def answers(self, texts):
        """Answer alone."""
        return self.decode([LOGITS[self.group]] * len(texts), texts, [None] * len(texts))

    def logits(self, texts):
        """Return the logits."""
        return [LOGITS[self.group]] * len(texts)

    def read(self, texts):
        """Read nothing."""
        return [None] * len(texts)

    def decode(self, logits, texts, readings):
        """Return the logits as the prediction."""
        return [Decoded(str(int(one.argmax())), one) for one in logits]


class Says:
    """An identifier that is sure of one text and not of others."""

    def identify(self, texts):
        """Return what it says."""
        sure = {"hau": 0.9, "amh": 0.1}
        return [Identification(sure if text == "sure" else {"hau": 0.45, "amh": 0.35, "swa": 0.2}) for text in texts]


class Language:
    """The part of a manifest's language that is read."""

    def __init__(self, code, group):
        self.code, self.group, self.aliases, self.scripts = code, group, [], ["LATIN"]
        self.collective_similarity = {group: 0.5}


class Bundle:
    """The part of a manifest that is read."""

    def __init__(self, policy):
        self.languages = [Language("hau", "g0"), Language("amh", "g1"), Language("swa", "g2")]
        self.identifier = Identifier(labels={"__label__hau": "hau"}, threshold=0.6, policy=policy)
        self.fallback = Fallback(group="g1")


def path(policy):
    return ServicePath(Bundle(policy), Says(), {group: Model(group) for group in LOGITS})


def test_two_groups_answer_a_doubtful_text_by_their_probabilities():
    texts = ["doubtful", "sure"]
    routes = path("soft").routes(texts)
    assert [route.reason for route in routes] == ["soft", "identified"]
    mixed, alone = path("soft").decoded(texts, routes)
    expected = (0.45 * softmax(LOGITS["g0"]) + 0.35 * softmax(LOGITS["g1"])) / 0.8
    assert np.exp(mixed.prediction) == pytest.approx(expected)
    assert alone.prediction is LOGITS["g0"]


@pytest.mark.parametrize(("policy", "group"), [("best", "g0"), ("fallback", "g1"), ("reject", "g1")])
def test_every_text_gets_an_answer(policy, group):
    (route,) = path(policy).routes(["doubtful"])
    assert route.group == group
    assert path(policy).answers(["doubtful"], [route]) == [str(int(LOGITS[group].argmax()))]
