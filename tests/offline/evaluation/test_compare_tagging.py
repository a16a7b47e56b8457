"""A comparison on tagged words through the command line: its scores are those of the kept tags."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from gradsim_offline.datasets.sources import demo_entities, files
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.tasks.token_classification import PLUGIN as task

from ..program import gradsim
from .conftest import LANGUAGES, SETTINGS

SIZES = {"train": 24, "dev": 7, "test": 9}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Tagged sentences; the first test sentence of each language also stands in train."""
    root = tmp_path_factory.mktemp("tagged")
    dataset = demo_entities.load(languages=list(LANGUAGES))
    for code in LANGUAGES:
        (root / code).mkdir()
        chosen = {split: list(dataset.split(code, split)[:most]) for split, most in SIZES.items()}
        chosen["test"][0] = chosen["train"][3]
        for split, sentences in chosen.items():
            rows = ["\n".join(map("\t".join, zip(e.words, e.tags, strict=True))) for e in sentences]
            (root / code / f"{split}.conll").write_text("\n\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def compared(data, inputs, tiny_xlmr, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tagging"
    settings = {**SETTINGS, "training.learning_rate": 1e-2, "training.batch_size": 4}
    given = {"data": "files", "data-dir": data, "model": tiny_xlmr, "epochs": 8, "seeds": 1, "out": out}
    given |= {"methods": f"{inputs}/together.toml,{inputs}/pairs.toml", "groups": 2, "permutations": 50}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    code, shown, said = gradsim("compare", *words)
    assert code == 0, said
    return out, shown


def test_scores_are_those_of_the_kept_tags(compared, data):
    out, shown = compared
    result, dataset = json.loads((out / "compare.json").read_text()), files.load(data)
    assert result["metric"] == "entity_f1" and "entity_f1" in shown
    assert result["counts"]["test_unseen"] == dict.fromkeys(LANGUAGES, 8)
    found = []
    for name in ("together", "pairs"):
        for group in result["groups"][name]["0"]:
            folder = LanguageGroup("", tuple(group["members"]), tuple(group["served"]), {}).folder
            kept = json.loads((out / "seed-0" / "predictions" / folder / "predictions.json").read_text())["answers"]
            for split, code in product(("dev", "test"), group["served"]):
                gold = [example.gold for example in dataset.split(code, split)]
                tags = [tuple(dataset.labels[i] for i in answer) for answer in kept[split][code]]
                own = task.scores(gold, tags, dataset.labels)["entity_f1"]
                assert result["scores"][split][name]["0"][code] == pytest.approx(own)
                found.append(own)
    assert np.max(found) > 0.1, "models that find nothing would show nothing"
