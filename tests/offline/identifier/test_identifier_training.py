"""The fastText identifier on the embedded sentences: small, the same every time, right, calibrated."""

from __future__ import annotations

import hashlib
import json
import os

import fasttext
import numpy as np
import pytest

from gradsim_offline.datasets import demo
from gradsim_offline.identifier import training
from gradsim_offline.identifier.training import (
    MODEL_FILE,
    RESULT,
    accuracies,
    fit_temperature,
    load_identifier,
    train_identifier,
)
from gradsim_shared.errors import DataError, ModelError
from gradsim_shared.identification import LanguageIdentifier


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


def test_below_the_size_limit_and_right(trained):
    directory, logged = trained
    assert (directory / MODEL_FILE).stat().st_size <= 1_000_000
    found = accuracies(load_identifier(directory), texts("dev", 40))
    assert set(found) == {"eng", "hau", "hin", "swa", "tur"}
    assert min(found.values()) > 0.9
    assert min(accuracies(load_identifier(directory), texts("test", 60)).values()) > 0.9
    scores = [fields["dev_accuracy"] for fields in logged if "dev_accuracy" in fields]
    assert len(scores) == len(training.NGRAM_LENGTHS) * len(training.RATES) and max(scores) > 0.9


def test_what_is_written_beside_it(trained):
    content = json.loads((trained[0] / RESULT).read_text())
    assert content["labels"] == {f"__label__{code}": code for code in ("eng", "hau", "hin", "swa", "tur")}
    assert content["tuned_on"] == "dev" and content["temperature"] > 0
    assert content["chosen"]["lr"] in training.RATES


def test_the_same_bytes_every_time(trained, quiet, tmp_path):
    train(tmp_path, quiet, texts("train", 120), texts("dev", 40))
    first, second = (
        hashlib.sha256((directory / MODEL_FILE).read_bytes()).hexdigest() for directory in (trained[0], tmp_path)
    )
    assert first == second
    assert (trained[0] / RESULT).read_text() == (tmp_path / RESULT).read_text()


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
    assert fit_temperature(model, content["labels"], judged) == pytest.approx(content["temperature"])


@pytest.fixture
def one_candidate(monkeypatch):
    monkeypatch.setattr(training, "NGRAM_LENGTHS", ((2, 4),))
    monkeypatch.setattr(training, "RATES", (0.3,))


def test_without_dev_texts_training_texts_stand_in_and_it_is_said(quiet, tmp_path, one_candidate):
    few = texts("train", 20, ("eng", "hin"))
    train(tmp_path, quiet, few, {"eng": [], "hin": []})
    assert json.loads((tmp_path / RESULT).read_text())["tuned_on"] == "train"


def test_a_language_of_which_nothing_can_be_read(quiet, tmp_path):
    with pytest.raises(DataError, match="no training text of tur has a word that the language identifier can read"):
        train(tmp_path, quiet, {**texts("train", 5, ("eng",)), "tur": ["@user https://t.co/x", " \n"]}, {})


def test_a_limit_that_cannot_be_kept(quiet, tmp_path, monkeypatch, one_candidate):
    monkeypatch.setattr(training, "FEATURES", (None, 10_000))
    with pytest.raises(ModelError, match=r"identifying\.maximum_megabytes = 0\.001 allows; allow more"):
        train(tmp_path, quiet, texts("train", 20, ("eng", "hin")), {}, megabytes=0.001)


def test_small_data_is_learnt_too(quiet, tmp_path):
    train(tmp_path, quiet, texts("train", 8), texts("dev", 40))
    assert min(accuracies(load_identifier(tmp_path), texts("dev", 40)).values()) > 0.8


def test_the_environment_is_as_it_was(trained):
    assert "MALLOC_PERTURB_" not in os.environ
