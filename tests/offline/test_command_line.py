"""Everything that a user types at ``gradsim-offline``: help, lists, each mistake in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from pathlib import Path

import pytest

from gradsim_offline import cli
from gradsim_offline.core import plugins
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.grouping.solver import Solver
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.similarity.measure import SimilarityMeasure
from gradsim_offline.training.strategy import TrainingStrategy
from gradsim_offline.training.task import Task

COMMANDS = (
    "doctor",
    "plan",
    "build",
    "inspect",
    "push",
    "pull",
    "evaluate",
    "compare",
    "sweep",
    "analyse",
    "assign",
    "encoder",
    "measure",
    "group",
    "train",
    "export",
    "identify",
    "few-shot",
    "sprachbund",
    "adapt",
    "sprachbund-train",
    "retrieve",
    "list",
    "settings",
)
ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "onnxruntime", "datasets", "sklearn", "matplotlib")


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that calls the program as the shell does: returns exit code, standard output, standard error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["gradsim-offline", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, error = capsys.readouterr()
        return ended.value.code, out, error

    return call


def refused(answer, *parts):
    code, out, error = answer
    assert (code, out) == (1, "")
    assert error.startswith("Error: ") and error.count("\n") == 1 and "Traceback" not in error
    for part in parts:
        assert part in error, error


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(run, command):
    code, out, error = run(command, "--help")
    assert (code, error) == (0, "")
    assert out.startswith(f"Usage: gradsim-offline {command}") and "--help" in out


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0 and out.startswith("Usage: gradsim-offline [OPTIONS] COMMAND")
    listed = [
        line.split()[0] for line in out.split("First:")[1].splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert tuple(listed) == COMMANDS
    assert run("-h")[0] == 0


@pytest.mark.parametrize(
    "words", [["--help"], ["build", "--help"], ["list"], ["settings"], ["--version"], ["build", "--data", "x"]]
)
def test_light_commands_load_nothing_heavy(words):
    script = f"""
import sys
sys.argv = ["gradsim-offline", *{words!r}]
from gradsim_offline.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_list_as_json(run):
    code, out, error = run("list", "solvers", "--json")
    assert (code, error) == (0, "") and "exact" in json.loads(out)["solvers"]


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0 and out.startswith("gradsim-offline, version ")


@pytest.mark.parametrize(
    "words",
    [
        ["compile"],
        ["build", "--grups", "3"],
        ["build", "--groups", "0"],
        ["build", "--groups", "many"],
        ["build", "surplus"],
        ["build", "--epochs"],
        ["list", "nothing"],
        ["inspect"],
    ],
)
def test_wrong_usage_exits_with_2(run, words):
    code, out, error = run(*words)
    assert (code, out) == (2, "")
    assert "Error: " in error and "Traceback" not in error


