"""Gradients of a linear classifier, per language, on texts that it was not trained on.

The classifier is convex and has no epochs: at its optimum over all texts the gradients cancel out. So every language's
texts are divided into two folds, and the loss of each fold is taken at the classifier that was trained on the other. A
language's gradient is that of its mean loss, as in an epoch of a joint training run (GradSim, section 3.1); that of
either half of its texts, drawn apart from the folds, says how far it repeats.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from gradsim_offline.similarity.measure import MeasureContext
from gradsim_offline.training.batching import halves
from gradsim_offline.training.linear import choose_strength, fit, training_texts
from gradsim_offline.training.linear_features import LinearFeatures
from gradsim_offline.training.linear_start import read_linear_start

_SLICE = 20_000
"""Columns of the gradients that are in memory at once."""
_FOLD_SEED = 2**31  # keeps the random stream that draws folds apart from the one that draws halves


def inner_products(context: MeasureContext) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Measure the gradients' inner products.

    Returns:
        ``[2 halves, languages, 2 halves, languages]``; the share of each language's examples that is in each half,
        ``[2, languages]``; seconds.
    """
    started = time.monotonic()
    languages, seed = context.dataset.languages, context.training.seed
    start = read_linear_start(context.training.encoder)
    by_language = [training_texts(context.dataset, [code], context.measuring.fraction, seed) for code in languages]
    texts = [text for texts, _ in by_language for text in texts]
    gold = np.concatenate([of_language for _, of_language in by_language])
    sizes = [len(of_language) for _, of_language in by_language]
    language = np.repeat(np.arange(len(languages)), sizes)
    half, fold = (
        np.concatenate([halves(size, language=i, seed=drawn) for i, size in enumerate(sizes)])
        for drawn in (seed, seed + _FOLD_SEED)
    )
    _, vectors = LinearFeatures.of(texts, start, context.training.maximum_length)
    labels = context.dataset.labels
    residual = np.zeros((len(texts), len(labels)))  # [texts, labels]: probability minus gold
    strength = choose_strength(vectors, gold, start.ngrams.strengths, seed)
    context.training.progress.note(f"  joint classifier: C = {strength:g}")
    for number in (0, 1):
        here, there = fold == number, fold != number
        linear = fit(vectors[there], gold[there], residual.shape[1], [strength], seed)
        residual[here] = context.training.task.decoder.probabilities(linear.logits(vectors[here]), labels)
    residual -= gold if gold.ndim == 2 else np.eye(len(labels))[gold]
    part = half * len(languages) + language
    counts = np.bincount(part, minlength=2 * len(languages)).reshape(2, -1)
    inner = _products(vectors.tocsc(), residual, part, counts.ravel())
    shape = (2, len(languages), 2, len(languages))
    return torch.tensor(inner.reshape(shape)), torch.tensor(counts / counts.sum(0)), time.monotonic() - started


def _products(
    vectors: sparse.csc_array, residual: NDArray[np.float64], part: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the inner products of the mean gradients of all parts, ``[parts, parts]``.

    Args:
        vectors: ``[texts, rows]``.
        residual: ``[texts, labels]``.
        part: Which part each text belongs to, ``[texts]``.
        counts: Texts of each part, ``[parts]``.
    """
    texts = np.arange(len(part))
    mean = sparse.csr_array((1 / np.maximum(counts, 1)[part], (part, texts)), shape=(len(counts), len(part)))
    inner = np.zeros((len(counts), len(counts)))
    for label in range(residual.shape[1]):
        weighted = mean @ sparse.diags_array(residual[:, label])  # [parts, texts]
        bias: NDArray[np.float64] = np.asarray(weighted.sum(axis=1)).ravel()
        inner += np.outer(bias, bias)
        for first in range(0, vectors.shape[1], _SLICE):
            gradient = (weighted @ vectors[:, first : first + _SLICE]).toarray()  # [parts, rows of the slice]
            inner += gradient @ gradient.T
    return inner
