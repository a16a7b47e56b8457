"""Groups that share a trunk answer as the whole encoder does; a trunk is opened once; faults have one clear message."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_bundle
import tiny_trunk
from hypothesis import given
from hypothesis import strategies as st

from gradsim_runtime import Bundle, BundleError
from gradsim_runtime.loading import load_group_model
from gradsim_shared.bundle import file_entry, open_bundle
from gradsim_shared.manifest import Manifest
from gradsim_shared.trunk import TrunkOutput

TEXTS = [*tiny_trunk.TEXTS, "fim", "Привет", "a " * 90, "sweet fim nzuri በጣም"]
KINDS = {"pooled": ("pooled", False), "hidden": ("hidden", False), "tags": ("hidden", True)}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def both(request, tmp_path_factory):
    """The bundle on a trunk, and that of whole models."""
    root, (output, tags) = tmp_path_factory.mktemp("trunk"), request.param
    return [tiny_trunk.build(root / str(whole), output, tags=tags, whole=whole) for whole in (False, True)]


def numbers(predictions):
    """Return every probability."""
    if hasattr(predictions[0], "scores"):
        return [score for prediction in predictions for score in prediction.scores.values()]
    return [
        number
        for prediction in predictions
        for found in prediction.entities
        for number in (found.start, found.end, found.score)
    ]


@pytest.mark.parametrize("policy", [None, "soft"])
def test_the_answers_are_those_of_the_whole_encoder(both, policy):
    on_trunk, whole = (Bundle.open(bundle, threads=1).predict(TEXTS, policy=policy) for bundle in both)
    assert [prediction.route for prediction in on_trunk] == [prediction.route for prediction in whole]
    assert {prediction.route.group for prediction in on_trunk} == set(tiny_trunk.SERVED_BY.values())
    assert numbers(on_trunk) == pytest.approx(numbers(whole), abs=1e-5)
    assert len(set(numbers(on_trunk))) > 50


def test_groups_disagree(both):  # else the test above would see nothing
    bundle = Bundle.open(both[0], threads=1)
    said = [numbers(bundle.predict(TEXTS, language=code)) for code in tiny_trunk.SERVED_BY]
    assert len({tuple(each) for each in said}) == len(said)


def test_trunk_and_tokenizer_are_opened_once(both):
    verified, opened = open_bundle(both[0]), {}
    for group in verified.manifest.groups:
        load_group_model(verified.path, group, verified.manifest, opened=opened)
    files = {file for group in verified.manifest.groups for file in group.model_files}
    assert opened.keys() == files | {"trunk/trunk.onnx"}
    assert opened.keys() == set(verified.manifest.model_files)


def test_a_group_that_stands_on_no_trunk_needs_none(both):
    verified, opened = open_bundle(both[0]), {}
    group = next(group for group in verified.manifest.groups if group.id == "g3")
    load_group_model(verified.path, group, verified.manifest, opened=opened)
    assert sorted(opened) == ["groups/g3/model.onnx", "groups/g3/tokenizer.json"]


@given(rows=st.sets(st.integers(0, 7), min_size=1), pooled=st.booleans())
def test_rows_that_follow_each_other_are_no_copy(rows, pooled):
    states = np.arange(8 * 5 * 2, dtype=np.float32).reshape((8, 10) if pooled else (8, 5, 2))
    chosen = sorted(rows)
    found = TrunkOutput(states, np.arange(8)[:, None]).rows(chosen)
    assert np.array_equal(found.states, states[chosen])
    assert found.mask[:, 0].tolist() == chosen
    assert np.shares_memory(found.states, states) == (chosen == list(range(chosen[0], chosen[0] + len(chosen))))
    assert found.states.flags.c_contiguous


def changed(bundle, directory, change):
    """Return a copy of a bundle with another manifest."""
    shutil.copytree(bundle, directory)
    path = directory / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    return tiny_trunk.build(tmp_path_factory.mktemp("trunk") / "pooled")


FAULTS = {
    "no trunk": (lambda m: m.update(trunk=None, format=1), "group g0 reads a trunk, but the bundle has none with its"),
    "another tokenizer": (
        lambda m: m["groups"][0].update(tokenizer="groups/g3/tokenizer.json"),
        "group g0 reads a trunk, but the bundle has none with its tokenizer",
    ),
    "format 1": (lambda m: m.update(format=1), "format 1 with a trunk; with one it is 2"),
    "format 3": (lambda m: m.update(format=3), "has format 3, this version reads formats 1 and 2"),
    "file not listed": (lambda m: m["files"].pop("trunk/trunk.onnx"), r"trunk/trunk\.onnx is used but not listed"),
    "name": (lambda m: m["groups"].append(m["groups"][3] | {"id": "trunk"}), "a group has the name 'trunk'"),
    "no width": (lambda m: m["trunk"].update(width=0), r"trunk\.width"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_a_manifest_that_says_what_cannot_be(pooled, tmp_path, fault, message):
    with pytest.raises(BundleError, match=message) as raised:
        open_bundle(changed(pooled, tmp_path / "bad", fault))
    assert "\n" not in str(raised.value)


RUN_FAULTS = {
    "inputs of hidden states": (
        lambda m: m["groups"][0].update(inputs=["hidden_states"]),
        r"group g0 needs inputs that this version does not know: \['hidden_states'\]",
    ),
    "inputs of the trunk": (
        lambda m: m["trunk"].update(inputs=["pixels"]),
        r"the trunk needs inputs that this version does not know: \['pixels'\]",
    ),
}


@pytest.mark.parametrize(("fault", "message"), RUN_FAULTS.values(), ids=RUN_FAULTS)
def test_inputs_that_are_not_known_are_named(pooled, tmp_path, fault, message):
    bundle = Bundle.open(changed(pooled, tmp_path / "bad", fault))
    with pytest.raises(BundleError, match=message):
        bundle.load()


def test_a_trunk_whose_outputs_are_of_another_shape_is_named(pooled, tmp_path):
    bundle = Bundle.open(changed(pooled, tmp_path / "bad", lambda m: m["trunk"].update(output="hidden")))
    with pytest.raises(BundleError, match=r"group g0 needs inputs .* \['features'\]"):
        bundle.load()
    bundle = Bundle.open(changed(pooled, tmp_path / "wide", lambda m: m["trunk"].update(width=7)))
    (error,) = bundle.predict(["fim"], language="hau", errors="return")
    assert "the trunk's outputs have the shape (1, 32), not (1, 7)" in str(error)


def test_a_trunk_that_is_no_model_is_named_with_its_group(pooled, tmp_path):
    bundle = shutil.copytree(pooled, tmp_path / "bad")
    (bundle / "trunk/trunk.onnx").write_bytes(b"no model")
    tiny_trunk.write_manifest(bundle)
    with pytest.raises(BundleError, match="group g0 cannot be loaded: ") as raised:
        Bundle.open(bundle).load()
    assert "\n" not in str(raised.value)


def test_a_bundle_of_format_1_that_knows_no_trunk_is_read(tmp_path):
    bundle = tiny_bundle.build(tmp_path / "old")

    def older(content):
        del content["trunk"]
        for group in content["groups"]:
            del group["reads"]

    expected = Bundle.open(bundle).predict(["Wannan fim yana da kyau sosai"])
    found = Bundle.open(changed(bundle, tmp_path / "older", older))
    assert found.manifest.format == 1
    assert found.predict(["Wannan fim yana da kyau sosai"]) == expected


def test_the_manifest_survives_a_round_trip(pooled):
    manifest = open_bundle(pooled).manifest
    assert manifest.format == 2
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.files["trunk/trunk.onnx"] == file_entry(pooled / "trunk/trunk.onnx")
