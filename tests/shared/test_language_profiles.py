"""Language profiles: the vectorised sums equal plain loops, known is a share of dev texts, a cut is found."""

from __future__ import annotations

import json
import math
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_shared.errors import BundleError
from gradsim_shared.identification import open_identifier
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest_identifier import CodeMixing, Identifier, Known, Profiles, Usual
from gradsim_shared.profiles import SHARE_OF_UNSEEN, STEP, LanguageProfiles, buckets_of, count_table

HAUSA = ["ina son wannan fim sosai", "wannan fim yana da kyau sosai", "ba na son wannan abinci ba"]
SWAHILI = ["napenda filamu hii sana", "chakula hiki ni kizuri sana", "sipendi chakula hiki hata kidogo"]
TABLE = count_table([HAUSA, SWAHILI], 3, 4096)
PROFILES = Profiles(languages=["hau", "swa"], order=3)
USUAL = Usual(centre=4.0, variance=1.0, variance_per_ngram=2.0)
KNOWN = Known(threshold=0.01, usual={"hau": USUAL, "swa": USUAL}, scores=[-3.0, -1.0, 2.0], shares=[0.0, 0.25, 1.0])
ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


def judging(known=KNOWN, code_mixing=None):
    return LanguageProfiles(TABLE, PROFILES, known, code_mixing)


def ngrams(text, order):
    """Return a text's n-grams as strings: whatever is no letter counts as one space."""
    letters = "".join(character if character.isalnum() and not character.isdigit() else " " for character in text)
    padded = " " + " ".join(letters.split()) + " "
    return [padded[i : i + order] for i in range(len(padded) - order + 1)] if len(padded) >= max(3, order) else []


@given(text=st.text(st.sampled_from("abcé ŋ1.!ọጥم"), max_size=30), order=st.integers(1, 6))
def test_each_ngram_has_a_bucket_and_the_same_ngram_the_same(text, order):
    found, expected = buckets_of(text, order, 1 << 16), ngrams(text, order)
    assert len(found) == len(expected)
    assert not len(found) or (found.min() >= 0 and found.max() < 1 << 16)
    buckets = {}
    for bucket, ngram in zip(found.tolist(), expected, strict=True):
        assert buckets.setdefault(ngram, bucket) == bucket


def test_the_table_holds_smoothed_log_probabilities():
    count = sum(len(ngrams(text, 3)) for text in HAUSA)
    (bucket,) = set(buckets_of("son", 3, 4096)[1:2].tolist())
    times = sum((buckets_of(text, 3, 4096) == bucket).sum() for text in HAUSA)
    unseen = SHARE_OF_UNSEEN / 4096
    expected = math.log(((1 - SHARE_OF_UNSEEN) * times / count + unseen) / unseen)
    assert times == 2
    assert STEP * TABLE[0, bucket] == pytest.approx(expected, abs=STEP / 2)


@given(text=st.sampled_from([*HAUSA, *SWAHILI, "zxqv", "", "12"]), cut=st.integers(0, 30))
def test_the_gain_is_that_of_the_best_cut(text, cut):
    text = (text[:cut] + " " + SWAHILI[0]).strip()
    found = buckets_of(text, 3, 4096)
    steps = STEP * TABLE[:, found].astype(float)
    whole = max(steps[row].sum() for row in range(2))
    cuts = [
        max(steps[a, :at].sum() for a in range(2)) + max(steps[b, at:].sum() for b in range(2))
        for at in range(1, len(found) + 1)
    ]
    assert judging().gain(text) == pytest.approx((max(cuts) - whole) / math.sqrt(len(found)), abs=1e-9)


@given(text=ANY_TEXT, language=st.sampled_from(["hau", "swa"]))
def test_known_is_a_share_whatever_the_text(text, language):
    cleaned = identifier_text(text)
    profiles = judging(code_mixing=CodeMixing(words=3, threshold=1.0))
    known, mixed = profiles.judge(cleaned, language)
    assert 0 <= known <= 1 and isinstance(mixed, bool)
    mean, count = profiles.mean(cleaned, language)
    if count:
        score = (mean - USUAL.centre) / math.sqrt(USUAL.variance + USUAL.variance_per_ngram / count)
        assert known == pytest.approx(np.interp(score, KNOWN.scores, KNOWN.shares))
    else:
        assert known == 1.0
    assert mixed == (cleaned.count(" ") >= 2 and profiles.gain(cleaned) > 1.0)


