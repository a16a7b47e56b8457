"""A whole comparison through the command line: its figures, what is trained once, what goes on, what is kept."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from filelock import FileLock
from sklearn.metrics import f1_score

from gradsim_offline.datasets.sources import files
from gradsim_offline.experiments import runner
from gradsim_offline.report.verdicts.comparison import verdict

from ..program import gradsim
from .conftest import LANGUAGES, METHODS, SEEN, SIZES

SECONDS = ("train_seconds", "measure_seconds")


def result_of(run, name="compare"):
    return json.loads((run / f"{name}.json").read_text(encoding="utf-8"))


def without_seconds(result):
    for by_seed in result["cost"].values():
        for cost in by_seed.values():
            for name in SECONDS:
                cost.pop(name)
    return result


def trained(run):
    """Count the trainings, by seed and folder."""
    found = Counter()
    for seed in (0, 1):
        lines = (run / f"seed-{seed}" / "metrics.jsonl").read_text().splitlines()
        done = [json.loads(line) for line in lines]
        found.update((seed, line["stage"]) for line in done if "seconds" in line and line["stage"].startswith("train/"))
    return found


def folders(run, seed=0):
    return {path.name for path in (run / f"seed-{seed}").iterdir()}


@pytest.fixture
def copy(compared, tmp_path):
    """A copy of the finished run that a test may change."""
    shutil.copytree(compared[0], tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run"


def test_compare_json_holds_methods_groups_and_similarities(compared):
    result = result_of(compared[0])
    assert (result["data"], result["metric"], result["seeds"]) == ("data", "weighted_f1", [0, 1])
    assert result["languages"] == list(LANGUAGES) and result["groups_setting"] == [1, 3, 2]
    assert [(m["name"], m["measure"], m["solver"], m["oracle"]) for m in result["methods"]] == [
        (name, "gradient", "exact", False) for name in METHODS
    ]
    assert result["methods"][1]["description"] == "Each for itself" and result["methods"][0]["description"] == ""
    assert result["counts"]["dev"] == {code: sizes[1] for code, sizes in SIZES.items()}
    assert result["counts"]["test"] == {code: sizes[2] for code, sizes in SIZES.items()}
    assert result["counts"]["test_unseen"] == {code: sizes[2] - SEEN[code] for code, sizes in SIZES.items()}
    assert [g["members"] for g in result["groups"]["together"]["0"]] == [list(LANGUAGES)]
    assert [g["served"] for g in result["groups"]["alone"]["1"]] == [[code] for code in LANGUAGES]
    for name in METHODS:
        for seed in ("0", "1"):
            matrix = np.array(result["similarity"][name][seed]["matrix"])
            assert matrix.shape == (3, 3) and result["similarity"][name][seed]["languages"] == list(LANGUAGES)
            assert result["grouping"][name][seed]["proven"]
    assert result["similarity"]["alone"]["0"] == result["similarity"]["pairs"]["0"]
    assert result["similarity"]["alone"]["0"] != result["similarity"]["alone"]["1"]
    assert (
        "1 epoch(s) over its own texts, 8 texts per step" in result["equal"]
        and "at most 1, or at most 3, or at most 2" in result["equal"]
    )


def test_scores_are_scikit_learns_on_the_kept_answers(compared, inputs):
    run, result = compared[0], result_of(compared[0])
    dataset = files.load(inputs / "data")
    for seed in ("0", "1"):
        for code in LANGUAGES:
            kept = json.loads((run / f"seed-{seed}" / "predictions" / code / "predictions.json").read_text())["answers"]
            for split in ("dev", "test"):
                gold = [example.label for example in dataset.split(code, split)]
                answers = [dataset.labels[i] for i in kept[split][code]]
                expected = f1_score(gold, answers, average="weighted", zero_division=0)
                assert result["scores"][split]["alone"][seed][code] == pytest.approx(expected)
            known = {e.text for split in ("train", "dev") for e in dataset.split(code, split)}
            unseen = [i for i, example in enumerate(dataset.split(code, "test")) if example.text not in known]
            assert len(unseen) == SIZES[code][2] - SEEN[code]
            expected = f1_score(
                [gold[i] for i in unseen], [answers[i] for i in unseen], average="weighted", zero_division=0
            )
            assert result["scores"]["test_unseen"]["alone"][seed][code] == pytest.approx(expected)


def test_averages_over_languages_then_over_seeds(compared):
    result = result_of(compared[0])
    for split, by_method in result["averages"].items():
        sizes = np.array([result["counts"][split][code] for code in LANGUAGES])
        for name, found in by_method.items():
            scores = np.array([[result["scores"][split][name][s][code] for code in LANGUAGES] for s in ("0", "1")])
            for average, weights in (("plain", np.ones(3)), ("weighted", sizes)):
                expected = scores @ weights / weights.sum()
                assert list(found[average]["seeds"].values()) == pytest.approx(expected)
                assert found[average]["mean"] == pytest.approx(expected.mean())
                assert found[average]["sd"] == pytest.approx(expected.std(ddof=1))


def test_every_pair_of_methods_is_tested_on_every_average_and_subset(compared):
    result = result_of(compared[0])
    assert len(result["tests"]) == 3 * 2 * 3  # sets, averages, pairs
    for test in result["tests"]:
        means = [
            result["averages"][test["split"]][test[side]][test["average"]]["mean"] for side in ("method", "against")
        ]
        assert test["difference"] == pytest.approx(means[0] - means[1], abs=1e-12)
        assert 1 / 301 <= test["p"] <= test["p_holm"] <= 1


def test_a_group_is_trained_once_and_the_joint_run_is_the_multilingual_model(compared):
    run, _, said = compared
    result = result_of(run)
    for seed in (0, 1):
        wanted = {
            (*group["members"], "serves", *group["served"])
            for name in METHODS
            for group in result["groups"][name][str(seed)]
            if len(group["members"]) < 3
        }
        assert sum(count for (number, _), count in trained(run).items() if number == seed) == len(wanted)
    assert said.count("the measured joint model is that model, not trained again") == 2
    assert said.count("● mini encoder") == 1


def test_costs_are_those_of_each_method_alone(compared):
    result = result_of(compared[0])
    texts = {code: sizes[0] for code, sizes in SIZES.items()}
    for seed in ("0", "1"):
        for name in METHODS:
            members = [group["members"] for group in result["groups"][name][seed]]
            counts = [sum(texts[code] for code in group) for group in members]
            cost = result["cost"][name][seed]
            assert cost["texts_seen"] == sum(counts)  # one epoch
            assert cost["steps"] == sum(-(-count // 8) for count in counts)
            assert cost["train_seconds"] > 0 and cost["measure_seconds"] > 0


def test_no_model_is_left_but_the_encoder(compared):
    assert [path.parent.name for path in compared[0].rglob("*.safetensors")] == ["encoder"]
    assert folders(compared[0]) == {"measure", "group", "predictions", "metrics.jsonl"}


def test_the_same_command_again_trains_nothing_and_writes_the_same(copy, words):
    before = {name: (copy / name).read_bytes() for name in ("compare.json", "compare.md", "compare.tex")}
    log = trained(copy)
    code, _, said = gradsim(*words("compare", copy, METHODS, permutations=300))
    assert code == 0, said
    assert {name: (copy / name).read_bytes() for name in before} == before
    assert trained(copy) == log and "● train" not in said and "● measure" not in said


def test_a_second_comparison_in_the_same_run_directory_is_refused(copy, words):
    with FileLock(copy / ".lock"):
        code, shown, said = gradsim(*words("compare", copy, METHODS), "-q")
    assert (code, shown) == (1, "") and said.startswith(f"Error: another build is at work in {copy}")


def test_one_more_method_trains_only_what_is_new(copy, words, tmp_path):
    """Every language served alone, but with helpers: no group that was there; its models are kept."""
    log, before = trained(copy), result_of(copy)
    own = tmp_path / "other.toml"
    own.write_text('measure = "gradient"\n[grouping]\ngroups = 3\nsingleton_score = "forbid"\n')
    changed = words("compare", copy, METHODS, permutations=300)
    changed[changed.index("--methods") + 1] += f",{own}"
    code, _, said = gradsim(*changed, "--keep-models")
    assert code == 0, said
    after = result_of(copy)
    for name in METHODS:
        assert after["scores"]["test"][name] == before["scores"]["test"][name]
    old = {
        (seed, *group["members"], "serves", *group["served"])
        for name in METHODS
        for seed, groups in before["groups"][name].items()
        for group in groups
    }
    found = {
        (seed, *group["members"], "serves", *group["served"])
        for seed, groups in after["groups"]["other"].items()
        for group in groups
    }
    new = trained(copy) - log
    assert new.total() == len(found - old) > 0
    assert {path.parent.name for path in copy.rglob("train/*/model.safetensors")} == {stage[6:] for _, stage in new}


def test_an_interrupted_comparison_goes_on_to_the_same_end(compared, words, tmp_path, monkeypatch):
    """Interrupted while the third model answers."""
    calls, answers = [], runner._answers

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return answers(*arguments)

    monkeypatch.setattr(runner, "_answers", interrupted)
    code, _, said = gradsim(*words("compare", tmp_path / "run", METHODS, permutations=300))
    assert code == 130 and "resumes where it stopped" in said
    monkeypatch.undo()
    code, _, said = gradsim(*words("compare", tmp_path / "run", METHODS, permutations=300))
    assert code == 0 and "resumes where it stopped" in said
    assert without_seconds(result_of(tmp_path / "run")) == without_seconds(result_of(compared[0]))


def test_the_joint_runs_model_answers_as_one_trained_alone(compared, words, tmp_path):
    """A joint run on half of the data is no multilingual model, which is then trained: to the very same answers."""
    code, _, said = gradsim(
        *words("compare", tmp_path / "run", ["together"], seeds=1), "--set", "measuring.fraction=0.5"
    )
    assert code == 0 and "● train eng hau tur" in said
    name = "seed-0/predictions/eng-hau-tur/predictions.json"
    one, other = (json.loads((run / name).read_text())["answers"] for run in (compared[0], tmp_path / "run"))
    assert one == other


def test_one_seed_gives_a_table_without_tests(copy, words):
    code, shown, _ = gradsim(*words("compare", copy, METHODS, seeds=1))
    assert code == 0 and "not tested" in shown and "One seed." in shown and "±" not in shown.split("One seed")[0]
    result = result_of(copy)
    assert result["tests"] == [] and result["averages"]["test"]["alone"]["plain"]["sd"] is None


def test_the_printed_table_holds_the_averages(compared):
    out, shown, _ = compared
    result = result_of(out)
    for name in METHODS:
        line = next(line for line in shown.splitlines() if line.startswith(name))
        numbers = [result["averages"]["test"][name][average] for average in ("plain", "weighted")]
        for number in numbers:
            assert f"{100 * number['mean']:.2f}" in line and f"± {100 * number['sd']:.2f}" in line
    assert "compare.json" in shown and "test without the texts that also stand in train or dev" in shown


def test_the_verdict_comes_last_in_the_terminal_and_first_on_the_page(compared):
    out, shown, _ = compared
    said = verdict(result_of(out))
    assert shown.rstrip().splitlines()[-len(said) :] == said
    assert f'<p class="verdict">{said[0]}</p>' in (out / "compare.html").read_text(encoding="utf-8")


def test_auto_k_does_not_change_the_baselines(words, tmp_path):
    run = tmp_path / "run"
    given = words("compare", run, groups="auto", seeds=1)
    code, _, said = gradsim(*given, "--methods", "multilingual,family,gradient,random", "--no-test")
    assert code == 0, said
    found = {name: result_of(run / "seed-0" / "group" / name, "groups") for name in result_of(run)["groups"]}
    assert [group["members"] for group in found["multilingual"]["groups"]] == [list(LANGUAGES)]
    assert [group["members"] for group in found["family"]["groups"]] == [[code] for code in LANGUAGES]
    assert [(found[name]["solver"], found[name]["curve"]) for name in ("multilingual", "family")] == [
        ("single", []),
        ("family", []),
    ]
    sizes = [sorted(len(group["members"]) for group in found[name]["groups"]) for name in ("gradient", "random")]
    assert sizes[0] == sizes[1] and len(found["gradient"]["curve"]) == 3
    assert found["random"]["curve"] == found["gradient"]["curve"]
