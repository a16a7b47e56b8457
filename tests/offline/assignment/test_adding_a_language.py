"""A bundle with one language more: whole, served, identified; what was served before is as it was."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from gradsim_offline.bundle.baseline import baseline
from gradsim_offline.bundle.scoring import golds
from gradsim_offline.cli.assign import command
from gradsim_offline.datasets.sources import demo
from gradsim_offline.experiments.assign.add import Added, new_version
from gradsim_offline.experiments.assign.identifier import Identified
from gradsim_runtime import Bundle
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import GradsimError
from gradsim_shared.manifest import Baseline


def add(bundle, data, *words):
    """Add Russian, which no model of the bundle has seen."""
    given = ["--bundle", bundle, "--data", data, "--language", "ru", "--add", "-q", *words]
    return CliRunner().invoke(command, [*map(str, given)], catch_exceptions=False).output


def predictor(bundle):
    return Bundle.open(bundle.directory).predictor


@pytest.fixture(scope="module")
def russian():
    return demo.load(languages=["rus"])


@pytest.fixture(scope="module")
def added(bundle, russian, tmp_path_factory):
    """The new bundle, and what the command printed; the identifier's texts come from the demo, as the manifest says."""
    root = tmp_path_factory.mktemp("added")
    folder = root / "data" / "rus"
    folder.mkdir(parents=True)
    for split, most in (("train", 30), ("test", 20)):
        lines = [f"{example.text}\t{example.label}" for example in russian.split("rus", split)[:most]]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    shown = add(bundle.directory, root / "data", "--out", root / "new")
    return open_bundle(root / "new"), shown


def test_the_manifest_records_the_added_language(bundle, added):
    new, shown = added
    old = bundle.manifest
    manifest = new.manifest
    assert manifest.title == f"{old.title}+rus"
    assert [language.code for language in manifest.languages] == ["eng", "hau", "hin", "rus", "tur"]
    language = manifest.languages[3]
    assert (language.name, language.aliases, language.scripts) == ("Russian", ["ru"], ["CYRILLIC", "LATIN"])
    assert language.counts == {"train": 30, "dev": 0, "test": 20}
    assert set(language.scores) == {"test"} and set(language.collective_similarity) >= {g.id for g in old.groups}
    assert language.assigned.bundle == old.title and language.assigned.by == "score"
    assert language.assigned.model != "group" and language.group == "g3"  # tiny models know nothing of Russian
    assert manifest.groups[:2] == old.groups and manifest.assignment == old.assignment
    assert set(manifest.identifier.labels.values()) == {"eng", "hau", "hin", "rus", "tur"}
    assert manifest.identifier.accuracy["dev"] > 0.9
    assert f"rus is served by {language.group}" in shown and "of the rus texts known" in shown


def test_every_other_file_is_a_copy(bundle, added):
    new, _ = added
    changed = {file for file, entry in bundle.manifest.files.items() if new.manifest.files[file] != entry}
    assert changed == {"identifier.ftz", "profiles.npy"}
    assert all(file.startswith("groups/g3/") for file in new.manifest.files.keys() - bundle.manifest.files.keys())
    for file in new.manifest.files:
        assert new.path(file).stat().st_nlink == 1


def test_texts_of_the_added_language_are_routed_and_answered(added, russian):
    new, _ = added
    opened = predictor(new)
    texts = [example.text for example in russian.split("rus", "test")]
    routes = opened.routes(texts)
    assert np.mean([route.language == "rus" for route in routes]) > 0.9
    group = next(language.group for language in new.manifest.languages if language.code == "rus")
    assert opened.routes(texts[:1], "ru")[0].group == group
    assert set(golds(opened.answers(texts, routes))) <= set(new.manifest.labels)


def test_answers_in_known_languages_are_as_before(bundle, added):
    before, after = predictor(bundle), predictor(added[0])
    for code in ("eng", "hau", "hin", "tur"):
        texts = [example.text for example in demo.load(languages=[code]).split(code, "test")]
        old, new = (golds(opened.answers(texts, opened.routes(texts, code))) for opened in (before, after))
        assert old == new


def test_drift_is_measured_against_the_new_identifier(added):
    opened, watched = predictor(added[0]), []
    for code in ("eng", "hau", "hin", "tur"):
        texts = [example.text for example in demo.load(languages=[code]).split(code, "dev")]
        watched += opened.answers(texts, opened.routes(texts))
    kept, expected = added[0].manifest.baseline, Baseline.model_validate(baseline(watched))
    assert kept.predictions == expected.predictions
    assert {code: pytest.approx(bins) for code, bins in expected.confidence.items()} == kept.confidence


