"""A whole build through the command line: what it leaves behind, what it does again, how it goes on when killed."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from quick_builds import QUICKLY

from gradsim_offline.datasets.sources import demo, files
from gradsim_offline.similarity.measured import read_measured
from gradsim_offline.similarity.reliability import in_words, is_noise
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import BundleError
from gradsim_shared.normalisation import NEWEST

from .program import gradsim

LANGUAGES = ("eng", "hau", "hin", "tur")
TINY = {
    "pretraining.vocabulary": 300,
    "pretraining.hidden_size": 32,
    "pretraining.layers": 1,
    "pretraining.ngram_buckets": 512,
    "pretraining.ngram_size": 8,
    "pretraining.epochs": 1,
    "measuring.fraction": 0.5,
    "measuring.minimum_steps": 0,
    "training.minimum_steps": 0,
    "training.batch_size": 8,
    "measuring.batch_size": 8,
    "maximum_length": 64,
    "exporting.precision": "fp32",
    "ngrams.strengths": "[8.0]",
}
STAGES = (
    "encoder",
    "measure",
    "group",
    "train/multilingual",
    "export",
    "identify",
    "evaluate",
    "assignment",
    "bundle.stage",
)


def options(data, out, **changes):
    """Return the words of a tiny build."""
    settings = {**TINY, **changes.pop("settings", {})}
    given = {"data": "files", "data-dir": data, "groups": 2, "epochs": 1, "out": out, **changes}
    return [
        *(word for name, value in given.items() for word in (f"--{name}", str(value))),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
    ]


@pytest.fixture(scope="session")
def own_data(tmp_path_factory) -> Path:
    """A few dozen sentences of four languages, as a user's own files in all three forms."""
    root = tmp_path_factory.mktemp("data")
    dataset = demo.load(languages=LANGUAGES)
    for code, ending in zip(LANGUAGES, ("tsv", "csv", "jsonl", "tsv"), strict=True):
        (root / code).mkdir()
        for split, most in (("train", 48), ("dev", 15), ("test", 18)):
            rows = [(example.text, example.label) for example in dataset.split(code, split)[:most]]
            if ending == "jsonl":
                lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
            elif ending == "csv":
                lines = ["text,label", *('"{}",{}'.format(text.replace('"', '""'), label) for text, label in rows)]
            else:
                lines = ["text\tlabel", *map("\t".join, rows)]
            (root / code / f"{split}.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def built(own_data, tmp_path_factory) -> tuple[Path, str, str]:
    """A finished run directory and what the build printed."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    code, shown, said = gradsim("build", *options(own_data, out))
    assert code == 0, said
    return out, shown, said


@pytest.fixture
def copy(built, tmp_path) -> Path:
    """A copy of the finished run that a test may change."""
    shutil.copytree(built[0], tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run"


def fingerprints(directory):
    """Return every file's content hash and time of change, but the log's."""
    return {
        str(path.relative_to(directory)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ("metrics.jsonl", "settings.json")
    }


def manifest_of(run):
    return open_bundle(run / "bundle").manifest


def test_the_bundle_opens_and_every_language_is_served(built):
    manifest = manifest_of(built[0])
    assert tuple(language.code for language in manifest.languages) == LANGUAGES
    groups = {group.id: group for group in manifest.groups}
    assert 1 <= len(groups) <= 2
    for language in manifest.languages:
        assert language.code in groups[language.group].members
        assert language.collective_similarity.keys() == {g for g in groups if language.code in groups[g].members}
        assert language.counts == {"train": 48, "dev": 15, "test": 18}
    assert {language.code: language.scripts[0] for language in manifest.languages} == {
        "eng": "LATIN",
        "hau": "LATIN",
        "hin": "DEVANAGARI",
        "tur": "LATIN",
    }
    assert {alias for language in manifest.languages for alias in language.aliases} == {"en", "ha", "hi", "tr"}


def test_facts_of_the_manifest(built, own_data):
    manifest = manifest_of(built[0])
    assert (manifest.name, manifest.version, manifest.task) == (own_data.name, "1.0.0", "text_classification")
    assert manifest.endpoint == "sentiment"
    assert manifest.labels == ["negative", "neutral", "positive"] and manifest.maximum_length == 64
    assert manifest.grouping.proven and manifest.grouping.score == pytest.approx(manifest.grouping.bound)
    assert manifest.similarity.measure == "gradient" and manifest.similarity.settings["fraction"] == 0.5
    assert sorted(manifest.identifier.labels.values()) == list(LANGUAGES)
    assert manifest.identifier.accuracy["test"] > 0.8
    assert manifest.normalisation == manifest.identifier.normalisation == NEWEST
    assert manifest.provenance.model == "mini" and manifest.provenance.settings["training"]["batch_size"] == 8
    assert {"torch", "onnxruntime", "gradsim-router"} <= set(manifest.provenance.versions)
    for group in manifest.groups:
        parity = group.precisions["fp32"].parity
        assert parity.max_difference < 1e-4 and parity.label_agreement == 1 and parity.texts >= 15


def test_a_build_ends_with_its_verdict_and_says_whether_s_repeats(built):
    out, shown, said = built
    manifest, measured = manifest_of(out), read_measured(out / "measure" / "similarity.json")
    assert vars(measured.reliability) == manifest.similarity.reliability.model_dump()
    assert in_words(measured.reliability) in said
    assert shown.rstrip().splitlines()[-len(manifest.verdict) :] == manifest.verdict
    chosen = json.loads((out / "choose" / "choice.json").read_text(encoding="utf-8"))["chosen"]
    assert manifest.verdict[0].startswith(f"The bundle holds {chosen}") and "group" in chosen
    assert any("than one model of all languages on dev (95 % interval" in sentence for sentence in manifest.verdict)
    page = (out / "bundle" / "report" / "index.html").read_text(encoding="utf-8")
    assert f'<p class="verdict">{manifest.verdict[0]}</p>' in page
    asked = f"{in_words(measured.reliability)} The groups were asked for."
    assert manifest.grouping.reason == (asked if is_noise(measured.reliability) else "")


def test_without_a_number_of_groups_dev_texts_choose_it(copy, own_data):
    words = options(own_data, copy)
    del words[words.index("--groups") : words.index("--groups") + 2]
    code, shown, said = gradsim("build", *words)
    assert code == 0, said
    curve = json.loads((copy / "group" / "groups.json").read_text(encoding="utf-8"))["curve"]
    noise = is_noise(read_measured(copy / "measure" / "similarity.json").reliability)
    assert [each["groups"] for each in curve] == ([] if noise else [1, 2, 4])
    assert sum(each["chosen"] for each in curve) == bool(curve)
    chosen = json.loads((copy / "choose" / "choice.json").read_text(encoding="utf-8"))["chosen"]
    assert manifest_of(copy).verdict[0].startswith(f"The bundle holds {chosen}, the ")  # the best, or smallest of them
    assert ("does not repeat" in shown) == noise


def test_three_columns_of_scores(built):
    for language in manifest_of(built[0]).languages:
        assert set(language.scores) == {"dev", "test"}
        for scores in language.scores.values():
            for column in (scores.multilingual, scores.group, scores.service):
                assert set(column) == {"weighted_f1", "macro_f1", "accuracy"}
                assert all(0 <= value <= 1 for value in column.values())


def test_both_averages(built):
    found = json.loads((built[0] / "evaluate" / "evaluation.json").read_text())
    for split in ("dev", "test"):
        for column, average in found["averages"][split].items():
            values = [found["scores"][split][code][column]["weighted_f1"] for code in LANGUAGES]
            assert average["plain"] == pytest.approx(np.mean(values))
            assert average["weighted"] == pytest.approx(np.mean(values))  # all are of one size
    assert {code: sum(row.values()) for code, row in found["confusion"].items()} == dict.fromkeys(LANGUAGES, 18)


def test_the_similarity_in_the_bundle(built):
    run = built[0]
    measured = read_measured(run / "bundle" / "similarity.json")
    assert measured.languages == LANGUAGES and measured.matrix.shape == (4, 4)
    np.testing.assert_allclose(measured.matrix.diagonal(), 1)
    np.testing.assert_allclose(measured.matrix, measured.matrix.T, atol=1e-12)
    assert np.isfinite(measured.matrix).all() and len(measured.split_half) == 4
    assert (run / "bundle" / "similarity.json").read_bytes() == (run / "measure" / "similarity.json").read_bytes()


def test_what_is_shown_to_try_it_answers_a_text_of_the_data(built, own_data):
    (line,) = [line for line in built[1].splitlines() if line.startswith("Try it:")]
    text, _, *command = shlex.split(line.removeprefix("Try it:").strip().removeprefix("echo"))
    texts = {example.text for splits in files.load(own_data).examples.values() for example in splits["test"]}
    assert text in texts and command[0] == "gradsim-serve"
    words = [sys.executable, "-m", "gradsim_serving", *command[1:]]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["prediction"]["label"] in manifest_of(built[0]).labels


def test_the_report_and_what_is_shown(built):
    run, shown, said = built
    page = (run / "bundle" / "report" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("English", "Hausa", "Hindi", "Turkish"))
    assert "weighted_f1 on test" in shown and f"gradsim-serve {run / 'bundle'}" in shown.replace("\n", "")
    assert "mini encoder" in said and "up to date" not in said


def test_the_log_has_every_stage_and_no_checkpoint_is_left(built):
    lines = [json.loads(line) for line in (built[0] / "metrics.jsonl").read_text().splitlines()]
    done = [line["stage"].split("/")[0] for line in lines if "seconds" in line]
    assert list(dict.fromkeys(done)) == [
        "encoder",
        "reading",
        "measure",
        "group",
        "train",
        "ngrams",
        "choose",
        "export",
        "identify",
        "evaluate",
        "assignment",
        "bundle.stage",
    ]
    assert not [path for path in built[0].rglob("*") if path.name == "work" or path.suffix in (".draft", ".pt")]


def test_the_same_command_again_runs_nothing(built, own_data):
    before = fingerprints(built[0])
    code, shown, said = gradsim("build", *options(own_data, built[0]))
    assert code == 0 and shown == built[1]
    assert fingerprints(built[0]) == before
    assert "●" not in said and said.count("up to date, skipped") >= 7


def test_a_stage_alone_prints_the_run_directory(built, own_data):
    code, shown, said = gradsim("measure", *options(own_data, built[0]))
    assert (code, shown.strip()) == (0, str(built[0])) and "group" not in said.replace("groups", "")


def test_another_number_of_groups_measures_nothing_anew(copy, own_data):
    before = fingerprints(copy)
    code, _, said = gradsim("build", *options(own_data, copy, groups=1, settings={"ngrams.beside": "false"}))
    assert code == 0, said
    after = fingerprints(copy)
    for stage in ("encoder/", "measure/", "train/multilingual/", "identify/"):
        assert {name: v for name, v in after.items() if name.startswith(stage)} == {
            name: v for name, v in before.items() if name.startswith(stage)
        }, stage
    for file in ("group/groups.json", "evaluate/evaluation.json", "bundle/manifest.json"):
        assert after[file] != before[file]
    manifest = manifest_of(copy)
    assert len(manifest.groups) == 1
    for language in manifest.languages:  # one group of all is the multilingual model
        assert language.scores["test"].group == pytest.approx(language.scores["test"].multilingual)
    code, _, said = gradsim("build", *options(own_data, copy, groups=2))  # the models of before are found again
    assert code == 0 and manifest_of(copy).model_copy(update={"provenance": None, "files": {}}) == manifest_of_first(
        copy, before
    )
    assert "● train" not in said and "● export" not in said


def manifest_of_first(run, before):
    """Check that the models are the first ones, and return the manifest without its date and hashes."""
    after = fingerprints(run)
    models = [name for name in before if name.endswith("model.onnx")]
    assert len(models) >= 2 and all(after[name][0] == before[name][0] for name in models)
    return manifest_of(run).model_copy(update={"provenance": None, "files": {}})


def test_another_name_only_writes_the_bundle(copy, own_data):
    code, _, said = gradsim("build", *options(own_data, copy, name="mine"))
    assert code == 0 and manifest_of(copy).title == "mine@1.0.0"
    assert [line.split(" (")[0] for line in said.splitlines() if line.startswith("●")] == ["● bundle"]


def test_other_data_begin_anew(copy, own_data, tmp_path):
    shutil.copytree(own_data, tmp_path / "data")
    with (tmp_path / "data" / "eng" / "train.tsv").open("a") as stream:
        stream.write("One more.\tneutral\n")
    code, _, said = gradsim("encoder", *options(tmp_path / "data", copy))
    assert code == 0 and "● mini encoder" in said and "up to date" not in said


@pytest.mark.parametrize(
    "file", ["model.onnx", "tokenizer.json", "identifier.ftz", "similarity.json", "report/index.html"]
)
def test_a_changed_file_is_noticed(copy, file):
    path = next(path for path in (copy / "bundle").rglob(Path(file).name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"{path.name} has changed since it was written"):
        open_bundle(copy / "bundle")
    code, shown, said = gradsim("inspect", copy / "bundle")
    assert (code, shown) == (1, "") and said.startswith("Error: bundle ") and said.count("\n") == 1


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_broken_bundle_is_written_again(copy, own_data, how):
    """What the message of the reader says to do: build it again."""
    path = copy / "bundle" / "identifier.ftz"
    path.write_bytes(b"nonsense") if how == "changed" else path.unlink()
    code, _, said = gradsim("build", *options(own_data, copy))
    assert code == 0, said
    assert [line.split(" (")[0] for line in said.splitlines() if line.startswith("●")] == ["● bundle"]
    assert len(manifest_of(copy).languages) == 4


def start(words, *, until, timeout=120):
    """Start the program in a process of its own and kill it when its run directory shows what is waited for."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    script = f"{QUICKLY}; from gradsim_offline.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    ends = time.monotonic() + timeout
    while not until():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < ends, "it did not come so far"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def same_models(first, second):
    for name in ("model.onnx", "tokenizer.json", "model.safetensors", "identifier.ftz", "gradients.safetensors"):
        one, other = (
            {
                str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(run.rglob(name))
            }
            for run in (first, second)
        )
        assert one and one == other
    scores = [json.loads((run / "evaluate" / "evaluation.json").read_text()) for run in (first, second)]
    assert scores[0] == scores[1]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["pre-training", "measuring", "training", "exporting", "writing"])
