"""How well a model predicts hidden pieces of held-out texts: the perplexity of each language."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gradsim_offline.core.devices import mixed_precision
from gradsim_offline.core.progress import Progress
from gradsim_offline.training.batching import IGNORED, steps_per_epoch, to_device
from gradsim_offline.training.masked_model import MaskedModel
from gradsim_offline.training.text_stream import Texts

_MASKS = 7919  # keeps the random stream of these masks apart from that of training
_HIGHEST = 700.0  # exp of more is no number


@dataclass(frozen=True)
class Perplexity:
    """The perplexity before and after, of one language.

    Attributes:
        texts: Held-out texts.
        before: Of the encoder as it came.
        after: Of the adapted one.
    """

    texts: int
    before: float
    after: float


def perplexities(
    masked: MaskedModel,
    texts: Mapping[str, Texts],
    *,
    share: float,
    batch_size: int,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> dict[str, float]:
    """Return e to the mean negative log-likelihood of the hidden pieces, per language that has texts.

    Pieces are hidden as in training (80 % mask, 10 % another piece, 10 % as they are); which ones depends on the texts
    and the seed alone, so that two models of one tokenizer are asked the same. Perplexities of different tokenizers
    cannot be compared.

    Args:
        masked: The model.
        texts: Held-out texts by language.
        share: Share of the pieces that must be predicted.
        batch_size: Texts at a time.
        seed: Chooses the pieces.
        device: Where to compute.
        progress: Shows how far it is.
    """
    masked.model.to(device).eval()
    judged = {code: own for code, own in texts.items() if len(own)}
    found = {}
    with progress.bar("perplexity", sum(steps_per_epoch(len(own), batch_size) for own in judged.values())) as advance:
        for code, own in judged.items():
            collate = masked.collate([own], share=share, seed=seed + _MASKS)
            order = np.argsort(own.sizes, kind="stable").tolist()  # texts of about the same length together
            summed, asked = 0.0, 0
            for step, start in enumerate(range(0, len(order), batch_size)):
                batch = collate(order[start : start + batch_size], 0, step)
                count = int((batch["labels"] != IGNORED).sum())
                with torch.inference_mode(), mixed_precision(device):
                    summed += count * float(masked.model(**to_device(batch, device)).loss)
                asked += count
                advance(code)
            found[code] = math.exp(min(summed / asked, _HIGHEST))
    return found


def mean(values: Mapping[str, float]) -> float:
    """Return the geometric mean over languages: e to the plain mean of their losses."""
    return math.exp(sum(map(math.log, values.values())) / len(values))
