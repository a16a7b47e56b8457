"""Pairs of texts: how both are tokenised, and which group answers where they are of one language or of two."""

from __future__ import annotations

import pytest
from manifests import make_manifest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gradsim_shared.decode import pair_classification, text_classification
from gradsim_shared.decoding import reads_pairs
from gradsim_shared.endpoints import default_endpoint
from gradsim_shared.errors import RequestError
from gradsim_shared.identification import Identification, combined
from gradsim_shared.routing import Router, of_two_languages
from gradsim_shared.segments import Pair, field_of, normalised

WORDS = {"[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "a": 3, "b": 4, "c": 5, "d": 6}
LONG = Pair("Ina son wannan fim sosai", "ይህ ፊልም በጣም ጥሩ ነው")


@pytest.fixture
def tokenizer():
    found = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [("[CLS]", 0), ("[SEP]", 1)]
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A [SEP] $B", special_tokens=special
    )
    return found


def test_both_are_read_by_the_template_for_pairs_and_the_longer_is_cut(tokenizer):
    reader = pair_classification.Reader(tokenizer, 7)
    reading = reader.read([Pair("a  b", "c"), Pair("a", "b c d a b c d"), Pair("a b c d a b", "d")])
    assert reading.ids == [[0, 3, 4, 1, 5], [0, 3, 1, 4, 5, 6, 3], [0, 3, 4, 5, 6, 1, 6]]
    assert reading.cut == [1, 2] and reading.layout == [1, 1, 1]
    whole, cut, _ = pair_classification.apart(reading)
    assert whole.cut == [] and cut.cut == [0]


def test_a_text_of_one_segment_is_read_as_before(tokenizer):
    assert text_classification.Reader(tokenizer, 7).read(["a b"]).ids == [[0, 3, 4]]
    assert normalised(Pair(" a \n b", "c\u200b")) == Pair("a b", "c")
    assert (field_of(["a"]), field_of([Pair("a", "b")]), field_of([])) == ("texts", "pairs", "texts")
    assert reads_pairs("pair_classification") and not reads_pairs("token_classification")


@pytest.mark.parametrize(
    ("labels", "endpoint"),
    [
        (("Entailment", "neutral", "contradiction"), "nli"),
        (("entailment", "not_entailment"), "nli"),
        (("different", "paraphrase"), "paraphrase"),
        (("duplicate", "other"), "my-questions"),
    ],
)
def test_the_endpoint_is_named_by_the_labels_else_by_the_data(labels, endpoint):
    assert default_endpoint(pair_classification.route_name(labels), labels, "My questions") == endpoint


def of(language, probability=0.99):
    others = (1 - probability) / 2
    return Identification({code: probability if code == language else others for code in ("amh", "hau", "swa")})


@pytest.fixture
def router():
    return Router(make_manifest(scripts={"amh": "ETHIOPIC"}))  # g0 serves hau and swa, g1 amh


def test_probabilities_of_one_language_are_multiplied(router):
    route = router.identified(LONG, combined(of("hau", 0.6), of("hau", 0.7)))
    assert (route.language, route.group, route.reason, route.second_language) == ("hau", "g0", "identified", None)
    assert route.confidence == pytest.approx(0.42 / (0.42 + 2 * 0.2 * 0.15))
    doubtful = router.identified(LONG, combined(of("hau", 0.5), of("amh", 0.4)))
    assert (doubtful.language, doubtful.second_language) == ("hau", None), "one of them may well be mistaken"


def test_two_languages_are_a_case_of_their_own(router):
    route = router.identified(LONG, combined(of("hau"), of("amh")), "reject")
    assert (route.language, route.second_language, route.reason) == ("hau", "amh", "two_languages")
    assert route.mixture == (("g0", 0.5), ("g1", 0.5)) and route.confidence == 0.99
    assert [candidate.confidence for candidate in route.candidates[:2]] == pytest.approx([0.4975, 0.4975])
    assert route.group_confidence == pytest.approx(0.4975 + 0.005)
    same = router.identified(Pair(LONG.first, LONG.first), combined(of("hau"), of("swa")))
    assert same.mixture == (("g0", 1.0),) and same.second_language == "swa"


def test_a_text_that_cannot_be_told_makes_no_second_language(router):
    short = router.identified(Pair(LONG.first, "42"), combined(of("hau"), of("amh")))
    assert (short.language, short.second_language) == ("hau", None) or short.reason != "two_languages"
    foreign = router.identified(Pair(LONG.first, "Привет, мир"), combined(of("hau"), of("amh")))
    assert foreign.reason != "two_languages", "its script is none of the bundle's"
    with pytest.raises(RequestError, match="cannot tell which language"):
        router.identified(Pair("42", "7"), combined(of("hau"), of("hau")), "reject", 3)


@pytest.mark.parametrize(("first", "second", "two"), [(0.99, 0.99, True), (0.98, 0.98, True), (0.9, 0.9, False)])
def test_two_are_told_from_one_by_bayes_rule(first, second, two):
    one, other = of("hau", first).probabilities, of("swa", second).probabilities
    same = 0.9 * 3 * sum(one[code] * other[code] for code in one)
    assert of_two_languages(one, other) is two is (same < 0.1)
    assert not of_two_languages(one, one)


def test_languages_that_are_given(router):
    assert router.given(["hau", "amh"]).mixture == (("g0", 0.5), ("g1", 0.5))
    assert router.given((None, "AM")) == router.given("amh")
    with pytest.raises(RequestError, match="unknown language 'xyz'") as caught:
        router.given(["hau", "xyz"], 2)
    assert caught.value.index == 2
