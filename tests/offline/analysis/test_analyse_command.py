"""``gradsim-offline analyse`` on tiny real runs, as a user calls it."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from gradsim_offline.cli.analyse import command
from gradsim_offline.datasets.sources import demo
from gradsim_offline.experiments.analyse import inputs
from gradsim_offline.pipeline.build import build
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.similarity.measure import load_measure
from gradsim_shared.errors import DataError, ModelError, SettingsError

LANGUAGES = ("eng", "hau", "hin", "tur")
TINY = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 512,
    "pretraining.ngram_size": 8,
    "pretraining.epochs": 1,
    "measuring.minimum_steps": 0,
    "measuring.epochs": 2,
    "measuring.averaged_epochs": 2,
    "measuring.batch_size": 8,
    "measuring.layers": ["head.out", "head"],
    "grouping.groups": 2,
    "maximum_length": 64,
}
WRITTEN = {"analysis.json", "analysis.md", "correlations.csv", "keywords.csv"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, quiet):
    """Two builds up to their groups, with two seeds, on a user's own files."""
    root = tmp_path_factory.mktemp("analyse")
    dataset = demo.load(languages=LANGUAGES)
    for code in LANGUAGES:
        (root / "data" / code).mkdir(parents=True)
        for split, most in (("train", 40), ("dev", 8), ("test", 8)):
            lines = [f"{example.text}\t{example.label}" for example in dataset.split(code, split)[:most]]
            (root / "data" / code / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]), encoding="utf-8")
    options = {**TINY, "data": "files", "data_dir": root / "data"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in (0, 1):
            build(resolve(None, {**options, "seed": seed}), root / f"seed{seed}", quiet, until="group")
    return [root / "seed0", root / "seed1"]


def run(*words):
    """Call the command; its errors come through."""
    return CliRunner().invoke(
        command, [*map(str, words), "--permutations", "24", "--draws", "50"], catch_exceptions=False
    )


def strict(path):
    """Read JSON that has no NaN."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(f"{name} in {path}"))


@pytest.fixture(scope="module")
def analysed(runs, tmp_path_factory):
    """The whole analysis of both seeds, and what was printed."""
    out = tmp_path_factory.mktemp("analysis")
    given = out / "mine.json"
    matrix = np.random.default_rng(0).normal(size=(5, 5))
    given.write_text(json.dumps({"languages": [*LANGUAGES, "zzz"], "similarity": matrix.tolist()}), encoding="utf-8")
    result = run(*runs, "--similarity", given, "--top", 7, "--out", out / "found")
    return out / "found", result.output, matrix


def test_all_output_files_are_written_and_tables_printed(analysed, runs):
    out, shown, _ = analysed
    assert {path.name for path in out.iterdir()} == WRITTEN
    written = (out / "analysis.md").read_text(encoding="utf-8")
    for title in ("Correlation", "Stability of S", "S over runs", "Agreement"):
        assert title in shown and title in written
    for title in ("Two halves", "Grouped anew", "Keywords"):  # long: in the file only
        assert title not in shown and title in written
    verdict = written.split("\n\n")[1]
    assert "between halves of your data" in verdict and shown.rstrip().splitlines()[-2] in verdict
    assert "left out: zzz" in shown
    assert "shared script and spelling" in shown
    assert shown.splitlines()[-1] == str(out)


def test_correlations_are_those_of_the_saved_matrices(analysed, runs):
    out, _, given = analysed
    saved = [json.loads((run / "measure" / "similarity.json").read_text(encoding="utf-8")) for run in runs]
    mean = np.mean([content["similarity"] for content in saved], axis=0)
    off = ~np.eye(4, dtype=bool)
    expected = stats.pearsonr(mean[off], given[:4, :4][off])
    with (out / "correlations.csv").open(encoding="utf-8") as stream:
        rows = {(row["first"], row["second"]): row for row in csv.DictReader(stream)}
    row = rows["gradient", "mine"]
    assert (row["pairs"], row["ordered"]) == ("12", "True")
    assert float(row["pearson"]) == pytest.approx(expected.statistic)
    assert float(row["p"]) == pytest.approx(expected.pvalue)
    assert set(rows) == {
        ("gradient", "gradient (head)"),
        ("gradient", "mine"),
        ("gradient", "topic"),
        ("gradient (head)", "mine"),
        ("gradient (head)", "topic"),
        ("mine", "topic"),
        *((name, "labels") for name in ("gradient", "gradient (head)", "mine")),
        ("labels", "topic"),
    }


def test_stability_covers_each_run_and_layer(analysed):
    found = strict(analysed[0] / "analysis.json")
    assert [(s["name"], s["origin"]) for s in found["stability"]] == [
        (name, origin) for origin in ("seed0", "seed1") for name in ("gradient", "gradient (head)")
    ]
    first = found["stability"][0]
    assert len(first["epochs"]) == 2
    assert np.array(first["halves"]["matrices"]).shape == (2, 2, 4, 4)
    assert first["regrouped"]["parts"] == ["half 1", "half 2", "epoch 1", "epoch 2"]
    assert first["interval"]["drawn_from"] == 4
    assert found["stability"][1]["regrouped"] is None  # the groups are those of the first layer
    seeds = {s["name"]: s for s in found["seeds"]}
    assert seeds["gradient"]["origins"] == ["seed0", "seed1"]
    assert np.array(seeds["gradient"]["together"]).shape == (4, 4)
    assert found["agreement"][0]["pairs"] == 1


@pytest.mark.parametrize("gradients", [True, False])
def test_stability_is_that_of_the_epochs_that_were_averaged(runs, tmp_path, gradients):
    """The same run, had it taken S from its first epoch alone."""
    shutil.copytree(runs[0], tmp_path / "run")
    path = tmp_path / "run" / "measure" / "similarity.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["settings"]["averaged_epochs"] = 1
    path.write_text(json.dumps({**saved, "similarity": saved["epochs"][0]}), encoding="utf-8")
    if not gradients:
        (tmp_path / "run" / "measure" / "gradients.safetensors").unlink()
    assert run(tmp_path / "run", "--out", tmp_path / "found").exit_code == 0
    first = strict(tmp_path / "found" / "analysis.json")["stability"][0]
    assert [epoch["pearson"] for epoch in first["epochs"]] == [pytest.approx(1), pytest.approx(1, abs=0.999)]
    if not gradients:
        assert first["halves"] is None and first["interval"] is None  # one matrix has no spread
        return
    assert np.array(first["halves"]["matrices"]).shape == (2, 1, 4, 4) and first["interval"]["drawn_from"] == 2
    assert first["regrouped"]["parts"] == ["half 1", "half 2", "epoch 1", "epoch 2"]


def test_keywords_are_ranked(analysed):
    with (analysed[0] / "keywords.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["language"] for row in rows] == [code for code in LANGUAGES for _ in range(7)]
    for code in LANGUAGES:
        weights = [float(row["weight"]) for row in rows if row["language"] == code]
        assert weights == sorted(weights, reverse=True)


def test_results_are_reproducible(analysed, runs, tmp_path):
    run(*runs, "--similarity", analysed[0].parent / "mine.json", "--top", 7, "--out", tmp_path)
    for name in WRITTEN:
        assert (tmp_path / name).read_bytes() == (analysed[0] / name).read_bytes()


def given(directory, name, matrix):
    content = {"languages": LANGUAGES, "similarity": matrix.tolist()}
    (directory / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return "--similarity", directory / f"{name}.json"


def test_a_constant_matrix_is_shown_as_undefined(runs, tmp_path):
    result = run(runs[0], *given(tmp_path, "flat", np.ones((4, 4))), "--out", tmp_path / "out")
    assert result.exit_code == 0
    found = strict(tmp_path / "out" / "analysis.json")
    reasons = {(p["first"], p["second"]): p["correlation"]["reason"] for p in found["correlations"]}
    assert reasons["gradient", "flat"] == "flat is the same for all pairs"


def test_a_matrix_with_something_that_is_no_number_is_refused(runs, tmp_path):
    matrix = np.ones((4, 4))
    matrix[1, 2] = np.nan
    with pytest.raises(
        DataError, match=rf"broken.json: similarity\[1\], row {LANGUAGES[1]}, column {LANGUAGES[2]}: nan is not"
    ):
        run(runs[0], *given(tmp_path, "broken", matrix))


def test_without_data_there_are_no_keywords_but_everything_else(runs, tmp_path):
    copy = tmp_path / "run"
    for name in ("measure", "group"):
        (copy / name).mkdir(parents=True)
        for path in (runs[0] / name).glob("*.json"):
            (copy / name / path.name).write_bytes(path.read_bytes())
    result = run(copy, "--quiet")
    assert result.output == f"{copy / 'analysis'}\n"
    found = strict(copy / "analysis" / "analysis.json")
    assert found["keywords"] == {} and "no data set is known" in found["notes"][0]
    assert found["stability"][0]["halves"] is None and found["stability"][0]["interval"]["drawn_from"] == 2
    (copy / "settings.json").write_text(json.dumps({"data": "files", "data_dir": str(tmp_path / "gone")}))
    run(copy, "--quiet")
    assert "no keywords, no topic similarity" in strict(copy / "analysis" / "analysis.json")["notes"][0]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--measures", "gradient"], SettingsError, "gradient needs training"),
        (["--measures", "gradeint"], SettingsError, "Did you mean gradient"),
        (["--data", "dmo"], SettingsError, "Did you mean demo"),
        (["--data", "files", "--data-dir", "nowhere"], DataError, "nowhere"),
        (["--encoder", "/nowhere/at/all"], ModelError, "neither a directory nor"),
        (["--device", "gpu"], SettingsError, "unknown device"),
    ],
)
def test_an_impossible_request_is_one_message(runs, words, error, message):
    with pytest.raises(error, match=message):
        run(runs[0], *words)


def test_too_few_common_languages(runs, tmp_path):
    content = {"languages": ["eng", "hau", "xxx"], "similarity": np.eye(3).tolist()}
    (tmp_path / "mine.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match="have 2 languages in common; correlations need 3"):
        run(runs[0], "--similarity", tmp_path / "mine.json")


def test_help_loads_no_torch():
    import subprocess
    import sys

    code = "import sys, gradsim_offline.cli.analyse; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_columns_of_other_data_are_named_as_the_message_says(runs, tmp_path):
    for code in LANGUAGES:
        (tmp_path / code).mkdir()
        (tmp_path / code / "train.tsv").write_text("verse\tlabel\na b\tx\nc d\ty\n", encoding="utf-8")
    words = (runs[0], "--data", "files", "--data-dir", tmp_path)
    with pytest.raises(DataError, match="--text-column NAME"):
        run(*words)
    run(*words, "--set", "data_options.text_column=verse", "--out", tmp_path / "found")
    assert (tmp_path / "found" / "analysis.json").is_file()


def test_untrained_measures_are_taken_on_the_spot_or_noted(runs, tmp_path, monkeypatch):
    run(runs[0], "--measures", "family", "--out", tmp_path / "found")
    found = strict(tmp_path / "found" / "analysis.json")
    assert found["origins"]["family"] == ["measured here"]
    family = load_measure("family")

    def missing(_context):
        raise DataError("the families' file is missing")

    monkeypatch.setattr(inputs, "load_measure", lambda _: replace(family, measure=missing))
    result = run(runs[0], "--measures", "family", "--out", tmp_path / "left")
    assert "Note: family could not be measured here: the families' file is missing" in result.output
    assert "family" not in strict(tmp_path / "left" / "analysis.json")["similarities"]
