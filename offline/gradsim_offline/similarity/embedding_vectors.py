"""Text vectors from an encoder: pooled hidden states, in batches of texts of about the same length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gradsim_offline.core.progress import Progress
from gradsim_offline.models.loading import load_tokenizer, load_with_missing
from gradsim_offline.models.trunk import load_pooled
from gradsim_offline.training.batching import pad, to_device
from gradsim_shared.errors import ModelError, SettingsError
from gradsim_shared.normalisation import normalise

_NO_POOLER = "{} has no trained pooler; use similarity.pooling=mean or similarity.pooling=cls"


def load_encoder(path: str | Path, *, with_pooler: bool) -> nn.Module:
    """Load a model for reading, without the head that it may have been saved with.

    Args:
        path: Name on the Hub, or directory.
        with_pooler: Its pooler is wanted, too, and must have been saved.

    Raises:
        ModelError: There is no such model.
        SettingsError: The pooler is wanted, and was not saved: it would be random.
    """
    from transformers import AutoModel

    model, missing = load_with_missing(AutoModel, path)
    if with_pooler and any("pooler" in name for name in missing):
        raise SettingsError(_NO_POOLER.format(path))
    return model.eval()


@torch.inference_mode()
def embed(
    path: str | Path,
    texts: Sequence[str],
    *,
    pooling: str,
    maximum_length: int,
    batch_size: int,
    device: torch.device,
    progress: Progress,
    block: int | None = None,
) -> Tensor:
    """Return the vector of every text, ``[texts, width]``, float64 on the CPU.

    It is computed in float32 on every device: the centroids of languages are too near each other for bf16.

    Args:
        path: Name or directory of the encoder, or of a model fine-tuned from it.
        texts: What to embed.
        pooling: As ``pool`` says.
        maximum_length: Tokens; longer texts are cut.
        batch_size: Texts at a time.
        device: Where to compute.
        progress: Shows how far it is.
        block: Number of the block whose outputs' mean is taken, from 1; ``None``: what the encoder says at its end.

    Raises:
        ModelError: The model cannot be loaded, or gives no hidden states.
        SettingsError: It has no such pooling.
    """
    whole = load_pooled(path, [block]) if block else load_encoder(path, with_pooler=pooling == "pooler")
    model = whole.to(device)
    tokenizer, pad_id = load_tokenizer(path, maximum_length=maximum_length)
    rows = [encoding.ids for encoding in tokenizer.encode_batch([normalise(text) for text in texts])]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    vectors = []
    with progress.bar("embedding", len(batches)) as advance:
        for batch in batches:
            inputs = to_device(pad([rows[i] for i in batch], pad_id), device)
            output = model(**inputs)
            pooled = output if block else pool(output, inputs["attention_mask"], pooling, path)
            vectors.append(pooled.float().cpu().double())
            advance(f"{len(rows[batch[-1]])} tokens")
    return torch.cat(vectors)[torch.tensor(order).argsort()]


def pool(output: object, mask: Tensor, pooling: str, name: str | Path = "this encoder") -> Tensor:
    """Return one vector per text, ``[batch, width]``.

    Args:
        output: Of an encoder: ``last_hidden_state``, ``[batch, tokens, width]``, and maybe ``pooler_output``.
        mask: 1 where a token is, 0 where padding is, ``[batch, tokens]``.
        pooling: ``mean`` over the tokens, ``cls``: the first token, ``pooler``: the model's own text vector.
        name: Of the model, for messages.

    Raises:
        ModelError: The model has no hidden states of tokens.
        SettingsError: It has no text vector of its own.
    """
    if pooling == "pooler":
        pooled = getattr(output, "pooler_output", None)
        if not isinstance(pooled, Tensor):
            raise SettingsError(_NO_POOLER.format(name))
        return pooled
    hidden = getattr(output, "last_hidden_state", None)
    if not isinstance(hidden, Tensor):
        raise ModelError(f"{name} is no encoder of texts: it gives no hidden states of tokens")
    if pooling == "cls":
        return hidden[:, 0]
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
