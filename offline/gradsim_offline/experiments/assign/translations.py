"""Examples that are translations of texts which a group was trained on, and what the group knows without these.

Parallel data is how many languages get their first labels. A group's model has learnt names, numbers and loanwords with
the label of each such text, so its score on a translation says nothing about other texts (NusaX: 98 for 67). A
translation stands out: it shares far more n-grams with its original than with the text that is second nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gradsim_offline.bundle.blending import fit_blend
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.training_settings import NGrams
from gradsim_offline.training.linear import Linear, fit, training_texts
from gradsim_offline.training.tfidf import TfIdf

_STANDS_OUT = 0.67  # the second nearest text has at most so much of the nearest one's cosine
_SHARE = 0.3  # of the examples must stand out (docs/new-language.md has figures)
_MOST_TEXTS = 6000  # of all members together

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Originals:
    """Training texts of a group, and which of them each example is most like.

    Attributes:
        features: N-grams of the texts.
        vectors: TF-IDF of the texts and, as the second of the pair, of the examples, ``[texts, rows]``.
        gold: Index of each text's label, ``[texts]``.
        nearest: In each member language, the text that each example is nearest to, and the one that the former's
            counterpart in the best member is nearest to, ``[2 * members, examples]``.
        share: Largest share, over members, of the examples whose nearest text stands out.
    """

    features: TfIdf
    vectors: tuple[sparse.csr_array, sparse.csr_array]
    gold: Indices
    nearest: Indices
    share: float

    @classmethod
    def of(cls, known: Dataset, members: Sequence[str], texts: Sequence[str], settings: NGrams, seed: int) -> Originals:
        """Look for the originals of normalised texts among the training texts of a group's members.

        Args:
            known: Holds the members' texts.
            members: Those of them that it does not hold are left out.
            texts: The examples, normalised.
            settings: Of the n-grams.
            seed: Draws texts where there are too many.
        """
        pools = [training_texts(known, [code], 1.0, seed) for code in members if code in known.examples]
        most = _MOST_TEXTS // len(pools)
        # the same places in each language: parallel texts stay together
        kept = [np.random.default_rng(seed).permutation(len(gold))[:most] for _, gold in pools]
        everything = [pool[i] for (pool, _), chosen in zip(pools, kept, strict=True) for i in chosen]
        features = TfIdf.of(everything, settings)
        vectors, examples = features.vectors(everything), features.vectors(texts)
        bounds = list(pairwise(np.cumsum([0, *map(len, kept)])))
        nearest, shares = zip(*(_nearest(examples, vectors, *each) for each in bounds), strict=True)
        counterparts = vectors[nearest[int(np.argmax(shares))]]
        further = [_nearest(counterparts, vectors, *each)[0] for each in bounds]
        gold = np.concatenate([labels[chosen] for (_, labels), chosen in zip(pools, kept, strict=True)])
        return cls(features, (vectors, examples), gold, np.array([*nearest, *further]), max(shares))

    @property
    def parallel(self) -> bool:
        """Whether the examples are translations of the texts."""
        return self.share >= _SHARE

    def without(self, folds: Indices, labels: int, settings: NGrams, seed: int) -> tuple[Array, Linear]:
        """Train an n-gram model of the group without the originals of each fold of the examples.

        Args:
            folds: Of each example.
            labels: How many there are.
            settings: Of the n-grams.
            seed: Of the choice of C, on the first fold.

        Returns:
            What each says of its fold, ``[examples, labels]``; the last model.
        """
        vectors, examples = self.vectors
        found, strengths = np.zeros((len(folds), labels)), settings.strengths
        for fold in np.unique(folds):
            others = np.ones(len(self.gold), bool)
            others[self.nearest[:, folds == fold]] = False
            linear = fit(vectors[others], self.gold[others], labels, strengths, seed)
            found[folds == fold] = linear.logits(examples[folds == fold])
            strengths = [linear.strength]
        return found, linear


def _nearest(examples: sparse.csr_array, texts: sparse.csr_array, start: int, end: int) -> tuple[Indices, float]:
    """Return which text from ``start`` to ``end`` each example is nearest to, and the share of those that stand out."""
    cosines = (examples @ texts[start:end].T).toarray()  # [examples, texts]
    order = np.argsort(-cosines, axis=1)
    first, second = (cosines[np.arange(len(order)), order[:, place]] for place in (0, min(1, order.shape[1] - 1)))
    return start + order[:, 0], float((second < _STANDS_OUT * first).mean())


def temperature(logits: Array, gold: Indices) -> float:
    """Return what logits ``[texts, labels]`` are to be multiplied with, for the smallest cross entropy."""
    return fit_blend(logits, np.zeros_like(logits), gold).model
