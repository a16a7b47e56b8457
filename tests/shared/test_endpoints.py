"""Where a bundle answers: names that can be, and what a new bundle gets that names none."""

from __future__ import annotations

import pytest
from manifests import make_manifest
from pydantic import ValidationError

from gradsim_shared.decoding import endpoint_of
from gradsim_shared.endpoints import TAKEN, default_endpoint


@pytest.mark.parametrize("name", ["topic", "news-topics", "t", "a1_b", "x" * 40])
def test_a_bundle_answers_where_its_manifest_says(name):
    assert endpoint_of(make_manifest(endpoint=name)) == f"/{name}"


def test_a_bundle_of_before_there_were_endpoints_answers_where_its_task_does():
    before = make_manifest().model_dump(mode="json", exclude={"endpoint"})
    assert endpoint_of(type(make_manifest()).model_validate(before)) == "/sentiment"


@pytest.mark.parametrize("name", ["", "Topic", "1st", "a/b", "a b", "../x", "tópico", "x" * 41, *sorted(TAKEN)])
def test_another_name_is_refused(name):
    with pytest.raises(ValidationError, match="endpoint"):
        make_manifest(endpoint=name)


@pytest.mark.parametrize(
    ("of_task", "labels", "data", "expected"),
    [
        ("sentiment", ["negative", "neutral", "positive"], "afrisenti", "sentiment"),
        ("sentiment", ["Negative", "Positive"], "my reviews", "sentiment"),
        ("sentiment", ["sports", "politics"], "sib200", "sib200"),
        ("sentiment", ["sports", "politics"], "News of 2026.csv", "news-of-2026-csv"),
        ("sentiment", ["sports", "politics"], "2026 ሰላም", "labels"),
        ("sentiment", ["sports", "politics"], "models", "labels"),
        ("ner", ["O", "B-LOC"], "masakhaner", "ner"),
        ("pos", ["NOUN"], "ud", "pos"),
    ],
)
def test_a_new_bundle_that_names_none_is_named_for_its_labels_or_its_data(of_task, labels, data, expected):
    assert default_endpoint(of_task, labels, data) == expected
