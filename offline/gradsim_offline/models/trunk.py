"""The trunk: a frozen pre-trained encoder, exported once; heads are trained on what the exported form says of texts.

What is trained on is what the service runs: the trunk's rounding to 8 bits is there while a head is fitted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.timing import median_milliseconds, middle
from gradsim_offline.models.eight_bits import in_eight_bits
from gradsim_offline.models.loading import copy_tokenizer, from_pretrained, is_there, load_tokenizer
from gradsim_offline.models.tracing import TOKENS, example_mask, exporting, trace
from gradsim_runtime.sessions import SessionSettings, open_session
from gradsim_shared.errors import ModelError
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Trunk, TrunkPrecision
from gradsim_shared.segments import Sent
from gradsim_shared.trunk import TrunkModel

TRUNK_FILE, ONNX_FILE, INT8_FILE = "trunk.json", "trunk.onnx", "trunk.int8.onnx"
TOKENIZER_FILE = "tokenizer.json"
LEAST_COSINE = 0.98
"""Between the outputs in 8 bits and whole, on average over texts: below it the trunk stays whole."""
Outputs = NDArray[np.float32]
"""``[texts, width]``, or ``[tokens, width]`` where they are not pooled"""
_TOLERANCE = 1e-3  # of an output: exported and not
_INPUTS = ["input_ids", "attention_mask"]


class HiddenTrunk(nn.Module):
    """The outputs of the last of an encoder's lower blocks, for each token.

    Args:
        encoder: A Hugging Face model that ends there.
        blocks: How many it has.
    """

    def __init__(self, encoder: Any, blocks: int) -> None:  # noqa: ANN401 - a PreTrainedModel
        super().__init__()
        self.encoder, self.blocks = encoder, blocks
        self.width = int(encoder.config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return ``[texts, tokens, width]`` from ids and mask, ``[texts, tokens]``."""
        return self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states[self.blocks]


