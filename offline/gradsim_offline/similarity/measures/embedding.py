"""Cosine of the languages' mean text embeddings, from the pre-trained encoder or from the fine-tuned joint model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from gradsim_offline.core.dataset import AnyExample
from gradsim_offline.core.section import Positive, Section, Share
from gradsim_offline.similarity.embedding_vectors import embed
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.products import cosines
from gradsim_offline.similarity.reliability import between_halves
from gradsim_shared.segments import segments

CENTROIDS_FILE = "centroids.safetensors"
_SAMPLE = 17  # keeps the random stream that draws and halves the texts apart from the others


class Options(Section):
    """Settings of the measure ``embedding``."""

    model: Literal["pretrained", "finetuned"] = Field(
        "pretrained", description="the encoder as it starts (PLM), or the model fine-tuned on all languages (FT)"
    )
    pooling: Literal["mean", "cls", "pooler"] = Field(
        "mean", description="of the last hidden states: mean, cls (first token), or the model's own pooler"
    )
    centred: bool = Field(False, description="take the languages' mean off the centroids: raw cosines are all near 1")
    fraction: Share = Field(1.0, description="share of each language's training texts that is embedded")
    most_texts: Positive | None = Field(None, description="texts of a language, at most; none: no limit")
    batch_size: Positive = Field(64, description="texts at a time")


def trains(options: Options) -> bool:
    """Return whether this measure needs a fine-tuned model."""
    return options.model == "finetuned"


def measure(context: MeasureContext) -> Measured:
    """Embed the training texts; a language is the centroid of its texts, ``S[i, j]`` the cosine of two centroids.

    The GradSim paper's baselines "embedding (PLM)" and "embedding (FT)"; its pooling is not stated. ``split_half`` is
    the cosine of the centroids of two random halves of a language's texts. The centroids are left in the context's
    directory (``centroids.safetensors``: ``centroids``, ``[languages, width]``; ``halves``, ``[2, languages, width]``).

    Raises:
        ModelError: The encoder cannot be loaded.
        SettingsError: It has no such pooling.
    """
    started = time.monotonic()
    languages, options = context.dataset.languages, context.options
    finetuned = options.model == "finetuned"
    model = context.train(languages, languages) if finetuned else context.training.encoder
    samples = [sample(context.dataset.split(code, "train"), code, options, context.training.seed) for code in languages]
    vectors = embed(
        model,
        [text for texts in samples for text in texts],
        pooling=options.pooling,
        maximum_length=context.training.maximum_length,
        batch_size=options.batch_size,
        device=context.training.device,
        progress=context.training.progress,
    )
    counts = [len(texts) for texts in samples]
    centroids, halves = centroids_of(vectors, counts)
    save_file({"centroids": centroids, "halves": halves}, context.directory / CENTROIDS_FILE)
    if options.centred:
        middle = centroids.mean(dim=0)
        centroids, halves = centroids - middle, halves - middle
    _warn_of_nothing(centroids, languages)
    split_half = np.where(np.array(counts) > 1, cosines(halves[0], halves[1]).diagonal(), 0.0)
    return Measured(
        "embedding",
        languages,
        cosines(centroids, centroids),
        split_half=split_half,
        settings={
            **options.model_dump(mode="json"),
            "texts": dict(zip(languages, counts, strict=True)),
            "width": centroids.shape[1],
        },
        seconds=time.monotonic() - started,
        reliability=between_halves([cosines(half, half) for half in halves], cosines(halves[0], halves[1])),
    )


def sample(examples: Sequence[AnyExample], language: str, options: Options, seed: int) -> list[str]:
    """Return the texts to embed in random order, the same whatever other languages there are."""
    most = max(1, round(options.fraction * len(examples)))
    chosen = np.random.default_rng([seed, _SAMPLE, *language.encode()]).permutation(len(examples))
    return [" ".join(segments(examples[i].text)) for i in chosen[: min(most, options.most_texts or most)]]


def centroids_of(vectors: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the mean vector of each language, and of both halves of its texts.

    Args:
        vectors: One per text, language after language, ``[texts, width]``.
        counts: Texts of each language, ``[languages]``.

    Returns:
        ``[languages, width]`` and ``[2, languages, width]``: every second text; a half without texts is zero.
    """
    blocks = vectors.split(list(counts))
    whole = torch.stack([block.sum(dim=0) / max(1, len(block)) for block in blocks])
    halves = [[block[half::2].sum(dim=0) / max(1, len(block[half::2])) for block in blocks] for half in (0, 1)]
    return whole, torch.stack([torch.stack(half) for half in halves])


def _warn_of_nothing(centroids: Tensor, languages: Sequence[str]) -> None:
    zero = [code for code, vector in zip(languages, centroids, strict=True) if not vector.any()]
    if zero:
        warnings.warn(f"the embedding of {', '.join(zero)} is zero: similarity 0", stacklevel=3)


PLUGIN = SimilarityMeasure(measure, trains=trains, reads_encoder=True, options=Options)
