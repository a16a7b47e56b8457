"""What the heads of groups read of a text: numbers that are the same for every group, so that statistics add up.

They are an encoder's output, standardised over all training texts: of the frozen trunk where the build has one, else of
the model that was trained on all languages. Beside it stands a sketch of the text's n-grams, in which is what is a
language's own: TF-IDF vectors, each n-gram added with a random sign to one of a few numbers (feature hashing,
Weinberger et al. 2009). For a linear model over n-grams the sketch is all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.core.training_settings import NGrams
from gradsim_offline.models.mini import is_mini
from gradsim_offline.similarity.embedding_vectors import embed
from gradsim_offline.similarity.measure import MeasureContext
from gradsim_offline.training.linear import training_texts
from gradsim_offline.training.linear_start import is_linear_start, read_linear_start, trunk_below
from gradsim_offline.training.tfidf import TfIdf
from gradsim_offline.training.trunk_texts import TrunkTexts
from gradsim_shared.normalisation import normalise

_SKETCH_WEIGHT = 0.5  # beside an encoder's output, both of unit length; chosen on dev (docs/measures.md)
_SAMPLE = 41  # keeps the random stream that draws dev texts apart from others
_BATCH = 64
Array = NDArray[np.float64]
Gold = NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """Vectors and labels of each language's texts, train and dev.

    Attributes:
        labels: How many labels there are.
        texts: Normalised, by split and language.
        gold: Indices of their labels, likewise.
        outputs: Of an encoder, standardised, by split and language, ``[texts, width]``; without one the width is 0.
        tfidf: Of the training texts' n-grams.
        projection: From n-grams to the sketch, ``[rows, sketch]``.
    """

    labels: int
    texts: dict[str, list[list[str]]]
    gold: dict[str, list[Gold]]
    outputs: dict[str, list[NDArray[np.float32]]]
    tfidf: TfIdf
    projection: sparse.csr_array

    def vectors(self, split: str, language: int) -> Array:
        """Return the vectors of a language's texts, ``[texts, width + sketch]``."""
        outputs = self.outputs[split][language].astype(np.float64)
        sketch = (self.tfidf.vectors(self.texts[split][language]) @ self.projection).toarray()
        weight = _SKETCH_WEIGHT if outputs.shape[1] else 1.0
        return np.concatenate([outputs, weight * sketch.astype(np.float64)], axis=1)


def features(context: MeasureContext, *, sketch: int, most_texts: int) -> Features:
    """Read the training texts, and dev texts of each language.

    Args:
        context: Where the texts and the encoder are.
        sketch: Numbers of the n-grams' sketch.
        most_texts: Dev texts of a language, at most; drawn with a fixed seed.
    """
    dataset, seed = context.dataset, context.training.seed
    label = {name: i for i, name in enumerate(dataset.labels)}
    train = [training_texts(dataset, [code], context.measuring.fraction, seed) for code in dataset.languages]
    dev = [_drawn(dataset, code, most_texts) for code in dataset.languages]
    texts = {"train": [some for some, _ in train], "dev": [[normalise(str(e.text)) for e in some] for some in dev]}
    gold = {"train": [own for _, own in train], "dev": [np.array([label[e.label] for e in some]) for some in dev]}
    everything = [text for some in texts["train"] for text in some]
    linear = is_linear_start(context.training.encoder)
    settings = read_linear_start(context.training.encoder).ngrams if linear else NGrams()
    tfidf = TfIdf.of(everything, settings)
    random, rows = np.random.default_rng(0), tfidf.table.rows
    place = (np.arange(rows), random.integers(0, sketch, rows))
    projection = sparse.csr_array((random.choice([-1.0, 1.0], rows), place), shape=(rows, sketch))
    parts = [*texts["train"], *texts["dev"]]
    outputs = _standardised(_outputs(context, [text for some in parts for text in some]), len(everything))
    split = np.split(outputs, np.cumsum([len(some) for some in parts])[:-1])
    count = len(dataset.languages)
    by_split = {"train": split[:count], "dev": split[count:]}
    return Features(len(dataset.labels), texts, gold, by_split, tfidf, projection)


def _drawn(dataset: Dataset, code: str, most: int) -> list[Example]:
    """Return dev texts of a language, the same whatever other languages there are."""
    examples = [example for example in dataset.split(code, "dev") if isinstance(example, Example)]
    chosen = np.random.default_rng([_SAMPLE, *code.encode()]).permutation(len(examples))[:most]
    return [examples[i] for i in np.sort(chosen)]


def _outputs(context: MeasureContext, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return what an encoder says of texts, ``[texts, width]``; the width is 0 where there is none."""
    training = context.training
    trunk = trunk_below(training.encoder)
    if trunk is not None:
        kept = TrunkTexts.open(trunk.directory, trunk.outputs, training.maximum_length)
        if kept.kept.pools:
            return kept.outputs(texts)
        return np.stack([rows.astype(np.float32).mean(axis=0) for rows in kept.kept.of(kept.ids(texts))])
    if is_linear_start(training.encoder):
        return np.zeros((len(texts), 0), np.float32)
    languages = context.dataset.languages
    model = context.train(languages, languages)
    vectors = embed(
        model,
        texts,
        pooling="pooler" if is_mini(model) else "mean",
        maximum_length=training.maximum_length,
        batch_size=_BATCH,
        device=training.device,
        progress=training.progress,
    )
    return vectors.numpy().astype(np.float32)


def _standardised(outputs: NDArray[np.float32], train: int) -> NDArray[np.float32]:
    """Scale outputs so that those of the first ``train`` texts have a mean of 0 and a length of about 1."""
    if outputs.shape[1]:
        outputs = (outputs - outputs[:train].mean(axis=0)) / (outputs[:train].std(axis=0) + 1e-6)
    return outputs / max(1.0, outputs.shape[1] ** 0.5)
