"""Topic similarity of two languages: the cosine of their keywords' weighted mean vectors, keywords untranslated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.analyse.keywords import Keyword
from gradsim_offline.similarity.embedding_vectors import embed

CAUTION = (
    "topic: keywords are not translated; an encoder that has not learned what words of different languages share in "
    "meaning (mini, or an English one) measures shared script and spelling rather than topic. Name a multilingual one "
    "with --encoder"
)
_WORDS_PER_BATCH = 64


def topic_similarity(
    found: Mapping[str, Sequence[Keyword]], *, encoder: str, maximum_length: int, device: torch.device
) -> NDArray[np.float64]:
    """Return the cosine of every two languages' keyword centroids, ``[N, N]``, in the order of ``found``.

    The paper translates the keywords into English first. A keyword's vector is the mean of the encoder's last hidden
    states over its tokens; a language's centroid is their mean, weighted by TF-IDF.

    Args:
        found: Keywords of each language; a language without any gets NaN.
        encoder: Name or directory of the encoder.
        maximum_length: Tokens; longer words are cut.
        device: Where to compute.

    Raises:
        ModelError: The encoder cannot be loaded.
    """
    vocabulary = sorted({keyword.word for own in found.values() for keyword in own})
    vectors = dict(zip(vocabulary, mean_pooled(vocabulary, encoder, maximum_length, device), strict=True))
    width = len(next(iter(vectors.values()), ()))
    centroids = np.full((len(found), width), np.nan)  # [languages, width]
    for i, own in enumerate(found.values()):
        if own:
            weights = [keyword.weight for keyword in own]
            centroids[i] = np.average([vectors[keyword.word] for keyword in own], axis=0, weights=weights)
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # a centroid of zeros has no direction: NaN
        directions = centroids / lengths
    similarity: NDArray[np.float64] = np.clip(directions @ directions.T, -1, 1)
    return similarity


def mean_pooled(texts: Sequence[str], encoder: str, maximum_length: int, device: torch.device) -> NDArray[np.float64]:
    """Return the mean of the last hidden states over each text's tokens, ``[texts, width]``."""
    vectors: NDArray[np.float64] = embed(
        encoder,
        texts,
        pooling="mean",
        maximum_length=maximum_length,
        batch_size=_WORDS_PER_BATCH,
        device=device,
        progress=Progress(quiet=True),
    ).numpy()
    return vectors
