"""A sweep over a setting of training: variants beside each other, measured once, tested against each other."""

from __future__ import annotations

import json
import shutil

import pytest

from ..program import gradsim


@pytest.fixture(scope="module")
def swept(compared, words, inputs, tmp_path_factory):
    """A sweep over strategies in a copy of the finished comparison's folder; its result and what it said."""
    run = tmp_path_factory.mktemp("over") / "run"
    shutil.copytree(compared[0], run, copy_function=shutil.copy2)
    methods = ",".join(str(inputs / f"{name}.toml") for name in ("together", "pairs"))
    asked = words("sweep", run, over="training.strategy=mixed,pcgrad", method=methods, permutations=50)
    code, shown, said = gradsim(*asked, "--set", "grouping.groups=2")
    assert code == 0, said
    return run, asked, shown, said


def test_variants_stand_in_one_table_and_are_tested_against_each_other(compared, swept):
    run, _, shown, _ = swept
    result = json.loads((run / "sweep-training-strategy.json").read_text())
    names = [method["name"] for method in result["methods"]]
    assert names == ["together+mixed", "together+pcgrad", "pairs+mixed", "pairs+pcgrad"]
    assert result["sweep"] == {"over": "training.strategy", "values": ["mixed", "pcgrad"]}
    assert {(test["method"], test["against"]) for test in result["tests"]} >= {("together+mixed", "together+pcgrad")}
    assert "But training.strategy is mixed, pcgrad" in result["equal"]
    before = json.loads((compared[0] / "compare.json").read_text())
    assert result["scores"]["test"]["pairs+mixed"] == before["scores"]["test"]["pairs"]  # found, not trained again
    assert result["groups"]["pairs+pcgrad"] == result["groups"]["pairs+mixed"]  # S is the same
    assert "sweep-training-strategy.json" in shown


def test_shares_of_gradients_in_conflict_are_reported(swept):
    run, _, _, _ = swept
    result = json.loads((run / "sweep-training-strategy.json").read_text())
    assert set(result["conflicts"]) == {"together+pcgrad", "pairs+pcgrad"}  # plain training compares none
    for method, found in result["conflicts"].items():
        costs = result["cost"][method].values()
        compared, conflicts = (sum(cost[name] for cost in costs) for name in ("compared", "conflicts"))
        assert compared > 0 and found["share"] == pytest.approx(conflicts / compared)
        assert 0 < found["share"] < 1 and -1 < found["cosine"] < 1
    assert all(cost["compared"] == 0 for cost in result["cost"]["pairs+mixed"].values())
    page = (run / "sweep-training-strategy.md").read_text()
    share, cosine = result["conflicts"]["pairs+pcgrad"].values()
    (line,) = [row for row in page.splitlines() if row.startswith("| pairs+pcgrad |")][-1:]
    assert "| gradients in conflict, % | mean cosine |" in page
    assert line.endswith(f"| {100 * share:.1f} | {cosine:.3f} |")
    shown = (run / "sweep-training-strategy.html").read_text()
    assert "Gradients in conflict, %" in shown and f'<td class="n">{cosine:.3f}</td>' in shown


def test_a_variant_reuses_the_measurement_and_removes_its_models(swept):
    run, _, _, said = swept
    assert "● measure" not in said and "● mini encoder" not in said
    variant = run / "seed-0" / "training.strategy=pcgrad"
    assert sorted(path.name for path in (variant / "predictions").iterdir())
    assert not list(run.rglob("*.safetensors")) or {path.parent.name for path in run.rglob("*.safetensors")} == {
        "encoder"
    }
    history = json.loads(next(iter((variant / "predictions").rglob("predictions.json"))).read_text())
    assert history["cost"]["steps"] > 0


def test_a_finished_sweep_trains_nothing(swept):
    _, asked, _, _ = swept
    code, _, said = gradsim(*asked, "--set", "grouping.groups=2")
    assert code == 0 and "● train" not in said and "up to date" in said


def test_a_variant_with_another_start_measures_from_it(words, inputs, tmp_path):
    asked = words(
        "sweep", tmp_path / "run", over="adapting.mode=none,tapt", method=inputs / "pairs.toml", seeds=1, permutations=9
    )
    code, _, said = gradsim(*asked, "--set", "adapting.epochs=1", "--set", "grouping.groups=2")
    assert code == 0, said
    run = tmp_path / "run"
    assert (run / "adapting.mode=tapt" / "adapt" / "model.safetensors").is_file()
    found = json.loads((run / "sweep-adapting-mode.json").read_text())
    matrices = [found["similarity"][f"pairs+{mode}"]["0"]["matrix"] for mode in ("none", "tapt")]
    assert matrices[0] != matrices[1]


def test_lengths_of_a_named_encoder_do_not_share_what_was_measured(words, inputs, tiny_xlmr, tmp_path):
    methods = {"method": inputs / "pairs.toml", "model": tiny_xlmr, "seeds": 1}
    asked = [*words("sweep", tmp_path / "run", over="maximum_length=8,16", **methods), "--set", "grouping.groups=2"]
    code, _, said = gradsim(*asked)
    assert code == 0 and said.count("● measure") == 2, said
    code, _, said = gradsim(*asked)
    assert code == 0 and "● measure" not in said and "● train" not in said, said


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("training.strategy", "write a setting and two values"),
        ("training.strategy=mixed", "two values or more"),
        ("grouping.groups=1,2", "not a setting of training"),
        ("training.epochs=1,1", "stands there twice"),
        ("training.epochs=1,x", "training.epochs"),
        ("training.epoch=1,2", "Did you mean"),
    ],
)
def test_an_impossible_sweep_is_one_message(words, tmp_path, over, message):
    code, _, said = gradsim(*words("sweep", tmp_path / "run", over=over))
    assert code == 1 and message in said and "Traceback" not in said
