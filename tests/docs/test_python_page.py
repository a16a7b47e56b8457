"""The code of docs/python.md and of the README's "From Python" runs as it stands, on a demo of a few small models."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from quick_builds import quickly

from gradsim_offline import build, group, measure
from gradsim_offline.pipeline import recipes

LANGUAGES = ("eng", "hau", "tur")
ROOT = Path(__file__).resolve().parents[2]
SMALL_DEMO = """
data = "demo"
model = "mini"
languages = ["eng", "hau", "tur"]
maximum_length = 32
pretraining = {vocabulary = 300, hidden_size = 32, layers = 1, ngram_buckets = 512, ngram_size = 8, epochs = 0}
measuring = {epochs = 1, minimum_steps = 0, batch_size = 64, fraction = 0.2}
training = {epochs = 1, minimum_steps = 0, batch_size = 64}
grouping = {groups = 3}
exporting = {parity_texts = 4}
ngrams = {strengths = [8.0]}
"""


def code_of(page, section=""):
    """Return the Python of a page, or of one of its sections."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if section:
        text = next(part for part in text.split("\n## ") if part.startswith(section))
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A directory where ``runs/demo`` is a small build of the demo, and what is built is small, too."""
    root = tmp_path_factory.mktemp("page")
    (root / "recipes").mkdir()
    (root / "recipes" / "demo.toml").write_text(SMALL_DEMO, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, quickly():
        patch.setattr(recipes, "RECIPES", root / "recipes")
        patch.chdir(root)
        build("demo", out="runs/demo")
        yield root


def run(code):
    """Run code, and return what it has named."""
    names = {}
    exec(compile(code, "page", "exec"), names)
    return names


def test_the_six_lines_of_the_readme_run(demo, capsys):
    run(code_of("README.md", "From Python"))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("(LanguageGroup(id='g1'")
    assert second.split()[0] in ("negative", "neutral", "positive")


def test_the_code_of_the_page_runs(demo):
    """Every function does what it says, on the stages that the demo's build has left."""
    times = {path: path.stat().st_mtime_ns for path in (demo / "runs" / "demo").rglob("*.onnx")}
    names = run(code_of("docs/python.md"))
    measured, bundle, compared = names["measured"], names["bundle"], names["compared"]
    assert measured.languages == LANGUAGES
    np.testing.assert_array_equal(measured.matrix, bundle.similarity.matrix)
    assert bundle.similarity.languages == bundle.languages == LANGUAGES
    chosen = names["groups"]
    assert chosen.proven and chosen.solver == "exact"
    assert [(one.id, one.members, one.served) for one in bundle.groups] == [
        (one.id, one.members, one.served) for one in chosen.groups
    ], "as the build grouped them"
    again = group(bundle.similarity, 3)
    assert [one.members for one in again.groups] == [one.members for one in chosen.groups]
    assert [(one.members, one.served) for one in names["found"].groups] == [
        (("hau", "ibo"), ("hau", "ibo")),
        (("hau", "swa"), ("swa",)),
    ]
    assert [method["name"] for method in compared["methods"]] == ["multilingual", "gradient"]
    assert set(compared["scores"]["test"]["gradient"]["0"]) == set(LANGUAGES)
    assert (demo / "runs" / "compare-demo" / "compare.json").is_file()
    assert times == {path: path.stat().st_mtime_ns for path in times}, "nothing was computed again"


def test_progress_is_shown_only_if_it_is_asked_for(demo, capsys):
    measure("demo")
    assert capsys.readouterr() == ("", "")
    measure("demo", progress=True)
    assert "measure" in capsys.readouterr().err
