"""The transfer matrix against scores computed text by text; interruptions; what scores become."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from gradsim_offline.core import plugins
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.training_settings import Training
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solvers import exact
from gradsim_offline.similarity.measures import transfer
from gradsim_offline.similarity.measures.transfer import Options, normalised
from gradsim_offline.training.fine_tune import fine_tune
from gradsim_shared.errors import DataError, SettingsError

SCHEDULE = Training(epochs=8, batch_size=8, learning_rate=5e-3)


class Workplace:
    """Trains for real, in stages of a run as a build does, and keeps the order in which models were made."""

    def __init__(self, measure_context, encoder, progress, directory):
        self.run = RunDirectory(directory, progress)
        self.made = []
        self.left = 99  # trainings until Ctrl-C
        self.context = measure_context(
            encoder, directory / "measure", options=Options(), train=self.train, progress=progress
        )

    def train(self, members, served):
        """Train, or find, one model."""

        def work(directory):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.made.append(members)
            fine_tune(
                self.context.dataset,
                members,
                served,
                directory,
                context=self.context.training,
                settings=SCHEDULE,
            )

        return self.run.stage(f"train/{'-'.join(members)}", {"members": members, "served": served}, work).directory


@pytest.fixture(scope="module")
def whole(measure_context, tiny_mini, quiet, tmp_path_factory):
    """A workplace and what was measured in it without a stop."""
    workplace = Workplace(measure_context, tiny_mini, quiet, tmp_path_factory.mktemp("transfer"))
    return workplace, transfer.measure(workplace.context)


def test_the_matrix_holds_the_scores_of_each_model_on_each_language(whole, small):
    workplace, measured = whole
    expected = np.zeros((3, 3))
    for column, source in enumerate(small.languages):
        directory = workplace.run.directory / "train" / source
        tokenizer = AutoTokenizer.from_pretrained(directory)
        model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        for row, target in enumerate(small.languages):
            dev = small.split(target, "dev")
            with torch.inference_mode():
                found = [
                    model(**tokenizer(example.text, return_tensors="pt")).logits.argmax().item() for example in dev
                ]
            predicted = [model.config.id2label[i] for i in found]
            expected[row, column] = f1_score(
                [example.label for example in dev], predicted, average="weighted", zero_division=0
            )
    np.testing.assert_allclose(measured.matrix, expected, atol=1e-12)
    assert np.abs(expected - expected.T).max() > 0.01, "a matrix that its transpose equals would not show the order"
    assert workplace.made == [(code,) for code in small.languages]


def test_the_diagonal_is_each_trainings_best_dev_score(whole, small):
    workplace, measured = whole
    for i, code in enumerate(small.languages):
        result = json.loads((workplace.run.directory / "train" / code / "training.json").read_text())
        assert measured.matrix[i, i] == pytest.approx(max(epoch["score"] for epoch in result["history"]))


def test_scores_files_hold_every_metric_of_each_model(whole, small):
    workplace, measured = whole
    kept = json.loads((workplace.context.directory / "scores" / "hau.json").read_text())
    assert kept["trained_on"] == "hau" and list(kept["dev"]) == list(small.languages)
    column = [kept["dev"][code]["weighted_f1"] for code in small.languages]
    np.testing.assert_array_equal(measured.matrix[:, 1], column)
    assert measured.measure == "transfer" and measured.split_half is None and not measured.epochs
    assert measured.settings == {"normalise": "none", "metric": "weighted_f1", "split": "dev"} and measured.seconds > 0
    assert transfer.trains(transfer.Options())


def test_it_goes_on_after_an_interruption_without_training_or_scoring_again(
    whole, measure_context, tiny_mini, quiet, tmp_path, monkeypatch
):
    workplace = Workplace(measure_context, tiny_mini, quiet, tmp_path)
    scored = []
    score = transfer._scores_of
    monkeypatch.setattr(transfer, "_scores_of", lambda *given: scored.append(1) or score(*given))
    workplace.left = 2
    with pytest.raises(KeyboardInterrupt):
        transfer.measure(workplace.context)
    assert len(workplace.made) == len(scored) == 2
    (tmp_path / "measure" / "scores" / "hau.json").unlink()  # as if it had been killed between training and scoring
    workplace.left = 99
    measured = transfer.measure(workplace.context)
    assert workplace.made == [("eng",), ("hau",), ("tur",)] and len(scored) == 4
    np.testing.assert_array_equal(measured.matrix, whole[1].matrix)
    transfer.measure(workplace.context)
    assert len(workplace.made) == 3 and len(scored) == 4


def test_a_language_without_dev_texts(whole, small):
    examples = {code: dict(small.examples[code]) for code in small.languages}
    del examples["hau"]["dev"]
    context = replace(whole[0].context, dataset=replace(small, examples=examples), train=None)
    with pytest.raises(DataError, match=r"small: hau has no dev split.*leave the language out"):
        transfer.measure(context)


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(SettingsError, match="normalise = 'column'"):
        plugins.options("similarity", "transfer", {"normalise": "column"})


scores = st.integers(2, 5).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(0.01, 1)))


@given(matrix=scores)
@settings(max_examples=60, deadline=None)
def test_normalisation_rules_none_row_and_gain(matrix):
    names = tuple("abcde"[: len(matrix)])
    np.testing.assert_array_equal(normalised(matrix, "none", names), matrix)
    np.testing.assert_allclose(normalised(matrix, "row", names) * matrix.diagonal()[:, None], matrix)
    np.testing.assert_allclose(normalised(matrix, "gain", names) + matrix.diagonal()[:, None], matrix)


@given(matrix=scores, groups=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_gain_changes_no_grouping(matrix, groups):
    gain = normalised(matrix, "gain", tuple("abcde"[: len(matrix)]))
    plain, shifted = (exact.solve(Problem(s, groups, s.diagonal())) for s in (matrix, gain))
    assert shifted.score == pytest.approx(plain.score - matrix.trace(), abs=1e-9)


def test_a_row_whose_own_score_is_0():
    matrix = np.array([[0.5, 0.25], [0.3, 0.0]])
    with pytest.warns(UserWarning, match="trained on hau scores 0 on it: similarity 0"):
        found = normalised(matrix, "row", ("amh", "hau"))
    np.testing.assert_array_equal(found, [[1, 0.5], [0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        normalised(matrix, "gain", ("amh", "hau"))