@pytest.mark.parametrize(("typed", "meant"), [("encodr", "encoder"), ("Build", "build"), ("setting", "settings")])
def test_an_unknown_command_names_the_nearest(run, typed, meant):
    code, out, error = run(typed, "--help")
    assert (code, out) == (2, "")
    assert error.endswith(f"Error: No such command '{typed}'. Did you mean {meant}?\n")
    assert "Did you mean" not in run("zzz")[2]
    assert run("serve")[2].endswith("Bundles are served by another command: gradsim-serve --help\n")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["--data", "afrisent"],
            [
                "unknown data set 'afrisent'. Did you mean afrisenti?",
                "Known: afrisenti, demo, demo_entities, files, masakhaner, pawsx, sick, tydiqa, ud, wikiann, xnli,",
            ],
        ),
        (["--solver", "exakt"], ["unknown solver 'exakt'. Did you mean exact?"]),
        (["--measure", "gradients"], ["unknown similarity measure 'gradients'. Did you mean gradient"]),
        (["--set", "training.epoch=3"], ["unknown setting 'training.epoch'. Did you mean training.epochs"]),
        (["--recipe", "dmeo"], ["unknown recipe 'dmeo'. Did you mean demo", "Or name a .toml file."]),
        (["--recipe", "none.toml"], ["the recipe none.toml does not exist"]),
        (["--set", "epochs"], ["--set epochs: write it as name=value"]),
        (["--set", "training.epochs=0"], ["training.epochs = 0: ", "greater than 0"]),
        (["--set", "training.epochs=x"], ["training.epochs = 'x': "]),
        (["--set", "training=5"], ["training = 5: "]),
        (["--set", "model.size=5"], ["model.size: model is a setting, not a section"]),
        (["--set", "measuring.layers=[]"], ["measuring.layers = []: "]),
        (["--set", "languages=hau"], ["languages = 'hau': "]),
        (["--languages", ""], ["languages = []", "name at least one language"]),
        (["--languages", "hau,xx"], ["unknown language 'xx'", "Known: eng, hau"]),
        (["--data", "demo", "--data-dir", "."], ["demo takes no --data-dir; for your own texts use --data files"]),
        (["--data", "files", "--data-dir", __file__], [f"{__file__}: a table for all languages is one of"]),
        (["--data", "afrisenti", "--data-dir", __file__], [f"{__file__} is not a directory"]),
        (["--data", "files"], ["the data set files needs --data-dir"]),
        (["--data", "files", "--data-dir", "/nowhere"], ["/nowhere: there is no such file or directory"]),
        (["--data", "afrisenti", "--data-dir", "/nowhere"], ["/nowhere is not a directory"]),
        (["--data", "reviews.csv"], ["--data reviews.csv: there is no such file or directory, and no data set"]),
        (["--device", "tpu"], ["unknown device 'tpu'", "Known: auto, cpu, cuda, mps"]),
        (["--model", "no-such/model"], ["no-such/model", "Three ways on: --model mini"]),
        (
            ["--singleton-score", "nought", "--set", "pretraining.epochs=0"],
            ["nought", "self, split-half, zero, forbid"],
        ),
        (["--set", "measuring.layers=['tail']"], ["measuring.layers", "'tail'"]),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, monkeypatch, words, parts):
    monkeypatch.chdir(tmp_path)
    data = [] if "--data" in words else ["--data", "demo"]
    languages = [] if "--languages" in words or data == [] else ["--languages", "hau,tur"]
    tiny = [
        "--set",
        "pretraining.vocabulary=300",
        "--set",
        "pretraining.ngram_buckets=64",
        "--set",
        "pretraining.layers=0",
    ]
    quick = ["--set", "measuring.epochs=1", "--set", "pretraining.epochs=0", "--set", "measuring.minimum_steps=0"]
    refused(run("build", "-q", *data, *languages, *tiny, *quick, *words, "--out", tmp_path / "out"), *parts)


def test_data_errors_name_file_and_line(run, tmp_path):
    folder = tmp_path / "mine" / "hau"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_bytes(b"text\tlabel\na\tx\nb\ty\nc\n")
    answer = run("measure", "-q", "--data", "files", "--data-dir", tmp_path / "mine", "--out", tmp_path / "out")
    refused(answer, f"{folder}/train.tsv:4: 1 tab-separated fields; the header has 2")
    assert not (tmp_path / "out").exists()


def test_no_error_is_as_long_as_what_it_quotes(run, tmp_path):
    _, _, error = run("build", "--set", "training.epochs=" + "x" * 90_000, "--out", tmp_path / "out")
    assert error.startswith("Error: training.epochs = 'xxx") and len(error) < 1100 and error.count("\n") == 1