def test_a_killed_build_goes_on_to_the_same_end(built, own_data, tmp_path, moment):
    out = tmp_path / "killed"
    there = {
        "pre-training": out / "encoder" / "tokenizer.json",
        "measuring": out / "measure" / "stage.json",
        "training": out / "train" / "multilingual" / "stage.json",
        "exporting": out / "export",
        "writing": out / "evaluate" / "evaluation.json",
    }[moment]
    start(["build", *options(own_data, out)], until=there.exists)
    assert not (out / "bundle").exists()
    code, _, said = gradsim("build", *options(own_data, out))
    assert code == 0, said
    if moment != "pre-training":
        assert "mini encoder: up to date, skipped" in said
    manifest_of(out)
    same_models(built[0], out)


def test_a_build_again_elsewhere_gives_the_same_models(built, own_data, tmp_path):
    code, _, said = gradsim("train", *options(own_data, tmp_path / "again"))
    assert code == 0, said
    for name in ("model.safetensors", "gradients.safetensors"):
        for path in sorted((tmp_path / "again").rglob(name)):
            first = built[0] / path.relative_to(tmp_path / "again")
            assert path.read_bytes() == first.read_bytes(), path


def test_a_build_from_a_pre_trained_directory(own_data, tiny_xlmr, tmp_path):
    out = tmp_path / "xlmr"
    words = options(own_data, out, model=tiny_xlmr, languages="eng,tur", settings={"ngrams.beside": "false"})
    code, shown, said = gradsim("build", *words)
    assert code == 0, said
    manifest = manifest_of(out)
    assert manifest.provenance.model == tiny_xlmr.name
    assert [language.code for language in manifest.languages] == ["eng", "tur"]
    assert all(group.precisions["fp32"].parity.max_difference < 1e-4 for group in manifest.groups)
    assert not (out / "encoder").exists()
    assert f"model {tiny_xlmr}" in said.replace("\n", "") and "weighted_f1 on test" in shown
    code, _, said = gradsim("build", *words)
    assert code == 0 and "●" not in said


