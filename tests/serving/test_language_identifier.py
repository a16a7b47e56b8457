"""The identifier's probabilities: all languages, sum 1, whatever the text."""

from __future__ import annotations

import fasttext
import pytest
import tiny_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradsim_shared.errors import BundleError
from gradsim_shared.identification import LanguageIdentifier

LABELS = {f"__label__{code}": code for code in tiny_bundle.SERVED_BY}


def identifier(bundle, labels, temperature):
    """Load the bundle's fastText model with other settings."""
    return LanguageIdentifier(fasttext.load_model(str(bundle / "identifier.ftz")), labels, temperature)


@given(texts=st.lists(st.text(st.characters(codec=None)), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_text_has_a_probability_for_every_language(tiny, texts):
    for probabilities in identifier(tiny, LABELS, 1.0).probabilities(texts):
        assert set(probabilities) == set(tiny_bundle.SERVED_BY)
        assert sum(probabilities.values()) == pytest.approx(1)
        assert min(probabilities.values()) >= 0


def test_nothing_left_of_a_text_is_uniform(tiny):
    empty, full = identifier(tiny, LABELS, 1.0).probabilities(["@user https://t.co/x", "Wannan fim yana da kyau"])
    assert set(empty.values()) == {0.25}
    assert full["hau"] > 0.9


def test_temperature_flattens_and_keeps_the_order(tiny):
    text = ["Wannan fim sweet"]
    (sharp,) = identifier(tiny, LABELS, 1.0).probabilities(text)
    (flat,) = identifier(tiny, LABELS, 4.0).probabilities(text)
    assert sorted(sharp, key=sharp.__getitem__) == sorted(flat, key=flat.__getitem__)
    assert max(flat.values()) < max(sharp.values())
    ratio = (sharp["hau"] / sharp["pcm"]) ** 0.25
    assert flat["hau"] / flat["pcm"] == pytest.approx(ratio, rel=1e-3)


def test_labels_of_one_language_add_up_and_labels_of_none_do_not_count(tiny):
    text = ["Wannan fim sweet well"]
    (apart,) = identifier(tiny, LABELS, 1.0).probabilities(text)
    labels = {"__label__hau": "hau", "__label__pcm": "hau", "__label__swa": "swa"}
    (joined,) = identifier(tiny, labels, 1.0).probabilities(text)
    assert joined == pytest.approx({"hau": apart["hau"] + apart["pcm"], "swa": apart["swa"]})


def test_a_model_that_knows_no_label_is_refused(tiny):
    with pytest.raises(BundleError, match="knows none of its labels, such as __label__xyz"):
        identifier(tiny, {"__label__xyz": "hau"}, 1.0)