def test_a_build_names_what_it_does_not_read(run, tmp_path):
    for name in ("hau/train.tsv", "hau/valid.tsv", "yor/train.tsv", "hau/more.tsv"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("text\tlabel\na b\tx\nc d\ty\n")
    tiny = ("--set", "pretraining.epochs=0", "--set", "pretraining.layers=0", "--set", "pretraining.vocabulary=300")
    words = ("encoder", "--model", "mini", "--data", tmp_path / "mine", *tiny, "--out", tmp_path / "out")
    code, _, error = run(*words)
    assert code == 0 and "  files: not read: hau/more.tsv\n" in error, error
    (tmp_path / "mine" / "hau" / "dev.tsv").write_text("text\tlabel\n")
    refused(run(*words), "mine/hau: dev.tsv and valid.tsv: keep one of them")


def test_a_recipe_that_is_not_toml(run, tmp_path):
    (tmp_path / "mine.toml").write_text("data = demo")
    refused(run("build", "--recipe", tmp_path / "mine.toml"), "is not valid TOML")


def test_an_output_directory_that_cannot_be_made(run, tmp_path):
    (tmp_path / "file").write_text("")
    refused(run("build", "--out", tmp_path / "file" / "below"), f"{tmp_path / 'file' / 'below'}", ": Not a directory")
    assert run("build", "--out", tmp_path / "file")[0] == 2


def test_inspecting_a_bundle_tells_what_its_groups_share(run, trunk_pooled):
    code, said, _ = run("inspect", trunk_pooled)
    assert code == 0
    assert "Trunk: fp32, 0.0 MB, cosine 1.0000 to the encoder's outputs; read by g0 g1 g2" in said


def test_inspecting_what_is_no_bundle(run, tmp_path):
    refused(run("inspect", tmp_path), "is no bundle: it has no manifest.json", "runs/demo/bundle")
    (tmp_path / "manifest.json").write_text("{")
    refused(run("inspect", tmp_path), "is not valid JSON")


def test_an_interrupt_says_how_to_go_on(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gradsim_offline.pipeline.recipes.resolve", interrupted)
    code, _, error = run("build")
    assert code == 130 and error.strip().endswith("Interrupted. The same command resumes where it stopped.")


def test_a_missing_package_names_the_extra():
    script = """
import sys
sys.modules["pycountry"] = None
sys.argv = ["gradsim-offline", "build", "--data", "files"]
from gradsim_offline.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    answer = (done.returncode, done.stdout, done.stderr)
    refused(answer, "pycountry is not installed; run: pip install 'gradsim-router[offline]'")


UNEXPECTED = [
    (
        RuntimeError("CUDA out of memory. Try less.\nMore."),
        "unexpected RuntimeError: CUDA out of memory. Try less. What",
    ),
    (
        BrokenProcessPool(""),
        "unexpected BrokenProcessPool. What was computed is kept. GRADSIM_TRACEBACK=1 shows where.",
    ),
    (
        ImportError("cannot import name 'x' from 'torch'"),
        "unexpected ImportError: cannot import name 'x' from 'torch'.",
    ),
    (ModuleNotFoundError("No module", name="gradsim_offline.x"), "unexpected ModuleNotFoundError: No module. What"),
    (OSError("no connection"), "unexpected OSError: no connection. What was computed is kept."),
    (OSError(28, "No space left on device"), "Error: No space left on device\n"),
    (PermissionError(13, "Permission denied", "a/b"), "Error: a/b: Permission denied\n"),
]


@pytest.mark.parametrize(("error", "message"), UNEXPECTED)
def test_what_nobody_expected_is_one_line_or_a_traceback(run, monkeypatch, error, message):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("gradsim_offline.pipeline.recipes.resolve", fails)
    monkeypatch.delenv("GRADSIM_TRACEBACK", raising=False)
    refused(run("build"), message)
    monkeypatch.setenv("GRADSIM_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["gradsim-offline", "build"])
    with pytest.raises(type(error)) as raised:
        cli.main()
    assert raised.value is error


def test_epochs_are_exact(run, monkeypatch):
    seen = []
    monkeypatch.setattr("gradsim_offline.pipeline.build.build", lambda settings, *_, **__: seen.append(settings))
    for words in ([], ["--epochs", "7"], ["--epochs", "7", "--set", "training.minimum_steps=9"]):
        assert run("measure", *words)[0] == 0
    found = [(s.measuring.epochs, s.measuring.minimum_steps, s.training.epochs, s.training.minimum_steps) for s in seen]
    recipe = resolve("demo", {})
    assert found[0][1::2] == (recipe.measuring.minimum_steps, recipe.training.minimum_steps)
    assert found[1:] == [(7, 0, 7, 0), (7, 0, 7, 9)]


def test_list_shows_licence_and_citation_of_data_sets(run):
    lines = run("list", "datasets")[1].splitlines()
    for name in plugins.names("datasets"):
        module = import_module(f"gradsim_offline.datasets.sources.{name}")
        origin = lines[next(i for i, line in enumerate(lines) if line.startswith(f"  {name} ")) + 1]
        assert origin.strip() == "Licence: " + "; ".join(filter(None, [module.LICENCE, module.CITATION]))
    assert "Licence" not in run("list", "solvers")[1]


def test_list_shows_every_plugin_with_its_first_line(run):
    code, out, _ = run("list")
    assert code == 0
    for kind in plugins.KINDS:
        assert f"{kind}:" in out.splitlines()
        for name in plugins.names(kind):
            assert f"  {name:<22} {plugins.description(kind, name)}" in out.splitlines()
            assert len(plugins.description(kind, name)) > 20
    assert "exact" in [line.split()[0] for line in run("list", "solvers")[1].splitlines()[1:]]


RECORDS = {
    "datasets": DatasetSource,
    "similarity": SimilarityMeasure,
    "solvers": Solver,
    "strategies": TrainingStrategy,
    "tasks": Task,
}


@pytest.mark.parametrize("kind", [kind for kind, what in plugins.KINDS.items() if not what.toml and kind != "encoders"])
def test_every_plugin_loads_and_is_a_record_of_its_kind(kind):
    for name in plugins.names(kind):
        assert isinstance(plugins.load(kind, name, RECORDS[kind]), RECORDS[kind])
