"""Train a linear classifier over TF-IDF n-grams, and a frozen trunk's outputs where there is one.

scikit-learn's logistic regression, its C by cross-validation.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from gradsim_offline.core.dataset import Dataset, Example, MultiLabelExample
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.training_settings import Schedule
from gradsim_offline.models.linear_head import LinearHead, LinearHeadConfig
from gradsim_offline.models.ngrams import NGramsConfig, NGramsForSequenceClassification
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.fine_tune import RESULT, sample
from gradsim_offline.training.linear_features import LinearFeatures
from gradsim_offline.training.linear_start import WIDE_FOLDER, read_linear_start
from gradsim_offline.training.tfidf import TfIdf
from gradsim_offline.training.trained import HALVES, DevTexts, open_trained
from gradsim_shared.ngrams import TABLE_FILE
from gradsim_shared.normalisation import normalise

_MOST_TO_CHOOSE = 2000
"""Texts that C is chosen on, at most."""
_FOLDS = 3
_MOST_LABELS = 8
"""That C is chosen on, at most, where a text may have several."""
_MANY = 2000
"""Texts: of more the solver stops earlier: half the time, dev scores up to 0.3 points off, either way."""


def train_linear(
    dataset: Dataset,
    members: Sequence[str],
    served: Sequence[str],
    directory: Path,
    *,
    context: TrainingContext,
    settings: Schedule,
) -> None:
    """Train on all members and judge on the served languages; the counterpart of ``fine_tune``.

    Args:
        dataset: Where the examples come from.
        members: Languages to train on.
        served: Languages whose dev texts judge it.
        directory: Gets the model in Hugging Face form, its table of n-grams, and training.json.
        context: Task, a ``LinearStart``'s directory, seed, progress.
        settings: Its ``fraction``, the share of each language's training texts to use; there are no epochs.
    """
    start = read_linear_start(context.encoder)
    texts, gold = training_texts(dataset, members, settings.fraction, context.seed)
    features, vectors = LinearFeatures.of(texts, start, context.maximum_length)
    linear = fit(vectors, gold, len(dataset.labels), start.ngrams.strengths, context.seed)
    save(features, linear, dataset.labels, directory)
    if start.trunk is not None:
        start.trunk.save(directory)
    trained = open_trained(
        directory,
        dataset.labels,
        task=context.task,
        maximum_length=context.maximum_length,
        device=torch.device("cpu"),
    )
    dev = DevTexts.of(dataset, served, reader=trained, task=context.task, seed=context.seed)
    dev.tune(trained, directory)
    history = {"epoch": 1.0}
    if dev.examples:
        scores = dev.scores(trained).values()
        names = {"score": context.task.metric(dataset.labels), **{half: half for half in HALVES}}
        history |= {name: float(np.mean([row[column] for row in scores])) for name, column in names.items()}
    judged = f", dev {100 * history['score']:.2f}" if dev.examples else ""
    context.progress.note(f"  {features.tfidf.table.rows - 1} n-grams, C = {linear.strength:g}{judged}")
    write_json(
        directory / RESULT,
        {
            "members": list(members),
            "served": list(served),
            "judged": list(dev.examples),
            "texts": len(texts),
            "rows": len(texts),
            "epochs": 1,
            "best_epoch": 1,
            "strategy": "mixed",
            "pad_id": 0,
            "history": [history],
        },
    )


def training_texts(
    dataset: Dataset, members: Sequence[str], fraction: float, seed: int
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the normalised training texts of some languages, in order, and the index of each one's label.

    Where a text may have several labels, instead of the index 0 or 1 for each, ``[texts, labels]``.
    """
    number = {language: i for i, language in enumerate(dataset.languages)}
    label = {name: i for i, name in enumerate(dataset.labels)}
    chosen = [e for code in members for e in sample(dataset.split(code, "train"), fraction, seed, number[code])]
    gold = [label[e.label] for e in chosen if isinstance(e, Example)]
    flags = [[name in e.labels for name in dataset.labels] for e in chosen if isinstance(e, MultiLabelExample)]
    texts = [normalise(example.text) for example in chosen if isinstance(example.text, str)]
    return texts, np.array(gold or flags, np.int64)


def save(features: LinearFeatures, linear: Linear, labels: Sequence[str], directory: Path) -> None:
    """Write a classifier in Hugging Face form, with its table of n-grams; over a trunk as a head with a wide part."""
    if not features.mean.size:
        save_ngrams(features.tfidf, linear, labels, directory)
        return
    rows = features.tfidf.table.rows
    weights, bias = features.head(linear.weights[:, rows:], linear.bias)
    head = LinearHead(LinearHeadConfig(width=weights.shape[1], **_named(labels)))
    head.out.weight.data, head.out.bias.data = (torch.tensor(each).float() for each in (weights, bias))
    head.save_pretrained(directory)
    wide = Linear(linear.strength, linear.weights[:, :rows], np.zeros(len(labels)))
    save_ngrams(features.tfidf, wide, labels, directory / WIDE_FOLDER)