class PooledTrunk(nn.Module):
    """The outputs of some blocks of an encoder, each as the mean over a text's tokens, side by side.

    Args:
        encoder: A Hugging Face model; what is above the last of the blocks is of no use.
        blocks: Their numbers, from 1.
    """

    def __init__(self, encoder: Any, blocks: Sequence[int]) -> None:  # noqa: ANN401 - a PreTrainedModel
        super().__init__()
        self.encoder, self.blocks = encoder, tuple(blocks)
        self.width = len(self.blocks) * int(encoder.config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return ``[texts, width]`` from ids and mask, ``[texts, tokens]``."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states
        mask = attention_mask[..., None].to(hidden[0].dtype)  # [texts, tokens, 1]
        tokens = mask.sum(1).clamp(min=1)
        return torch.cat([(hidden[block] * mask).sum(1) / tokens for block in self.blocks], dim=1)


def pooled_blocks(path: str | Path) -> tuple[int, int]:
    """Return the blocks of an encoder whose outputs heads read: two thirds up, and the last."""
    blocks = int(is_there(path).num_hidden_layers)
    return max(1, round(2 * blocks / 3)), blocks


def load_pooled(path: str | Path, blocks: Sequence[int]) -> PooledTrunk:
    """Load an encoder up to the last of some blocks.

    Raises:
        ModelError: It cannot be loaded, or has not so many blocks.
    """
    there = int(is_there(path).num_hidden_layers)
    if not 1 <= min(blocks) <= max(blocks) <= there:
        raise ModelError(f"{path} has the blocks 1 to {there}; {list(blocks)} cannot be pooled")
    encoder = from_pretrained(AutoModel, path, num_hidden_layers=max(blocks), attn_implementation="eager")
    return PooledTrunk(encoder, blocks).eval()


def load_hidden(path: str | Path, trained_blocks: int) -> HiddenTrunk:
    """Load an encoder without its upper blocks.

    Raises:
        ModelError: It cannot be loaded, or has not so many blocks.
    """
    there = int(is_there(path).num_hidden_layers)
    if not 0 < trained_blocks < there:
        raise ModelError(
            f"training.trained_blocks = {trained_blocks}: {path} has {there} blocks; 1 to {there - 1} can be trained "
            "over a frozen trunk, 0 freezes all, and all trains all"
        )
    blocks = there - trained_blocks
    encoder = from_pretrained(AutoModel, path, num_hidden_layers=blocks, attn_implementation="eager")
    return HiddenTrunk(encoder, blocks).eval()


def export_trunk(
    path: str | Path,
    directory: Path,
    *,
    trained_blocks: int = 0,
    texts: Sequence[Sent],
    maximum_length: int,
    whole: bool = False,
) -> Trunk:
    """Write an encoder as a trunk: its graph, its tokenizer and trunk.json, the manifest's entry.

    Args:
        path: Of the encoder: directory or Hub name.
        directory: Where to write.
        trained_blocks: Upper ones that are left out, so that others read the hidden states below; 0: none is, and two
            blocks' outputs are pooled.
        texts: Some that it will read, normalised: on them the forms are compared, and one of median length is timed.
        maximum_length: Tokens that it reads at once.
        whole: Keep it in 32 bits; else it has 8 where the outputs stay close.

    Raises:
        ModelError: It cannot be exported, or the exported form answers otherwise.
    """
    tokenizer, pad_id = load_tokenizer(path, maximum_length=maximum_length)
    copy_tokenizer(path, directory)
    trunk = load_hidden(path, trained_blocks) if trained_blocks else load_pooled(path, pooled_blocks(path))
    _export(trunk, directory / ONNX_FILE, path)
    entry = Trunk(
        tokenizer=TOKENIZER_FILE,
        precisions={"fp32": TrunkPrecision(file=ONNX_FILE, texts=len(texts), cosine=0, max_difference=0)},
        inputs=_INPUTS,
        pad_id=pad_id,
        output="hidden" if trained_blocks else "pooled",
        width=trunk.width,
    )
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    with torch.inference_mode():
        expected = np.concatenate([trunk(*_batch([each], pad_id)).numpy().reshape(-1, trunk.width) for each in ids])
    exported = _outputs(open_trunk_model(entry, directory), ids)
    form = _compared(ONNX_FILE, exported, expected, len(texts))
    if not form.max_difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ModelError(f"{path}: the exported form's outputs differ from torch's by {form.max_difference:.1e}")
    entry = entry.model_copy(update={"precisions": {"fp32": form}})
    if not whole:
        entry = _in_8_bits(entry, directory, ids, expected)
    entry = _timed(entry, directory, middle(ids))
    write_json(directory / TRUNK_FILE, entry.model_dump(mode="json"))
    return entry


def read_trunk(directory: Path) -> Trunk:
    """Return the entry of a trunk that ``export_trunk`` wrote."""
    return Trunk.model_validate(json.loads((directory / TRUNK_FILE).read_text(encoding="utf-8")))


def open_trunk_model(entry: Trunk, directory: Path, threads: int = 0) -> TrunkModel:
    """Open a trunk; ``threads``: that compute, 0: as many as torch uses."""
    file = directory / served_precision(entry).file
    return TrunkModel(open_session(file, SessionSettings(threads=threads or torch.get_num_threads())), entry)


def _export(trunk: PooledTrunk | HiddenTrunk, path: Path, name: str | Path) -> None:
    inputs = dict(zip(_INPUTS, (torch.full((2, 9), 3), example_mask()), strict=True))
    output, axes = ("states", TOKENS) if isinstance(trunk, HiddenTrunk) else ("features", {0: "texts"})
    with exporting(f"{name} cannot be exported to ONNX as a frozen trunk"):
        trace(trunk, path, inputs, output, axes)


def _in_8_bits(entry: Trunk, directory: Path, ids: Sequence[Sequence[int]], expected: Outputs) -> Trunk:
    """Quantise a trunk, and return its entry with the form that is kept; the file of the other is removed."""
    import onnx

    onnx.save(in_eight_bits(onnx.load(str(directory / ONNX_FILE))), str(directory / INT8_FILE))
    smaller = entry.model_copy(update={"precisions": {"int8": _compared(INT8_FILE, expected, expected, len(ids))}})
    form = _compared(INT8_FILE, _outputs(open_trunk_model(smaller, directory), ids), expected, len(ids))
    if not form.cosine >= LEAST_COSINE:
        (directory / INT8_FILE).unlink()
        return entry
    (directory / ONNX_FILE).unlink()
    return entry.model_copy(update={"precisions": {"int8": form}})


def _timed(entry: Trunk, directory: Path, ids: Sequence[int]) -> Trunk:
    """Return the entry of a trunk with what one text costs on one thread."""
    model = open_trunk_model(entry, directory, threads=1)
    ((name, form),) = entry.precisions.items()
    took = round(median_milliseconds(lambda: model.run([ids])), 3)
    return entry.model_copy(update={"precisions": {name: form.model_copy(update={"latency_milliseconds": took})}})


def _compared(file: str, found: Outputs, expected: Outputs, texts: int) -> TrunkPrecision:
    """Return the entry of an exported form from its outputs and the encoder's, ``[texts or tokens, width]``."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(axis=1) / np.maximum(lengths, 1e-12)
    difference = float(np.abs(found - expected).max())
    return TrunkPrecision(file=file, texts=texts, cosine=float(cosines.mean()), max_difference=difference)


def _batch(ids: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    longest = max(map(len, ids))
    padded = torch.tensor([[*each, *[pad_id] * (longest - len(each))] for each in ids])
    mask = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in ids])
    return padded, mask


def _outputs(model: TrunkModel, ids: Sequence[Sequence[int]]) -> Outputs:
    """Return the outputs of pieces one after the other, ``[pieces or tokens, width]``."""
    found: dict[int, Outputs] = {}
    for rows in model.chunks([len(each) for each in ids]):
        states = model.run([ids[row] for row in rows]).states
        found |= {
            row: each[None] if each.ndim == 1 else each[: len(ids[row])] for row, each in zip(rows, states, strict=True)
        }
    return np.concatenate([found[row] for row in range(len(ids))])
