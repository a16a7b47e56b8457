"""Where a bundle answers: names that can be, and what a new bundle gets that names none."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from manifests import make_manifest
from pydantic import ValidationError

from gradsim_offline.core.settings import Settings
from gradsim_runtime import Bundle
from gradsim_serving.cli import main
from gradsim_shared.decoding import endpoint_of
from gradsim_shared.endpoints import TAKEN, default_endpoint


@pytest.mark.parametrize("name", ["topic", "news-topics", "t", "a1_b", "x" * 40])
def test_a_bundle_answers_where_its_manifest_says(name):
    assert endpoint_of(make_manifest(endpoint=name)) == f"/{name}"


def test_a_bundle_of_before_there_were_endpoints_answers_where_its_task_does():
    before = make_manifest().model_dump(mode="json", exclude={"endpoint"})
    assert endpoint_of(type(make_manifest()).model_validate(before)) == "/sentiment"


@pytest.mark.parametrize("name", ["", "Topic", "1st", "a/b", "a b", "../x", "tópico", "x" * 41])
def test_another_name_is_refused(name):
    with pytest.raises(ValidationError, match="endpoint"):
        make_manifest(endpoint=name)


def test_a_name_that_became_a_path_of_the_service_is_read_but_not_built(tiny, tmp_path):
    bundle = shutil.copytree(tiny, tmp_path / "bundle")
    manifest = bundle / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8")) | {"endpoint": "explore"}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    assert Bundle.open(bundle, threads=1).predict(["Wannan fim yana da kyau sosai"])[0].label == "positive"
    served = CliRunner().invoke(main, [str(bundle)])
    assert (served.exit_code, served.output.count("\n")) == (1, 1)
    assert "answers /explore, a path that the service has of its own; name another as endpoint" in served.output
    for name in TAKEN:
        with pytest.raises(ValidationError, match="the service has a path"):
            Settings(endpoint=name)


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
