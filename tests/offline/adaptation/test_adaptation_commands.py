"""``sprachbund`` and ``adapt`` as they are typed: files, tables, what is skipped, each mistake in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from gradsim_offline import cli
from gradsim_offline.experiments.adapt_encoders import read_members
from gradsim_offline.training.adapt import ADAPTED
from gradsim_offline.training.masked_language_modelling import open_masked
from gradsim_shared.errors import DataError

QUICK = ("--epochs", 1, "--batch-size", 16, "--maximum-length", 64, "--learning-rate", 1e-3)


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
    assert error.startswith("Error: ") and error.count("\n") == 1, error
    for part in parts:
        assert part in error, error


def test_from_text_to_one_encoder_for_each_sprachbund(run, folder, tiny_xlmr, tmp_path):
    out = tmp_path / "gathered"
    words = ("sprachbund", "--model", tiny_xlmr, "--text", folder, "--groups", 2, "--maximum-length", 64, "--out", out)
    code, shown, error = run(*words)
    assert (code, shown.splitlines()[-1]) == (0, str(out / "sprachbunds.json")), error
    assert "pivot" in shown and "Adjusted Rand index" in shown
    for name in ("sprachbunds.svg", "sprachbunds.png", "sprachbund-tree.svg", "sprachbund-tree.png"):
        assert (out / name).stat().st_size > 1000
    content = json.loads((out / "sprachbunds.json").read_text())
    assert content["languages"] == ["eng", "hau", "tur"] and content["counts"] == {"eng": 17, "hau": 30, "tur": 9}
    assert sorted(code for group in content["groups"] for code in group["members"]) == content["languages"]
    assert all(group["pivot"] in group["members"] for group in content["groups"])
    assert "represent 3 languages: up to date, skipped" in run(*words[:6], 3, *words[7:])[2]

    (out / "sprachbunds.json").write_text(json.dumps(content))
    words = ("adapt", "--model", tiny_xlmr, "--text", folder, "--groups", out / "sprachbunds.json", *QUICK)
    code, shown, error = run(*words, "--out", tmp_path / "adapted")
    assert code == 0, error
    assert "Perplexity of hidden pieces" in shown and "before" in shown
    encoders = [tmp_path / "adapted" / group["id"] for group in content["groups"]]
    assert shown.splitlines()[-2:] == [str(directory) for directory in encoders]
    for group, directory in zip(content["groups"], encoders, strict=True):
        found = json.loads((directory / ADAPTED).read_text())
        assert list(found["perplexity"]) == list(found["texts"]) == group["members"] and found["new_head"]
        assert not (directory / "work").exists()
        assert not open_masked(directory, maximum_length=64, seed=0).new_head
    whole = json.loads((tmp_path / "adapted" / "adapt.json").read_text())
    assert [one["id"] for one in whole["encoders"]] == ["g1", "g2"]
    assert run(*words, "--out", tmp_path / "adapted")[2].count("up to date, skipped") == 2


def test_adapt_reads_a_data_set_without_labels(run, small, tiny_mini, tmp_path, monkeypatch):
    from gradsim_offline.datasets.sources import demo

    monkeypatch.setattr(demo, "load", lambda *_: small)
    code, shown, error = run(
        "adapt", "--model", tiny_mini, "--data", "demo", *QUICK, "--out", tmp_path / "one", "--held-out", 4
    )
    assert (code, shown.splitlines()[-1]) == (0, str(tmp_path / "one" / "encoder")), error
    assert not open_masked(tmp_path / "one" / "encoder", maximum_length=64, seed=0).new_head
    words = ("sprachbund", "--model", tmp_path / "one" / "encoder", "--data", "demo", "--groups", 1, "-q")
    code, shown, error = run(*words, "--maximum-length", 64, "--pooling", "mean", "--out", tmp_path / "gathered")
    assert (code, shown, error) == (0, f"{tmp_path / 'gathered' / 'sprachbunds.json'}\n", "")


def test_unread_files_are_named(run, folder, tiny_mini, tmp_path):
    for name in ("yor.txt.gz", "notes.md", "hau/c.TSV"):
        (folder / name).write_text("nothing")
    words = ("--model", tiny_mini, "--text", folder, "--maximum-length", 64, "--out", tmp_path / "out")
    for command in (("sprachbund", "--groups", 1, "--pooling", "mean"), ("adapt", "--epochs", 1)):
        code, _, error = run(*command, *words)
        assert code == 0 and "texts: not read: hau/c.TSV, notes.md, yor.txt.gz" in error, error
    (folder / "yor").mkdir()
    (folder / "yor" / "a.jsonl").write_text("{}")
    refused(run("adapt", *words, "-q"), "text/yor: no text in it; expected *.txt", "found a.jsonl")
    assert run("sprachbund", "--groups", 1, "--pooling", "mean", *words, "--languages", "eng,hau")[0] == 0


def test_invalid_options_are_one_message(run, folder, tiny_mini, tiny_xlmr, tmp_path):
    adapt = ("adapt", "--model", tiny_mini, "--maximum-length", 64, "--out", tmp_path / "out", "-q")
    gather = ("sprachbund", "--model", tiny_mini, "--maximum-length", 64, "--out", tmp_path / "out", "-q", "--groups")
    refused(run(*adapt), "either --text DIR", "--data NAME")
    refused(run(*adapt, "--text", folder, "--data", "demo"), "either --text DIR")
    column = ("--set", "data_options.text_column=review")
    refused(run(*adapt, "--text", folder, *column), "--set data_options.text_column goes with --data")
    refused(run(*adapt, "--data", "demo", *column), "the data set demo has no settings, not text_column")
    refused(run(*gather, 4, "--text", folder), "--groups 4: 3 languages make at most", "set 3 or fewer")
    refused(run(*gather, 1, "--text", folder, "--languages", "eng"), "only one language, eng")
    pooler = ("--model", tiny_xlmr, "--text", folder, "--pooling", "pooler")
    refused(run(*gather, 1, *pooler), "has no trained pooler")
    refused(run(*adapt, "--text", folder, "--groups", tmp_path / "none.json"), "none.json", "sprachbund` writes it")
    shutil.copytree(tiny_mini, tmp_path / "again" / "encoder")
    inside = ("adapt", "--model", tmp_path / "again" / "encoder", "--text", folder, "--out", tmp_path / "again")
    refused(run(*inside), "would overwrite the encoder that it starts from")
    groups = tmp_path / "groups.json"
    groups.write_text('{"groups": [{"id": "g1", "members": ["yor"]}]}')
    refused(run(*adapt, "--text", folder, "--groups", groups), "'yor'", "languages of --groups")
    refused(run("adapt", "--model", "mini", "--text", folder), "mini is made by a build")
    long = run(*adapt[:3], "--text", folder, "--out", tmp_path / "out", "-q")
    refused(long, "reads at most 64 tokens", "--maximum-length 64")
    (folder / "yor.txt").write_bytes(b"\xff\xfe")
    refused(run(*adapt, "--text", folder), "yor.txt, line 1: not UTF-8")
    (folder / "yor.txt").write_bytes(b"\n")
    refused(run(*gather, 2, "--text", folder), "yor.txt: no text for yor")


def test_training_from_sprachbunds(run, folder, tiny_mini, tmp_path):
    words = ("sprachbund-train", "--adapted", tmp_path, "--data", "demo", "--model", tiny_mini, "-q")
    out = ("--out", tmp_path / "out", "--sprachbunds")
    refused(run(*words, *out, tmp_path / "none.json"), "none.json", "`gradsim-offline sprachbund` writes it")
    assert run("sprachbund-train", "--data", "demo")[0] == 2


def test_help_loads_no_torch():
    commands = ("adapt", "sprachbund", "sprachbund_train")
    script = f"""
import importlib, sys
for name in {commands!r}:
    importlib.import_module("gradsim_offline.cli." + name).command.get_help
print([name for name in ("torch", "transformers", "sklearn", "matplotlib", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "[]",
        "{}",
        '{"groups": []}',
        '{"groups": [{"id": "g1"}]}',
        '{"groups": [{"id": "g1", "members": []}]}',
        '{"groups": [{"id": "../g1", "members": ["eng"]}]}',
        '{"groups": [{"id": "g1", "members": ["eng"]}, {"id": "g1", "members": ["hau"]}]}',
    ],
)
def test_invalid_group_files_are_refused(tmp_path, content):
    path = tmp_path / "groups.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"--groups .*groups.json"):
        read_members(path)
