"""The fastText identifier on the embedded sentences: small, the same every time, right, calibrated."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import fasttext
import numpy as np
import pytest
from quick_builds import quickly

from gradsim_offline.datasets.sources import demo
from gradsim_offline.identifier import training
from gradsim_offline.identifier.calibration import fit_temperature, tables
from gradsim_offline.identifier.fasttext_process import train_candidates
from gradsim_offline.identifier.profiles import TABLE_FILE
from gradsim_offline.identifier.training import (
    MODEL_FILE,
    RESULT,
    accuracies,
    identifier_entry,
    load_identifier,
    train_identifier,
)
from gradsim_shared.errors import DataError, ModelError
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.normalisation import NEWEST


def texts(split, most, codes=("eng", "hau", "hin", "swa", "tur")):
    dataset = demo.load(languages=codes)
    return {code: [example.text for example in dataset.split(code, split)[:most]] for code in codes}


def train(directory, quiet, train_texts, dev_texts, megabytes=1.0):
    directory.mkdir(exist_ok=True)
    logged = []
    train_identifier(
        train_texts,
        dev_texts,
        directory,
        maximum_megabytes=megabytes,
        seed=0,
        progress=quiet,
        log=lambda **fields: logged.append(fields),
    )
    return logged


@pytest.fixture(scope="module")
def trained(quiet, tmp_path_factory):
    directory = tmp_path_factory.mktemp("identifier")
    return directory, train(directory, quiet, texts("train", 120), texts("dev", 40))


def test_the_identifier_is_below_the_size_limit_and_accurate(trained):
    directory, logged = trained
    assert (directory / MODEL_FILE).stat().st_size + (directory / TABLE_FILE).stat().st_size <= 1_000_000
    found = accuracies(load_identifier(directory), texts("dev", 40))
    assert set(found) == {"eng", "hau", "hin", "swa", "tur"}
    assert min(found.values()) > 0.9
    assert min(accuracies(load_identifier(directory), texts("test", 60)).values()) > 0.9
    scores = [fields["dev_accuracy"] for fields in logged if "dev_accuracy" in fields]
    assert len(scores) == len(training.NGRAM_LENGTHS) * len(training.RATES) and max(scores) > 0.9


def test_identifier_json_holds_labels_and_calibration(trained):
    content = json.loads((trained[0] / RESULT).read_text())
    assert content["labels"] == {f"__label__{code}": code for code in ("eng", "hau", "hin", "swa", "tur")}
    assert content["tuned_on"] == "dev" and content["temperature"] > 0
    assert content["chosen"]["lr"] in training.RATES


def test_what_the_manifest_gets(trained):
    entry = identifier_entry(trained[0], threshold=0.4, policy="soft")
    assert (entry.policy, entry.threshold, entry.file) == ("soft", 0.4, MODEL_FILE)
    assert entry.profiles.languages == ["eng", "hau", "hin", "swa", "tur"]
    assert entry.known.threshold == 0.01 and min(entry.known.accepted.values()) > 0.9
    assert entry.code_mixing.words == 8
    assert entry.normalisation == NEWEST
    assert 1 <= entry.minimum_letters <= 20
    after, before = entry.reliability["after"], entry.reliability["before"]
    assert sum(after.share) == pytest.approx(1)
    assert after.expected_calibration_error < before.expected_calibration_error


def test_a_language_never_seen_is_found_out_and_known_ones_are_not(trained):
    identifier = load_identifier(trained[0])
    known = [one.known for mine in texts("test", 60).values() for one in identifier.identify(mine)]
    foreign = ["Mänty kasvaa hitaasti pohjoisessa metsässä", "Wszystko będzie dobrze, przyjacielu", "Þetta er íslenska"]
    assert np.mean([share < 0.01 for share in known]) < 0.1
    assert max(one.known for one in identifier.identify(foreign)) < 0.01


def test_what_people_do_not_see_changes_nothing_but_for_an_identifier_from_before(trained, tmp_path):
    plain = [text for mine in texts("test", 10).values() for text in mine]
    odd = ["\u200f" + text.replace(" ", "\u200b\n ").replace("a", "a\u00ad") for text in plain]
    identifier = load_identifier(trained[0])
    assert identifier.identify(odd) == identifier.identify(plain)
    content = json.loads((trained[0] / RESULT).read_text())
    (tmp_path / RESULT).write_text(
        json.dumps({name: content[name] for name in ("labels", "temperature", "chosen", "tuned_on")})
    )
    (tmp_path / MODEL_FILE).write_bytes((trained[0] / MODEL_FILE).read_bytes())
    before = load_identifier(tmp_path)
    assert before.probabilities(plain) == identifier.probabilities(plain)
    assert before.probabilities(odd) != before.probabilities(plain)


def test_an_identifier_from_before_profiles_is_read(trained, tmp_path):
    content = json.loads((trained[0] / RESULT).read_text())
    old = {name: content[name] for name in ("labels", "temperature", "chosen", "tuned_on")}
    (tmp_path / RESULT).write_text(json.dumps(old))
    (tmp_path / MODEL_FILE).write_bytes((trained[0] / MODEL_FILE).read_bytes())
    assert identifier_entry(tmp_path, threshold=0.4, policy="fallback").known is None
    (found,) = load_identifier(tmp_path).identify(["Wannan fim yana da kyau"])
    assert (found.known, found.code_mixed) == (1.0, False)


@pytest.fixture
def one_candidate():
    with quickly():
        yield


def test_training_twice_gives_the_same_bytes(quiet, tmp_path, one_candidate):
    for name in ("first", "second"):
        train(tmp_path / name, quiet, texts("train", 40), texts("dev", 20))
    for file in (MODEL_FILE, RESULT):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def likelihood(identifier, judged):
    """Return the negative log-likelihood, mean over languages."""
    return np.mean(
        [
            -np.mean([np.log(row[language]) for row in identifier.probabilities(mine)])
            for language, mine in judged.items()
        ]
    )


def test_the_fitted_temperature_is_the_likeliest(trained):
    directory, judged = trained[0], texts("dev", 40)
    content = json.loads((directory / RESULT).read_text())
    model = fasttext.load_model(str(directory / MODEL_FILE))
    fitted = likelihood(LanguageIdentifier(model, content["labels"], content["temperature"]), judged)
    for other in (0.5, 0.8, 1.25, 2.0, 1 / content["temperature"]):
        temperature = content["temperature"] * other
        assert fitted <= likelihood(LanguageIdentifier(model, content["labels"], temperature), judged) + 1e-6
    assert fitted < likelihood(LanguageIdentifier(model, content["labels"], 1.0), judged)
    assert fit_temperature(tables(model, content["labels"], judged)) == pytest.approx(content["temperature"])


def test_without_dev_texts_training_texts_stand_in_and_it_is_said(quiet, tmp_path, one_candidate):
    few = texts("train", 20, ("eng", "hin"))
    train(tmp_path, quiet, few, {"eng": [], "hin": []})
    assert json.loads((tmp_path / RESULT).read_text())["tuned_on"] == "train"


def test_a_language_of_which_nothing_can_be_read(quiet, tmp_path):
    with pytest.raises(DataError, match="no training text of tur has a word that the language identifier can read"):
        train(tmp_path, quiet, {**texts("train", 5, ("eng",)), "tur": ["@user https://t.co/x", " \n"]}, {})


def test_a_size_limit_that_cannot_be_kept_is_refused(quiet, tmp_path, monkeypatch, one_candidate):
    monkeypatch.setattr(training, "FEATURES", (None, 10_000))
    with pytest.raises(
        ModelError, match=r"identifying\.maximum_megabytes = 0\.001 allows beside the language profiles; allow more"
    ):
        train(tmp_path, quiet, texts("train", 20, ("eng", "hin")), {}, megabytes=0.001)


@pytest.mark.slow
def test_small_data_is_learnt(quiet, tmp_path):
    train(tmp_path, quiet, texts("train", 8), texts("dev", 40))
    assert min(accuracies(load_identifier(tmp_path), texts("dev", 40)).values()) > 0.8


def test_the_environment_is_as_it_was(trained):
    assert "MALLOC_PERTURB_" not in os.environ


SCRIPT = """
from pathlib import Path
from gradsim_offline.identifier.fasttext_process import train_candidates
file = Path("texts.txt")
file.write_text("__label__a good\\n__label__b bon\\n" * 20)
print([path.stat().st_size > 0 for path in train_candidates(file, Path(), [{"dim": 2, "epoch": 1}] * 2, seed=0)])
"""


def test_a_script_without_a_main_guard_trains(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[True, True]\n", "")


def test_what_fasttext_cannot_do_is_one_line(tmp_path):
    (tmp_path / "texts.txt").write_text("", encoding="utf-8")
    failed = "^fastText could not train the language identifier: ValueError: Empty vocabulary"
    with pytest.raises(ModelError, match=failed) as raised:
        list(train_candidates(tmp_path / "texts.txt", tmp_path, [{"dim": 2}], seed=0))
    assert "\n" not in str(raised.value)
