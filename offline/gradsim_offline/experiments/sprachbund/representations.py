"""One vector per language: the streamed mean of its texts' vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import WORK
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.embedding_vectors import load_encoder, pool
from gradsim_offline.training.batching import pad, to_device
from gradsim_offline.training.text_stream import Texts

REPRESENTATIONS = "representations.safetensors"
_DRAW = 37  # keeps the random stream that draws the texts apart from the others
_POOL = 50  # texts are read this many batches at a time, and sorted by length


def represent(
    encoder: str,
    texts: Mapping[str, Texts],
    directory: Path,
    *,
    pooling: str,
    maximum_length: int,
    batch_size: int,
    most_texts: int | None,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> None:
    """Write the vector of every language to ``directory``: ``vectors``, ``[languages, width]``, float64.

    Fan et al. 2021, section 3.1, average the vectors of the first token (``cls``) over a language's unlabelled text.
    It is computed in float32 on every device, and summed in float64: the vectors of languages are too near each other
    for less. What is done when it is interrupted is kept, language by language.

    Args:
        encoder: Directory or Hub name.
        texts: By language.
        directory: Gets representations.safetensors.
        pooling: ``cls``, ``mean`` or ``pooler``, see ``pool``.
        maximum_length: Tokens; longer texts are cut.
        batch_size: Texts at a time.
        most_texts: Of a language, at most, drawn at random; ``None``: all.
        seed: Draws the texts.
        device: Where to compute.
        progress: Shows how far it is.

    Raises:
        ModelError: The encoder cannot be loaded, or gives no hidden states.
        SettingsError: It has no such pooling.
    """
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=maximum_length)
    model = load_encoder(encoder, with_pooler=pooling == "pooler").to(device)
    chosen = {code: draw(of_language, code, most_texts, seed) for code, of_language in texts.items()}
    (directory / WORK).mkdir(parents=True, exist_ok=True)
    means = []
    with progress.bar("reading", sum(-(-len(indices) // batch_size) for indices in chosen.values())) as advance:
        for code, indices in chosen.items():
            kept = directory / WORK / f"{code}.safetensors"
            if not kept.is_file():
                mean = RunningMean()
                for batch in _batches(texts[code], indices, batch_size):
                    rows = [encoding.ids for encoding in tokenizer.encode_batch(batch)]
                    inputs = to_device(pad(rows, pad_id), device)
                    with torch.inference_mode():
                        vectors = pool(model(**inputs), inputs["attention_mask"], pooling, encoder)
                    mean.add(vectors.float().cpu().double())
                    advance(code)
                draft = kept.with_suffix(".draft")
                save_file({"vector": mean.value}, draft)
                draft.replace(kept)
            means.append(load_file(kept)["vector"])
    save_file({"vectors": torch.stack(means)}, directory / REPRESENTATIONS)


class RunningMean:
    """A running mean of vectors that come in batches.

    Attributes:
        value: The mean so far, ``[width]``, float64.
        count: Of how many.
    """

    def __init__(self) -> None:
        self.value = torch.zeros(0, dtype=torch.float64)
        self.count = 0

    def add(self, vectors: Tensor) -> None:
        """Update the mean by vectors, ``[batch, width]``."""
        if not self.count:
            self.value = torch.zeros(vectors.shape[1], dtype=torch.float64)
        self.count += len(vectors)
        self.value += (vectors - self.value).sum(dim=0) / self.count


def draw(texts: Texts, language: str, most: int | None, seed: int) -> list[int]:
    """Return which texts to read, in their order; the draw does not depend on what other languages there are."""
    if most is None or most >= len(texts):
        return list(range(len(texts)))
    random = np.random.default_rng([seed, _DRAW, *language.encode()])
    drawn: list[int] = np.sort(random.choice(len(texts), most, replace=False)).tolist()
    return drawn


def _batches(texts: Texts, indices: list[int], batch_size: int) -> Iterator[list[str]]:
    """Read texts, batches of about the same length together."""
    step = batch_size * _POOL
    for start in range(0, len(indices), step):
        near = sorted(indices[start : start + step], key=lambda i: int(texts.sizes[i]))
        for first in range(0, len(near), batch_size):
            yield [texts[i] for i in near[first : first + batch_size]]
