"""Fine-tuning from each sprachbund's encoder: who is trained on, who chooses, scores, what is kept, mistakes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.sprachbund import train as cluster_training
from gradsim_offline.experiments.sprachbund.results import summarise, tables
from gradsim_offline.experiments.sprachbund.train import RESULT, read_clusters, train_clusters
from gradsim_offline.tasks import text_classification
from gradsim_offline.training import fine_tune as fine_tuning
from gradsim_offline.training.trained import open_trained
from gradsim_shared.errors import DataError, ModelError, SettingsError

GROUPS = [
    {"id": "g1", "members": ["eng", "fra", "hau"], "pivot": "hau"},
    {"id": "g2", "members": ["tur"], "pivot": "tur"},
    {"id": "g3", "members": ["fin"], "pivot": "fin"},
]


@pytest.fixture
def gathered(tmp_path, tiny_xlmr):
    """Three sprachbunds, one of them of no language of the data, with an encoder each."""
    (tmp_path / "sprachbunds.json").write_text(json.dumps({"groups": GROUPS}))
    for group in GROUPS:
        shutil.copytree(tiny_xlmr, tmp_path / "adapted" / group["id"])
    return tmp_path / "sprachbunds.json", tmp_path / "adapted"


@pytest.fixture
def run(gathered, small, tiny_mini, quiet, tmp_path, monkeypatch):
    """Train on ``small``, with mini as the plain encoder."""
    monkeypatch.setattr(cluster_training, "load_data", lambda _: small)
    schedule = {"epochs": 1, "batch_size": 16, "learning_rate": 2e-3, "minimum_steps": 0}

    def call(on, seeds=1, keep_models=False, permutations=99, **changes):
        chosen = {"model": str(tiny_mini), "maximum_length": 64, "device": "cpu", "training": schedule, **changes}
        settings = Settings.model_validate(chosen)
        out = tmp_path / "out"
        how = {"on": on, "seeds": seeds, "keep_models": keep_models, "permutations": permutations}
        return train_clusters(settings, *gathered, out, quiet, **how)

    return call


def test_every_sprachbund_in_every_setting_with_two_seeds(run, small, tmp_path, monkeypatch):
    trained, tune = [], fine_tuning.fine_tune

    def watch(*arguments, context, **rest):
        trained.append((context.encoder.rpartition("/")[2], *map(tuple, arguments[1:3]), context.seed))
        tune(*arguments, context=context, **rest)

    monkeypatch.setattr(fine_tuning, "fine_tune", watch)
    found = run(["all", "pivot", "eng"], seeds=2)
    sets = [("eng", "hau"), ("hau",), ("eng",), ("tur",)]
    plain = [("mini", languages, languages, seed) for seed in (0, 1) for languages in sets]
    adapted = [
        (group, languages, languages, seed)
        for seed in (0, 1)
        for group, own in (("g1", sets[:3]), ("g2", [("tur",), ("eng",)]))
        for languages in own
    ]
    assert sorted(trained) == sorted(plain + adapted)  # nothing twice; chosen by dev texts of what it trains on
    assert found["sprachbunds"] == {"g1": ["eng", "hau"], "g2": ["tur"]} and found["seeds"] == [0, 1]
    for start in ("plain", "adapted"):
        for word in ("all", "pivot", "eng"):
            scores = found["scores"][start][word]
            assert list(scores) == ["eng", "hau", "tur"] and all(len(own) == 2 for own in scores.values())
    assert found["scores"]["plain"]["all"]["tur"] == found["scores"]["plain"]["pivot"]["tur"]
    assert json.loads((tmp_path / "out" / RESULT).read_text()) == found
    assert not list((tmp_path / "out").rglob("*.safetensors"))
    before = len(trained)
    assert run(["all", "pivot", "eng"], seeds=2)["scores"] == found["scores"] and len(trained) == before
    shown, tested = tables(found)
    assert shown.columns == ("language", *(f"{a}, {b}" for a in ("plain", "adapted") for b in ("all", "pivot", "eng")))
    assert [row[0] for row in shown.rows] == ["g1 eng", "g1 hau*", "g2 tur*", "mean"]
    values = [sum(own[seed] for own in found["scores"]["plain"]["all"].values()) / 3 for seed in (0, 1)]
    assert shown.rows[-1][1].whole.startswith(f"{50 * sum(values):.2f} ± ")
    starts = {start: np.array([*found["scores"][start]["eng"].values()]).mean(axis=1) for start in ("plain", "adapted")}
    gain = starts["adapted"] - starts["plain"]  # [languages]
    texts = np.array([found["counts"][code] for code in ("eng", "hau", "tur")])
    assert [(test["on"], test["average"]) for test in found["tests"]] == [
        (word, average) for word in ("all", "pivot", "eng") for average in ("plain", "weighted")
    ]
    plain, weighted = found["tests"][-2:]
    assert (plain["method"], plain["against"]) == ("adapted", "plain")
    assert plain["difference"] == pytest.approx(gain.mean())
    assert weighted["difference"] == pytest.approx(gain @ texts / texts.sum())
    assert [row[:2] for row in tested.rows][-2] == ("eng, plain mean", f"{100 * plain['difference']:+.2f}")
    assert len(tested.rows) == 6 and "99 permutations" in tested.remark


def test_the_adapted_start_is_tested_against_the_plain_one_and_nothing_else_is(small, quiet):
    gold = {code: [example.gold for example in small.split(code, "test")] for code in small.languages}
    other = dict(zip(small.labels, [*small.labels[1:], small.labels[0]], strict=True))
    wrong = {code: [other[label] for label in labels] for code, labels in gold.items()}

    def of(*seeds):
        return {code: [found[code] for found in seeds] for code in small.languages}

    answers = {
        "plain": {"all": of(wrong, wrong), "pivot": of(gold, wrong), "eng": of(gold, gold)},
        "adapted": {"all": of(gold, gold), "pivot": of(gold, wrong), "eng": of(gold, gold)},
    }
    found = summarise(answers, small, text_classification.PLUGIN, "test", permutations=999, progress=quiet)
    sure, same, none = (test for test in found["tests"] if test["average"] == "plain")
    assert (sure["difference"], same["difference"], none["difference"]) == (1.0, 0.0, 0.0)
    assert sure["p"] == pytest.approx(1 / 1000) and same["p"] == none["p"] == 1
    assert sure["p_holm"] == pytest.approx(3 / 1000)  # three things trained on: three tests
    assert found["scores"]["plain"]["pivot"]["hau"] == [1.0, 0.0]
    assert summarise(answers, small, text_classification.PLUGIN, "test", permutations=0, progress=quiet)["tests"] == []


def test_scores_are_those_of_the_model(run, small, tmp_path):
    found = run(["hau"], keep_models=True)
    assert found["tests"] == []  # one seed
    assert found["split"] == "test" and found["metric"] == "weighted_f1"
    model = open_trained(
        tmp_path / "out" / "seed-0" / "g1" / "train" / "hau",
        small.labels,
        task=text_classification.PLUGIN,
        maximum_length=64,
        device=torch.device("cpu"),
    )
    test = small.split("eng", "test")
    answers = model.answers([example.text for example in test])
    scores = text_classification.scores([example.label for example in test], answers, small.labels)
    assert found["scores"]["adapted"]["hau"]["eng"] == [pytest.approx(scores["weighted_f1"])]


def test_invalid_input_is_one_message(run, gathered, small, tmp_path):
    with pytest.raises(SettingsError, match="--on: unknown setting 'yor'"):
        run(["yor"])
    with pytest.raises(SettingsError, match=r"adapting.mode = tapt"):
        run(["all"], adapting={"mode": "tapt"})
    with pytest.raises(ModelError, match="mini is made by a build"):
        run(["all"], model="mini")
    path, adapted = gathered
    shutil.rmtree(adapted / "g2")
    with pytest.raises(DataError, match=r"has no encoder g2/; make it: gradsim-offline adapt --groups"):
        run(["all"])
    path.write_text(json.dumps({"groups": [{**GROUPS[0], "pivot": "fra"}]}))
    with pytest.raises(DataError, match="small has no fra, the pivot of g1"):
        run(["pivot"])
    path.write_text(json.dumps({"groups": GROUPS[2:]}))
    with pytest.raises(DataError, match="small has none of the languages"):
        run(["all"])
    path.write_text(json.dumps({"groups": [{"id": "g1", "members": ["eng"]}]}))
    with pytest.raises(DataError, match="names no pivots"):
        read_clusters(path, adapted, small)
    path.write_text(json.dumps({"groups": [{**GROUPS[0], "id": "plain"}]}))
    with pytest.raises(DataError, match="plain names the start from --model here; give that sprachbund another id"):
        read_clusters(path, adapted, small)
    path.write_text(json.dumps({"groups": GROUPS[:1]}))
    examples = {code: {"train": small.split(code, "train")} for code in small.languages}
    with pytest.raises(DataError, match="neither every language's test split"):
        cluster_training._judging_split(Dataset("bare", small.task, small.labels, examples))
