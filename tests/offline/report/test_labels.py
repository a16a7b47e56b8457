"""Scores per label and confusion matrices on the page, against scikit-learn; examples of errors where asked for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from gradsim_offline.bundle.answer_counts import label_counts
from gradsim_offline.report.drawing import Text, width_of
from gradsim_offline.report.page import drawings, render
from gradsim_offline.training.task import load_task

from .conftest import COUNTS, make_evaluated, make_manifest, make_measured

LABELS = ["negative", "neutral", "positive"]
IOB = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def page_of(counts, errors=None, **manifest):
    evaluated = make_evaluated() | {"labels": counts, "errors": errors or {}}
    return render(make_manifest(**manifest), make_measured(), evaluated, COUNTS)


def percents(values):
    return [f"{100 * value:.2f}" for value in values]


@pytest.fixture(scope="module")
def answers():
    """Gold and answered labels of two languages, drawn at random."""
    random = np.random.default_rng(5)
    return {code: random.choice(LABELS, (2, 60), p=[0.5, 0.3, 0.2]) for code in ("hau", "amh")}


@pytest.fixture(scope="module")
def counts(answers):
    task = load_task("text_classification")
    return {code: label_counts(task, *found.tolist(), LABELS) for code, found in answers.items()}


def test_scores_per_label_are_those_of_scikit_learn(answers, counts, read):
    page = read(page_of(counts))
    everything = np.concatenate([*answers.values()], axis=1)
    for row, (gold, answered) in (("Hausa hau", answers["hau"]), ("Amharic amh", answers["amh"])):
        found = precision_recall_fscore_support(gold, answered, labels=LABELS)
        assert percents(found[2]) in [cells[1:] for cells in page.rows_of(row)]
    assert page.rows_of("All languages")[0][1:] == percents(
        precision_recall_fscore_support(*everything, labels=LABELS)[2]
    )
    assert "Igbo ibo" not in page.text[page.text.index("Scores per label") : page.text.index("Language identifier")]


def test_confusion_matrix_of_each_language_with_precision_and_recall(answers, counts, read):
    page = read(page_of(counts))
    expected = {code: confusion_matrix(*found, labels=LABELS) for code, found in answers.items()}
    for place, code in enumerate(("hau", "amh")):  # in the order of the groups
        precision, recall, _, _ = precision_recall_fscore_support(*answers[code], labels=LABELS)
        for row, label in enumerate(LABELS):
            cells = [*map(str, expected[code][row]), str(expected[code][row].sum()), f"{100 * recall[row]:.2f}"]
            assert page.rows_of(label)[place] == [label, *cells]
        assert page.rows_of("Precision, %")[place][1:4] == percents(precision)
    assert page.text.count("Confusion matrix: ") == 2
    whole = sum(expected.values())
    share = whole[0, 1] / whole[0].sum()
    tip = f"negative answered as neutral: {whole[0, 1]} of {whole[0].sum()} texts, {100 * share:.2f} %"
    assert tip in page.text


def test_entities_are_counted_by_type_and_ends(read):
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O", "B-PER", "O"]]
    answered = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "I-LOC", "B-PER", "B-LOC"]]
    counts = label_counts(load_task("token_classification"), gold, answered, IOB)
    assert counts == {
        "PER": {"PER": 2},
        "LOC": {"PER": 1, "O": 1},  # another type; other ends
        "O": {"LOC": 2},
    }
    page = read(page_of({"hau": counts}, labels=IOB, task="token_classification", metric="entity_f1"))
    assert page.rows_of("Hausa hau")[-1][1:] != [] and ["Hausa hau", "80.00", "0.00"] in page.rows_of("Hausa hau")
    assert page.rows_of("PER") == [["PER", "2", "0", "0", "2", "100.00"]]
    assert page.rows_of("LOC") == [["LOC", "1", "0", "1", "2", "0.00"]]
    assert page.rows_of("no entity") == [["no entity", "0", "2", "–", "2", "–"]]
    assert "an entity is right if its type and both its ends are" in page.text


def test_parts_of_speech_are_counted_by_word():
    gold, answered = [["NOUN", "VERB"], ["NOUN"]], [["NOUN", "NOUN"], ["VERB"]]
    found = label_counts(load_task("token_classification"), gold, answered, ["NOUN", "VERB"])
    assert found == {"NOUN": {"NOUN": 1, "VERB": 1}, "VERB": {"NOUN": 1}}


def test_errors_are_shown_where_there_are_some_and_escaped(counts, read):
    assert "Examples of errors" not in page_of(counts)
    error = {"text": "<script>alert(1)</script> ስለ", "gold": "neutral", "answer": "positive", "score": 0.912}
    page = read(page_of(counts, {"amh": [error]}))
    assert page.rows_of(error["text"]) == [[error["text"], "neutral", "positive", "91.20"]]
    tagged = read(page_of(counts, {"amh": [error | {"score": None}]}))
    assert tagged.rows_of(error["text"]) == [[error["text"], "neutral", "positive"]]
    assert ("dir", "auto") in page.attributes and ("lang", "amh") in page.attributes


def test_bundles_scored_before_have_no_section(read):
    page = render(make_manifest(), make_measured(), make_evaluated(), COUNTS)
    assert "Scores per label" not in page and "#labels" not in page


def test_figure_of_all_languages(counts):
    evaluated = make_evaluated() | {"labels": counts}
    assert "labels" in [drawing.name for drawing in drawings(make_manifest(), make_measured(), evaluated, COUNTS)]


@pytest.mark.parametrize("labels", [["a", "b"], ["negative", "neutral"], ["science/technology", "travel"]])
def test_names_of_columns_do_not_run_into_each_other(labels):
    evaluated = make_evaluated() | {"labels": {"hau": {labels[0]: {labels[1]: 1}}}}
    found = drawings(make_manifest(labels=labels), make_measured(), evaluated, COUNTS)
    (figure,) = [drawing for drawing in found if drawing.name == "labels"]
    heads = [shape for shape in figure.shapes if isinstance(shape, Text) and shape.written in labels][:2]
    assert [head.written for head in heads] == labels
    assert heads[0].turned or heads[1].x - heads[0].x >= width_of(labels)


def test_long_texts_are_told_per_language_and_split(read):
    manifest = make_manifest(long_texts="windows")
    longer = {"hau": {"train": 100, "test": 40}, "amh": {"test": 50}}
    languages = [
        language.model_copy(update={"longer": longer.get(language.code, {})}) for language in manifest.languages
    ]
    page = read(render(manifest.model_copy(update={"languages": languages}), make_measured(), make_evaluated(), COUNTS))
    assert "> 128 tokens: test, %" in page.text and "the service reads them in windows" in page.text
    counts = languages[0].counts
    shares = [f"{100 * 100 / counts['train']:.2f}", f"{100 * 40 / counts['test']:.2f}"]
    assert any(row[-2:] == shares for row in page.rows_of("Hausa hau"))
    assert any(row[-2:] == ["0.00", "0.00"] for row in page.rows_of("Twi twi"))