def test_a_model_that_reads_too_few_tokens_stops_at_once(own_data, tiny_xlmr, tmp_path):
    words = options(own_data, tmp_path / "xlmr", model=tiny_xlmr, settings={"maximum_length": 128})
    code, shown, said = gradsim("build", "-q", *words)
    assert (code, shown) == (1, "") and "reads at most 64 tokens" in said and said.count("\n") == 1


def test_a_folder_of_someone_else_is_not_removed(own_data, tmp_path):
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, _, said = gradsim("build", *options(own_data, tmp_path))
    assert code == 1
    assert "is not a stage of a build" in said and "choose another --out" in said
    assert (tmp_path / "encoder" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_what_is_damaged_is_made_again(copy, own_data):
    (copy / "encoder" / "model.safetensors").unlink()
    (copy / "group" / "groups.json").write_text("{}", encoding="utf-8")
    code, _, said = gradsim("build", *options(own_data, copy))
    assert code == 0, said
    assert "mini encoder (its results are not whole)" in said and "group (its results are not whole)" in said
    assert "measure: gradient similarity: up to date" in said


def test_another_similarity_that_leaves_the_groups_as_they_are_reaches_the_bundle(copy, own_data):
    file, grouped = copy / "measure" / "similarity.json", [set(group.members) for group in manifest_of(copy).groups]
    content = json.loads(file.read_text(encoding="utf-8"))
    pairs = [(i, j) for i, a in enumerate(LANGUAGES) for j, b in enumerate(LANGUAGES) if i < j]
    i, j = next((i, j) for i, j in pairs if not any({LANGUAGES[i], LANGUAGES[j]} <= group for group in grouped))
    value = str(content["similarity"][i][j])
    other = next(new for end in "123456789" if len(new := str(float(value[:-1] + end))) == len(value) and new != value)
    content["similarity"][i][j] = content["similarity"][j][i] = float(other)
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")  # of the same size
    code, _, said = gradsim("build", *options(own_data, copy))
    assert code == 0 and "measure: gradient similarity: up to date" in said, said
    assert (copy / "bundle" / "similarity.json").read_bytes() == file.read_bytes()


def test_new_test_texts_are_scored_and_nothing_is_trained_again(copy, own_data, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(own_data, data)
    with (data / "eng" / "test.tsv").open("a", encoding="utf-8") as stream:
        stream.write("A new sentence about the bus.\tneutral\n")
    code, _, said = gradsim("build", *options(data, copy))
    assert code == 0, said
    assert "evaluate (changed: data" in said
    for stage in ("mini encoder", "measure: gradient similarity", "language identifier"):
        assert f"{stage}: up to date" in said


def test_two_builds_do_not_share_a_run_directory(copy, own_data):
    from filelock import FileLock

    with FileLock(copy / ".lock"):
        code, _, said = gradsim("build", *options(own_data, copy))
    assert code == 1
    assert "another build is at work in" in said


def test_a_measure_with_nested_settings_gets_into_the_bundle(own_data, tmp_path):
    changes = {"grouping.singleton_score": "self", "exporting.assignment": "false"}
    said = gradsim(
        "build", *options(own_data, tmp_path, languages="eng,hau", model="ngrams", measure="family", settings=changes)
    )
    settings = open_bundle(tmp_path / "bundle").manifest.similarity.settings
    assert isinstance(settings["families"], dict), said