def refused(match, *words):
    with pytest.raises(GradsimError, match=match) as caught:
        add(*words)
    assert "\n" not in str(caught.value)


def test_the_texts_of_the_build_are_required(bundle, write_texts, russian, tmp_path):
    data = write_texts("rus", russian.split("rus", "train")[:12])
    words = (bundle.directory, data, "--out", tmp_path / "new")
    refused("built from your own files: name their directory with --known-data-dir", *words, "--known-data", "files")
    refused("--known-data-dir .* is not a directory; name", *words, "--known-data", "ud", "--known-data-dir", "nowhere")
    refused("unknown data set 'demmo'", *words, "--known-data", "demmo")
    other = tmp_path / "other"
    for code in ("eng", "hau", "hin", "tur"):
        write_texts(code, demo.load(languages=[code]).split(code, "train")[:9], directory=other)
    refused("are others .data fingerprint.*--force", *words, "--known-data", "files", "--known-data-dir", other)
    assert not (tmp_path / "new").exists()


def test_a_second_language_needs_the_texts_of_the_first(added, write_texts, russian, tmp_path):
    data = write_texts("spa", demo.load(languages=["spa"]).split("spa", "train")[:12])
    given = ["--bundle", added[0].directory, "--data", data, "--language", "spa", "--add", "--out", tmp_path / "new"]
    with pytest.raises(GradsimError, match="knows rus, which was added to it; its texts must lie beside"):
        CliRunner().invoke(command, [*map(str, given)], catch_exceptions=False)
    write_texts("rus", russian.split("rus", "train")[:12])
    with pytest.raises(GradsimError, match=r"are others .data fingerprint."):
        CliRunner().invoke(command, [*map(str, given)], catch_exceptions=False)


def test_the_user_or_the_gradient_may_choose(bundle, added, write_texts, russian, tmp_path, monkeypatch):
    import gradsim_offline.experiments.assign.assign as module

    data = write_texts("rus", russian.split("rus", "train")[:12])
    asked = []

    def record(*_, group, by, **__):
        asked.append((group, by))
        return Added(tmp_path / "new", added[0].manifest, Identified(0.5, {"eng": 1.0}, {"eng": 0.5, "rus": 1.0}))

    monkeypatch.setattr(module, "add_language", record)
    shown = add(bundle.directory, data, "--out", tmp_path / "new", "--group", "g2")
    assert "50.0% of the rus texts known" in shown and "100.00% before, 50.00% with rus" in shown
    shown = add(bundle.directory, data, "--out", tmp_path / "new", "--by", "gradient")
    assert asked[0] == ("g2", "user") and asked[1][1] == "gradient"
    assert f"belongs to {asked[1][0]}" in shown


def test_the_version_gets_the_language_as_build_metadata():
    assert new_version("1.0.0", "rus", None) == "1.0.0+rus"
    assert new_version("1.0.0+rus", "spa", None) == "1.0.0+rus.spa"
    assert new_version("1.0.0", "rus", "2.0.0") == "2.0.0"


def test_a_failed_addition_leaves_no_files(bundle, write_texts, russian, tmp_path, monkeypatch):
    import gradsim_offline.experiments.assign.add as module

    copy = tmp_path / "copy"
    shutil.copytree(bundle.directory, copy)
    data = write_texts("rus", russian.split("rus", "train")[:12])

    def stop(*_, **__):
        raise OSError

    monkeypatch.setattr(module, "train_again", stop)
    with pytest.raises(OSError):
        add(copy, data, "--in-place")
    assert open_bundle(copy).manifest == bundle.manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_a_language_that_came_later_has_no_gradient_to_compare_with(added, write_texts):
    """A group of its n-grams alone has no member that the joint model was measured on."""
    data = write_texts("spa", demo.load(languages=["spa"]).split("spa", "train")[:12])
    given = ["--bundle", added[0].directory, "--data", data, "--language", "spa", "-q"]
    shown = CliRunner().invoke(command, [*map(str, given)], catch_exceptions=False).output
    (row,) = (line for line in shown.splitlines() if line.startswith("g3"))
    alone = added[0].manifest.groups[2].members == ["rus"]
    assert ("\N{EN DASH}" in row) == alone
