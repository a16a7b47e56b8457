"""Linear classifiers over n-grams: vectors and models as scikit-learn makes them, gradients as autograd finds them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from gradsim_offline.core.training_settings import NGrams
from gradsim_offline.datasets.sources import demo
from gradsim_offline.similarity.linear_gradients import _products
from gradsim_offline.training.linear import fit
from gradsim_offline.training.tfidf import TfIdf
from gradsim_runtime import Bundle
from gradsim_shared.normalisation import normalise

from ..program import gradsim

LANGUAGES = ("eng", "hau", "tur")


@pytest.fixture(scope="module")
def dataset():
    return demo.load(languages=list(LANGUAGES))


@pytest.fixture(scope="module")
def texts(dataset):
    return [normalise(example.text) for example in dataset.split("hau", "train")]


def reference(texts):
    """Return scikit-learn's vectors of characters and words, side by side."""
    sublinear = {"sublinear_tf": True, "lowercase": True}
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **sublinear)
    pairs = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\W_]+", **sublinear)
    return sparse.hstack([characters.fit_transform(texts), pairs.fit_transform(texts)]).tocsr()


def test_vectors_are_those_of_scikit_learn(texts):
    vectors = TfIdf.of(texts, NGrams(minimum_texts=1)).vectors(texts)
    expected = reference(texts)
    assert vectors.shape[1] == expected.shape[1] + 1  # row 0 is the padding's
    assert np.allclose((vectors @ vectors.T).toarray(), (expected @ expected.T).toarray(), atol=2e-3)  # 16 bits


def test_a_model_answers_as_scikit_learn_does(dataset, texts):
    gold = np.array([dataset.labels.index(example.label) for example in dataset.split("hau", "train")])
    vectors = TfIdf.of(texts, NGrams()).vectors(texts)
    linear = fit(vectors, gold, len(dataset.labels), [4.0], 0)
    expected = LogisticRegression(C=4.0, tol=1e-6, max_iter=1000).fit(vectors, gold).predict_proba(vectors)
    assert np.allclose(softmax(linear.logits(vectors), axis=1), expected, atol=2e-3)


@pytest.mark.parametrize("present", [[2], [0, 2]])
def test_labels_that_no_text_has_are_not_answered(texts, present):
    gold = np.array([present[i % len(present)] for i in range(len(texts))])
    vectors = TfIdf.of(texts, NGrams()).vectors(texts)
    assert set(fit(vectors, gold, 3, [4.0], 0).logits(vectors).argmax(axis=1)) <= set(present)


def test_an_absent_label_is_as_rare_as_half_a_text(texts):
    gold = np.array([i % 2 for i in range(len(texts))])
    logits = fit(TfIdf.of(texts, NGrams()).vectors(texts), gold, 3, [0.001], 0).logits
    chances = np.exp(logits(TfIdf.of(texts, NGrams()).vectors(texts)))
    absent = (chances / chances.sum(axis=1, keepdims=True))[:, 2]
    assert np.allclose(absent, 0.25 / len(texts), rtol=0.1)


def test_inner_products_are_those_of_autograd():
    random = np.random.default_rng(0)
    vectors = sparse.random_array((30, 40), density=0.3, rng=random).tocsc()
    gold, part = random.integers(0, 3, 30), random.integers(0, 4, 30)
    weight = torch.tensor(random.normal(size=(3, 40)), requires_grad=True)
    bias = torch.tensor(random.normal(size=3), requires_grad=True)
    logits = torch.tensor(vectors.toarray()) @ weight.T + bias
    gradients = []
    for number in range(4):
        loss = functional.cross_entropy(logits[part == number], torch.tensor(gold[part == number]))
        found = torch.autograd.grad(loss, [weight, bias], retain_graph=True)
        gradients.append(torch.cat([each.flatten() for each in found]))
    residual = torch.softmax(logits, 1).detach().numpy().copy()
    residual[np.arange(30), gold] -= 1
    expected = torch.stack(gradients) @ torch.stack(gradients).T
    assert np.allclose(_products(vectors, residual, part, np.bincount(part)), expected.numpy())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ngrams"
    words = ("--languages", ",".join(LANGUAGES), "--model", "ngrams", "--out", out)
    code, _, error = gradsim("build", "--data", "demo", *words)
    assert code == 0, error
    return out


def test_a_build_of_ngrams_answers_and_is_small(built, dataset):
    bundle = Bundle.open(built / "bundle")
    examples = dataset.split("eng", "test")
    answered = bundle.predict([example.text for example in examples], language="eng")
    right = sum(one.label == example.label for one, example in zip(answered, examples, strict=True))
    assert right > len(examples) / 2
    assert sum(path.stat().st_size for path in (built / "bundle").rglob("*.onnx")) < 2_000_000


def test_a_model_of_each_language_is_tried_alone_and_with_one_of_all_beside(built):
    names = [each["name"] for each in json.loads((built / "choose" / "choice.json").read_text())["candidates"]]
    assert names[0] == "one model of all languages"
    assert {"one model for each language", f"one model for each language with {names[0]} beside"} <= set(names)


def test_the_similarity_of_ngrams_is_measured(built):
    measured = json.loads((built / "measure" / "similarity.json").read_text())
    similarity = np.array(measured["similarity"])
    assert similarity.shape == (3, 3)
    assert np.allclose(similarity, similarity.T)
    assert np.allclose(similarity.diagonal(), 1)


@pytest.mark.parametrize(
    "setting",
    [
        "training.strategy=pcgrad",
        "training.ensemble=3",
        "adapting.mode=tapt",
        "measuring.layers=['head']",
        "measuring.projection=64",
        "measuring.skipped_epochs=1",
    ],
)
def test_what_a_linear_model_cannot_do_is_refused(setting, tmp_path):
    words = ("--model", "ngrams", "--set", setting, "--out", tmp_path / "run")
    code, _, error = gradsim("build", "--data", "demo", *words)
    assert code == 1
    assert re.search(r"ngrams is linear.*" + setting.partition("=")[0], error.replace("\n", " "))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("build", "--data", "demo", "--measure", "embedding"), "reads an encoder"),
        (("build", "--data", "demo", "--measure", "lookahead"), "reads an encoder"),
        (("build", "--data", "demo-entities"), "texts with one label"),
        (("few-shot", "--data", "demo", "--source", "eng", "--shots", "1"), "not trained in steps"),
        (("adapt", "--data", "demo"), "no encoder that can be trained on"),
    ],
)
def test_what_needs_an_encoder_is_refused_before_anything_runs(words, reason, tmp_path):
    code, _, error = gradsim(*words, "--model", "ngrams", "--out", tmp_path / "run")
    assert code == 1
    assert re.search(f"ngrams.*{reason}|{reason}.*ngrams", error.replace("\n", " "))
    assert not list(tmp_path.glob("run/*/stage.json"))
