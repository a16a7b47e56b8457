"""A tiny real bundle that answers questions with places, by the words and graphs of ``tiny_tags``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny_bundle
import tiny_tags
from onnx import save
from tokenizers import processors

from gradsim_shared.decode.question_answering import LABELS

SERVED_BY = {"hau": "g0", "swa": "g0", "amh": "g1"}


def build(directory: Path, *, name: str = "tiny-questions", normalisation: int = 1) -> Path:
    """Write the bundle and return its directory."""
    directory.mkdir(parents=True)
    (directory / "identifier.ftz").write_bytes(tiny_tags._identifier())
    (directory / "similarity.json").write_text(json.dumps({"languages": sorted(SERVED_BY)}), encoding="utf-8")
    for seed, group in enumerate(("g0", "g1")):
        _group(directory / "groups" / group, seed)
    tiny_bundle.write_manifest(
        directory,
        name=name,
        task="question_answering",
        labels=LABELS,
        metric="f1",
        long_texts="windows",
        normalisation=normalisation,
        served_by=SERVED_BY,
        members={"g0": ["hau", "swa"], "g1": ["amh"]},
    )
    return directory


def _group(directory: Path, seed: int) -> None:
    """Write the tokenizer, and a model in which places start and end answers; all else does so by chance."""
    directory.mkdir(parents=True)
    tokenizer = tiny_tags._tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A [CLS] $B", special_tokens=[("[CLS]", 2)]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    weights = np.random.default_rng(seed).normal(size=(tokenizer.get_vocab_size(), 2)).astype(np.float32)
    for sentences in tiny_tags.NER.values():
        for sentence in sentences:
            for word, tag in zip(*tiny_tags.tagged(sentence), strict=True):
                (token,) = tokenizer.encode(word, add_special_tokens=False).ids
                weights[token] = {"B-LOC": (9, 9), "I-LOC": (0, 10)}.get(tag, (0, 0))
    save(tiny_tags._graph(weights), str(directory / "model.onnx"))
