"""Tiny real bundles that tag words, for named entities and for parts of speech: real tokenizers and ONNX graphs.

The words of their sentences are one token each, with the right tag; all else is read byte by byte with tags by chance,
mostly not O, so that any text has entities, and every constraint on tags has work to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tiny_bundle
import tiny_identifier
from onnx import TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

NER_LABELS = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
NER = {
    "hau": ["Musa/B-PER yana/O zaune/O a/O Kano/B-LOC ./O", "Hukumar/B-ORG INEC/I-ORG tana/O Abuja/B-LOC ./O"],
    "swa": [
        "Juma/B-PER Omari/I-PER anaishi/O Nairobi/B-LOC ./O",
        "Benki/B-ORG ya/I-ORG Tanzania/I-ORG iko/O Dodoma/B-LOC ./O",
    ],
    "yor": ["Adé/B-PER ń/O gbé/O ní/O Ìbàdàn/B-LOC ./O", "Bọ́lá/B-PER wà/O ní/O ilé/O ìwé/O ./O"],
    "amh": ["አበበ/B-PER በአዲስ/B-LOC አበባ/I-LOC ይኖራል/O ።/O"],
}
POS_LABELS = ["ADP", "AUX", "PROPN", "PUNCT", "VERB"]
POS = {
    "eng": ["Ada/PROPN lived/VERB in/ADP London/PROPN ./PUNCT", "They/PROPN work/VERB at/ADP home/PROPN ./PUNCT"],
    "hau": ["Musa/PROPN yana/AUX zaune/VERB a/ADP Kano/PROPN ./PUNCT"],
}
NER_GROUPS = {"g0": ["hau", "swa"], "g1": ["amh", "hau", "yor"]}  # hau is source-only in g1
POS_GROUPS = {"g0": ["eng"], "g1": ["hau"]}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]"]


def tagged(sentence: str) -> tuple[list[str], list[str]]:
    """Return the words and the tags of a sentence as it is written above."""
    words, tags = zip(*(part.rsplit("/", 1) for part in sentence.split()), strict=True)
    return list(words), list(tags)


def written(sentence: str) -> str:
    """Return a sentence as people write it: no space before its last sign."""
    words, _ = tagged(sentence)
    return " ".join(words[:-1]) + words[-1]


def build_ner(directory: Path, *, name: str = "tiny-ner", normalisation: int = 0) -> Path:
    """Write a bundle for named entities and return its directory."""
    return _build(directory, name, NER_LABELS, NER, NER_GROUPS, metric="entity_f1", normalisation=normalisation)


def build_pos(directory: Path, *, name: str = "tiny-pos", normalisation: int = 0) -> Path:
    """Write a bundle for parts of speech and return its directory."""
    return _build(directory, name, POS_LABELS, POS, POS_GROUPS, metric="accuracy", normalisation=normalisation)


def _build(
    directory: Path,
    name: str,
    labels: Sequence[str],
    sentences: Mapping[str, Sequence[str]],
    groups: Mapping[str, Sequence[str]],
    *,
    metric: str,
    normalisation: int,
) -> Path:
    directory.mkdir(parents=True)
    (directory / "identifier.ftz").write_bytes(_identifier())
    (directory / "similarity.json").write_text(json.dumps({"languages": sorted(sentences)}), encoding="utf-8")
    for group, members in groups.items():
        _group(directory / "groups" / group, labels, [tagged(s) for code in members for s in sentences[code]])
    tiny_bundle.write_manifest(
        directory,
        name=name,
        threshold=0.5,
        task="token_classification",
        labels=labels,
        metric=metric,
        segmentation="words",
        normalisation=normalisation,
        served_by={code: next(g for g, members in groups.items() if code in members) for code in sentences},
        members=groups,
    )
    return directory


def _identifier() -> bytes:
    """Return one identifier for both: it knows languages that one of the two bundles lacks."""
    spoken = [(code, written(s)) for all_ in (NER, POS) for code, found in all_.items() for s in found] * 10
    spoken += [(code, text) for code in ("hau", "swa", "amh") for text, _ in tiny_bundle.sentences(code)]
    return tiny_identifier.train(spoken)


def _group(directory: Path, labels: Sequence[str], sentences: Sequence[tuple[list[str], list[str]]]) -> None:
    """Write the tokenizer, and a model that knows the tags of these sentences' words."""
    directory.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    weights = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), len(labels))).astype(np.float32)
    for words, tags in sentences:
        for word, tag in zip(words, tags, strict=True):
            (token,) = tokenizer.encode(word, add_special_tokens=False).ids
            weights[token] = 0
            weights[token, labels.index(tag)] = 5
    save(_graph(weights), str(directory / "model.onnx"))


def _tokenizer() -> Tokenizer:
    """Return one tokenizer for all groups of both, as an encoder has: it knows the words of all sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    trainer = trainers.BpeTrainer(
        vocab_size=5000,
        min_frequency=1,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = [word for all_ in (NER, POS) for found in all_.values() for s in found for word in tagged(s)[0]]
    tokenizer.train_from_iterator(words, trainer)
    return tokenizer


def _graph(weights: np.ndarray) -> object:
    """Return a graph: each unmasked token's row of ``weights`` [tokens, labels]."""
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["embedded"]),  # [texts, tokens, labels]
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),  # [texts, tokens, 1]
        helper.make_node("Mul", ["embedded", "wide_mask"], ["logits"]),
    ]
    inputs = ("input_ids", "attention_mask")
    graph = helper.make_graph(
        nodes,
        "tags",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", "T", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([2]), "last")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