@given(
    texts=st.lists(st.one_of(ANY_TEXT, st.sampled_from([*HAUSA, *SWAHILI, f"{HAUSA[0]} {SWAHILI[1]}"])), max_size=6),
    languages=st.lists(st.sampled_from(["hau", "swa", "yor"]), min_size=6, max_size=6),
    together=st.sampled_from([1, 40, 8192]),
)
def test_texts_are_judged_together_as_they_are_alone(texts, languages, together):
    profiles = judging(code_mixing=CodeMixing(words=3, threshold=1.0))
    cleaned = [identifier_text(text) for text in texts]
    languages = languages[: len(cleaned)]
    alone = [profiles.judge(text, language) for text, language in zip(cleaned, languages, strict=True)]
    with patch("gradsim_shared.profiles._TOGETHER", together):
        assert profiles.judge_all(cleaned, languages) == alone  # to the bit


def test_a_text_of_another_language_is_less_known():
    own, foreign = (judging().judge(text, "hau")[0] for text in (HAUSA[0], "zdravstvuj brat moj mladshij"))
    assert own > 0.5 and foreign < 0.05


def test_two_languages_in_one_text():
    profiles = judging(code_mixing=CodeMixing(words=5, threshold=1.0))
    assert profiles.judge(f"{HAUSA[0]} {SWAHILI[1]}", "hau")[1]
    assert not any(profiles.judge(text, "hau")[1] for text in (*HAUSA, *SWAHILI))
    assert not profiles.judge("fim sosai chakula", "hau")[1]  # of three words


def test_without_calibration_every_text_counts_as_known():
    assert judging(known=None).judge(SWAHILI[0], "swa") == (1.0, False)
    assert judging().judge(SWAHILI[0], "yor") == (1.0, False)  # a language that was added to the model


class Says:
    """A model that says hau."""

    def predict(self, text, k, threshold):
        """Answer as fastText does."""
        return [["__label__hau", "__label__swa"]] * len(text), [[0.9, 0.1]] * len(text)

    def get_labels(self):
        """Return the labels."""
        return ["__label__hau", "__label__swa"]


ENTRY = Identifier(labels={"__label__hau": "hau", "__label__swa": "swa"}, threshold=0.5, profiles=PROFILES, known=KNOWN)


def test_the_identifier_of_a_bundle_asks_the_profiles_if_it_can_find_them(tmp_path):
    np.save(tmp_path / "profiles.npy", TABLE)
    whole = open_identifier(ENTRY, lambda _: Says(), lambda file: tmp_path / file)
    without = open_identifier(ENTRY, lambda _: Says())
    text = "zdravstvuj brat moj"
    assert whole.identify([text])[0].known == judging().judge(text, "hau")[0] < 1
    assert without.identify([text])[0].known == 1.0
    assert whole.identify([]) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE[:1], r"holds uint8 \[1, 4096\]; expected uint8 \[2 languages, a power of 2\]"),
        (TABLE[:, :100], r"holds uint8 \[2, 100\]"),
        (TABLE.astype(float), "holds float64"),
        (np.array([{}], dtype=object), "holds no table of language profiles"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, content, message):
    np.save(tmp_path / "profiles.npy", content, allow_pickle=True)
    with pytest.raises(BundleError, match=message):
        open_identifier(ENTRY, lambda _: Says(), lambda file: tmp_path / file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profiles": None}, "known and code_mixing need profiles"),
        ({"profiles": {"languages": ["hau"], "order": 3}}, "do not agree about swa"),
        ({"known": {**KNOWN.model_dump(), "scores": [1.0]}}, "as many scores as shares"),
        ({"known": {**KNOWN.model_dump(), "scores": [1.0, 0.0, 2.0]}}, "must ascend"),
    ],
)
def test_invalid_manifest_entries_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Identifier.model_validate({**json.loads(ENTRY.model_dump_json()), **change})