def _named(labels: Sequence[str]) -> dict[str, Any]:
    names = dict(enumerate(labels))
    return {"num_labels": len(labels), "id2label": names, "label2id": {label: i for i, label in names.items()}}


def save_ngrams(features: TfIdf, linear: Linear, labels: Sequence[str], directory: Path) -> None:
    """Write a classifier over n-grams in Hugging Face form, with its table of n-grams."""
    config = NGramsConfig(
        rows=features.table.rows,
        first_word=features.table.first_word,
        **_named(labels),
    )
    model = NGramsForSequenceClassification(config)
    model.weight.data = torch.tensor(linear.weights.T).half()
    model.inverse_frequency.data = torch.tensor(features.inverse_frequency).half()[:, None]
    model.bias.data = torch.tensor(linear.bias).float()
    model.save_pretrained(directory)
    features.table.save(directory / TABLE_FILE)


@dataclass(frozen=True)
class Linear:
    """A trained classifier.

    Attributes:
        strength: C: the inverse of the regularisation.
        weights: ``[labels, rows]``.
        bias: ``[labels]``; far below 0 for a label that no training text has.
    """

    strength: float
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, vectors: sparse.csr_array) -> NDArray[np.float64]:
        """Return ``[texts, labels]``."""
        return np.asarray(vectors @ self.weights.T) + self.bias


def fit(
    vectors: sparse.csr_array, gold: NDArray[np.int64], labels: int, strengths: Sequence[float], seed: int
) -> Linear:
    """Fit logistic regression; C is chosen by the loss of cross-validation, on a sample where there are many texts.

    Where a text may have several labels, each is told from the rest by itself.

    Args:
        vectors: Of the training texts, ``[texts, rows]``.
        gold: Index of each text's label; or 0 or 1 for each, ``[texts, labels]``.
        labels: How many there are.
        strengths: C to choose from.
        seed: Draws the sample and the folds.
    """
    if gold.ndim == 2:
        strength = choose_strength(vectors, gold, strengths, seed)
        each = [fit(vectors, column, 2, [strength], seed) for column in gold.T]
        weights, bias = (np.stack(sides) for sides in ([e.weights for e in each], [e.bias for e in each]))
        return Linear(strength, weights[:, 1] - weights[:, 0], bias[:, 1] - bias[:, 0])
    # a label that no text has is as rare as half a text is
    weights, bias = np.zeros((labels, vectors.shape[1])), np.full(labels, np.log(0.5 / (len(gold) + 1)))
    present = np.unique(gold)
    if len(present) == 1:
        bias[present] = 0.0
        return Linear(strengths[0], weights, bias)
    strength = choose_strength(vectors, gold, strengths, seed)
    with _on_one_thread():
        model = _regression(strength, 1e-4 if len(gold) > _MANY else 1e-5).fit(vectors, gold)
    of_two = len(present) == 2  # one row of weights then: of the second against the first
    weights[present] = np.vstack([-model.coef_, model.coef_]) / 2 if of_two else model.coef_
    bias[present] = np.concatenate([-model.intercept_, model.intercept_]) / 2 if of_two else model.intercept_
    return Linear(strength, weights, bias)


def choose_strength(vectors: sparse.csr_array, gold: NDArray[np.int64], strengths: Sequence[float], seed: int) -> float:
    """Return the C of the lowest cross-validated loss; the middle one where a label has too few texts for that.

    Where a text may have several labels, ``[texts, labels]``, the loss is that of all, of many labels of the commonest.
    """
    random = np.random.default_rng(seed)
    drawn = np.sort(random.permutation(len(gold))[:_MOST_TO_CHOOSE])
    several = gold.ndim == 2
    columns = [gold[drawn]] if not several else sorted(gold[drawn].T, key=lambda flags: -flags.sum())[:_MOST_LABELS]
    rarest = [np.unique(column, return_counts=True)[1].min() for column in columns]
    told = [least >= _FOLDS and (not several or 0 < c.mean() < 1) for c, least in zip(columns, rarest, strict=True)]
    judged = [column for column, enough in zip(columns, told, strict=True) if enough]
    if len(strengths) == 1 or not judged:
        return sorted(strengths)[len(strengths) // 2]
    sample = vectors[drawn]
    sample = sample[:, np.unique(sample.indices)]  # most n-grams of many texts stand in none of these
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with _on_one_thread():
        loss = [
            sum(
                -cross_val_score(_regression(c), sample, column, cv=folds, scoring="neg_log_loss").mean()
                for column in judged
            )
            for c in strengths
        ]
    return strengths[int(np.argmin(loss))]


def _regression(strength: float, tolerance: float = 1e-4) -> LogisticRegression:
    # a handful of steps; lbfgs takes 30 to 100
    return LogisticRegression(C=strength, solver="newton-cg", tol=tolerance)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Let no threads wait for one another, which takes longer than these small products."""
    with threadpool_limits(1), warnings.catch_warnings():
        # a weight that still moves a little is good enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Line Search failed")
        yield
