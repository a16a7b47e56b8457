"""What a Bento holds: the serving dependencies of pyproject.toml, and only our sources and the bundle."""

from __future__ import annotations

import importlib.util
import tomllib

import pytest
import tiny_tags
import yaml
from real_server import ROOT

from gradsim_shared.bundle import open_bundle
from gradsim_shared.privacy import SWITCHES


@pytest.fixture(scope="module")
def make_bento():
    """``serving/make_bento.py`` as a module."""
    specification = importlib.util.spec_from_file_location("make_bento", ROOT / "serving" / "make_bento.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_bentofile_and_pyproject_name_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    settings = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    extras = project["optional-dependencies"]
    expected = {*project["dependencies"], *extras["serving"], *extras["runtime"]} - {"gradsim-router[runtime]"}
    assert sorted(settings["python"]["packages"]) == sorted(expected)
    assert settings["service"] == "serving.entry:Gradsim"


def test_the_bento_sends_no_usage_data():
    settings = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    assert {one["name"]: one["value"] for one in settings["envs"]} == SWITCHES


def test_the_build_context_holds_sources_and_bundle_and_nothing_else(make_bento, tiny, tmp_path):
    make_bento.stage({"/sentiment": open_bundle(tiny)}, tmp_path)
    (tiny / "secret.env").write_text("x", encoding="utf-8")
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        "bentofile.yaml",
        "serving/entry.py",
        "bundles/sentiment/manifest.json",
        "shared/gradsim_runtime/py.typed",
        "shared/gradsim_shared/py.typed",
    } <= found
    allowed = (
        "serving/gradsim_serving/",
        "serving/entry.py",
        "shared/gradsim_runtime/",
        "shared/gradsim_shared/",
        "bundles/sentiment/",
        "bentofile.yaml",
    )
    assert all(file.startswith(allowed) for file in found)
    assert not [file for file in found if "__pycache__" in file or "secret" in file]
    assert open_bundle(tmp_path / "bundles" / "sentiment").manifest == open_bundle(tiny).manifest


def test_bundles_of_one_name_lie_beside_each_other(make_bento, tiny, tmp_path):
    ner = tiny_tags.build_ner(tmp_path / "ner", name="tiny")
    make_bento.stage({"/sentiment": open_bundle(tiny), "/ner": open_bundle(ner)}, tmp_path / "context")
    staged = [open_bundle(tmp_path / "context" / "bundles" / folder).manifest for folder in ("sentiment", "ner")]
    assert [manifest.title for manifest in staged] == ["tiny@1.0.0"] * 2
    assert [manifest.task for manifest in staged] == ["text_classification", "token_classification"]


def test_packages_are_pinned_with_all_that_they_need(make_bento, tmp_path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# c\nFastAPI==0.100\nstarlette==0.40 # why\nnumpy == 2\ntorch==2.13.0\n", encoding="utf-8")
    versions = make_bento.read_constraints(constraints)
    assert versions == {"fastapi": "0.100", "starlette": "0.40", "torch": "2.13.0"}
    found = make_bento.pinned(["fastapi>=0.1", "click>=8"], versions)
    assert found == ["click>=8", "fastapi==0.100", "starlette==0.40"]
    assert make_bento.read_constraints(tmp_path / "none.txt") == {}
