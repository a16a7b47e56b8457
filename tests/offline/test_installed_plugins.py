"""Plug-ins of another installed package, as CONTRIBUTING.md shows them: a data set and a similarity measure."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from gradsim_offline import cli
from gradsim_offline.core import plugins
from gradsim_offline.datasets.source import DatasetSource, load_dataset
from gradsim_offline.experiments.assign.data import known_texts
from gradsim_offline.experiments.evaluate.evaluate import read_split
from gradsim_offline.similarity.measured import SIMILARITY_FILE, read_measured
from gradsim_shared.errors import SettingsError
from gradsim_shared.manifest import Manifest, Provenance

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
REVIEWS = '''"""Reviews in three languages."""

from pydantic import BaseModel

from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.datasets.source import DatasetSource

LICENCE = "CC0"
CITATION = "Nobody et al., 2026"
TEXTS = {"eng": ("good", "bad", "fine"), "deu": ("gut", "schlecht", "fein"), "rus": ("хорошо", "плохо", "мило")}


class Options(BaseModel):
    joined: str = " "


def load(data_dir=None, languages=None, options=Options()):
    def split(words):
        texts = [options.joined.join((word, word)) for word in words * 4]
        return [Example(text, ("positive", "negative")[i % 2]) for i, text in enumerate(texts)]

    examples = {code: dict.fromkeys(("train", "dev", "test"), split(words)) for code, words in TEXTS.items()}
    return Dataset("reviews", "text_classification", ("negative", "positive"), examples)


PLUGIN = DatasetSource(load, "text_classification", options=Options)
'''


def code_block(language):
    """Return the code block of the page's section on entry points."""
    section = PAGE[PAGE.index("A package of your own adds plug-ins") :]
    return re.search(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)[1]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package installed in a folder of its own, as pip leaves it there."""
    site = tmp_path / "site-packages"
    modules, metadata = site / "my_package", site / "my_package-1.0.dist-info"
    for folder in (modules, metadata):
        folder.mkdir(parents=True)
    (modules / "__init__.py").touch()
    (modules / "reviews.py").write_text(REVIEWS, encoding="utf-8")
    (modules / "letters.py").write_text(code_block("python"), encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n", encoding="utf-8")
    groups = tomllib.loads(code_block("toml"))["project"]["entry-points"]
    groups["gradsim_offline.datasets"]["mistaken"] = "my_package.letters"  # a measure
    lines = [line for group, points in groups.items() for line in (f"[{group}]", *map(" = ".join, points.items()))]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "my_package"]:
        del sys.modules[name]


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that calls the program as the shell does, and returns what it prints on standard output."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["gradsim-offline", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, error = capsys.readouterr()
        assert ended.value.code == 0, error
        return out

    return call


def test_list_shows_plugins_of_an_installed_package_without_importing_them(installed, run):
    shown = run("list")
    assert re.search(r"reviews +Reviews in three languages\.\n +Licence: CC0; Nobody et al\., 2026\n", shown)
    assert re.search(r"letters +How many of their letters two languages have in common\.\n", shown)
    assert not {"my_package.reviews", "my_package.letters"} & set(sys.modules)


def test_measure_uses_the_data_set_and_the_measure_of_an_installed_package(installed, run, tmp_path):
    tiny = ("epochs=0", "layers=0", "vocabulary=300", "ngram_buckets=64")
    settings = [word for setting in tiny for word in ("--set", f"pretraining.{setting}")]
    run("measure", "--data", "reviews", "--measure", "letters", *settings, "--out", tmp_path / "run", "--quiet")
    measured = read_measured(tmp_path / "run" / "measure" / SIMILARITY_FILE)
    assert (measured.measure, measured.languages) == ("letters", ("deu", "eng", "rus"))
    same, deu_eng, deu_rus = measured.matrix[0]
    assert same == 1 and deu_eng > deu_rus > 0  # the space is common to all


def test_a_bundles_data_set_is_read_again_with_the_settings_of_the_build(installed, tmp_path):
    settings = {"data": "reviews", "data_options": {"joined": "-"}}
    built = load_dataset("reviews", None, None, settings["data_options"])
    provenance = Provenance.model_construct(settings=settings, data="reviews", data_fingerprint=built.fingerprint())
    manifest = Manifest.model_construct(name="mine", version="1.0.0", provenance=provenance, languages=[])
    assert read_split("reviews", None, None, "test", manifest).split("eng", "test")[0].text == "good-good"
    assert known_texts(manifest, tmp_path, data=None, directory=None, force=False).fingerprint() == built.fingerprint()
    (tmp_path / "eng").mkdir()
    (tmp_path / "eng" / "test.tsv").write_text("text\tlabel\nso good\tpositive\n", encoding="utf-8")
    assert read_split(str(tmp_path), None, None, "test", manifest).split("eng", "test")[0].text == "so good"


def test_a_module_without_a_record_of_its_kind_is_refused(installed):
    with pytest.raises(SettingsError, match=r"data set mistaken: my_package\.letters has no PLUGIN of type Dataset"):
        plugins.load("datasets", "mistaken", DatasetSource)
