"""Tiny bundles of one encoder with attention: four groups, of which three share its lower part, the trunk.

The same answers come from `build(..., whole=True)`, a bundle of format 1 whose groups have the whole encoder each.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny_bundle
import tiny_identifier
from manifests import make_manifest
from onnx import TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from gradsim_shared.bundle import file_entry
from gradsim_shared.manifest import Manifest, Parity, Trunk, TrunkPrecision, Wide
from gradsim_shared.ngrams import COUNTS, NGramTable, character_ngrams, word_ngrams

SERVED_BY = {"hau": "g0", "swa": "g1", "pcm": "g2", "amh": "g3"}
ON_TRUNK = ("g0", "g1", "g2")
WITH_NGRAMS = "g2"
WIDTH, INNER, LONGEST = 16, 24, 64
TAGS = ["O", "B-PER", "I-PER"]
TEXTS = [text for code in SERVED_BY for text, _ in tiny_bundle.sentences(code)]
WORDS = ["[PAD]", "[UNK]", "[CLS]", *sorted({word for text in TEXTS for word in text.lower().split()})]
PARITY = Parity(texts=1, max_difference=0.0, label_agreement=1.0)


class _Graph:
    """A graph under construction; every method adds nodes and returns the name of their result.

    Args:
        inputs: Name, type and shape of each.
    """

    def __init__(self, inputs: dict[str, tuple[int, list[object]]]) -> None:
        self.inputs = [helper.make_tensor_value_info(name, *form) for name, form in inputs.items()]
        self.nodes: list[object] = []
        self.constants: list[object] = []

    def op(self, kind: str, *inputs: str | np.ndarray, **attributes: object) -> str:
        names = [self.constant(each) if isinstance(each, np.ndarray) else each for each in inputs]
        self.nodes.append(helper.make_node(kind, names, [f"n{len(self.nodes)}"], **attributes))
        return f"n{len(self.nodes) - 1}"

    def constant(self, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return f"c{len(self.constants) - 1}"

    def save(self, output: str, shape: list[object], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        info = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, path.parent.name, self.inputs, [info], self.constants)
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))

    def floats(self, mask: str) -> str:
        """[texts, tokens]."""
        return self.op("Cast", mask, to=TensorProto.FLOAT)

    def embedded(self, ids: str) -> str:
        """[texts, tokens, WIDTH]."""
        return self.op("Gather", _weights("words", len(WORDS), WIDTH), ids)

    def block(self, hidden: str, mask: str, name: str) -> str:
        """Attention of one head, then two layers, each with a residual and a norm: [texts, tokens, WIDTH]."""
        query, key, value = (
            self.op("MatMul", hidden, _weights(f"{name} {part}", WIDTH, WIDTH)) for part in ("query", "key", "value")
        )
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 2, 1]))
        hidden_places = self.op("Mul", self.op("Sub", mask, np.float32([1])), np.float32([1e4]))
        attention = self.op("Softmax", self.op("Add", scores, self.op("Unsqueeze", hidden_places, np.array([1]))))
        hidden = self.norm(self.op("Add", hidden, self.op("MatMul", attention, value)))
        inner = self.op("Relu", self.op("MatMul", hidden, _weights(f"{name} in", WIDTH, INNER)))
        return self.norm(self.op("Add", hidden, self.op("MatMul", inner, _weights(f"{name} out", INNER, WIDTH))))

    def norm(self, hidden: str) -> str:
        return self.op("LayerNormalization", hidden, np.ones(WIDTH, np.float32), axis=-1)

    def pooled(self, hidden: str, mask: str) -> str:
        """Mean over tokens: [texts, WIDTH]."""
        mask = self.op("Unsqueeze", mask, np.array([2]))
        total = self.op("ReduceSum", self.op("Mul", hidden, mask), np.array([1]), keepdims=0)
        return self.op("Div", total, self.op("ReduceSum", mask, np.array([1]), keepdims=0))


def build(directory: Path, output: str = "pooled", *, tags: bool = False, whole: bool = False) -> Path:
    """Write a bundle into ``directory`` and return it.

    Args:
        directory: Must not exist.
        output: Of the trunk: ``pooled``, outputs of two blocks under linear heads; ``hidden``, one block under a
            further one and a head in each group.
        tags: Its task is to find entities, not to label texts.
        whole: Its groups have the whole encoder each.
    """
    directory.mkdir(parents=True)
    labels = TAGS if tags else tiny_bundle.LABELS
    spoken = [(code, text) for code in SERVED_BY for text, _ in tiny_bundle.sentences(code)]
    (directory / "identifier.ftz").write_bytes(tiny_identifier.train(spoken))
    (directory / "similarity.json").write_text(json.dumps({"languages": sorted(SERVED_BY)}), encoding="utf-8")
    if not whole:
        (directory / "trunk").mkdir()
        _tokenizer().save(str(directory / "trunk/tokenizer.json"))
        _trunk(directory / "trunk/trunk.onnx", output)
    for group in SERVED_BY.values():
        files = directory / "groups" / group
        if whole or group not in ON_TRUNK:
            files.mkdir(parents=True)
            _tokenizer().save(str(files / "tokenizer.json"))
            _whole(files / "model.onnx", group, output, labels, tags)
        else:
            _top(files / "top.onnx", group, output, labels, tags)
    if not tags:
        _ngrams(directory / "groups" / WITH_NGRAMS, labels)
    write_manifest(directory, output, tags=tags)
    return directory


def write_manifest(directory: Path, output: str = "pooled", *, tags: bool = False, name: str = "trunked") -> None:
    """Write the manifest of what lies in ``directory``."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "manifest.json")
    files = {path.relative_to(directory).as_posix(): file_entry(path) for path in paths}
    manifest = make_manifest(
        SERVED_BY,
        name=name,
        task="token_classification" if tags else "text_classification",
        segmentation="words" if tags else "none",
        labels=TAGS if tags else tiny_bundle.LABELS,
        maximum_length=LONGEST,
        scripts={"amh": "ETHIOPIC"},
    )
    content = manifest.model_dump(mode="json")
    content["files"] = {file: entry.model_dump() for file, entry in files.items()}
    if (directory / "trunk").is_dir():
        content |= {"format": 2, "trunk": _entry(output).model_dump(mode="json")}
    for group in content["groups"]:
        if f"groups/{group['id']}/top.onnx" in files:
            inputs = ["features"] if output == "pooled" else ["hidden_states", "attention_mask"]
            group |= {"reads": "trunk", "inputs": inputs, "tokenizer": "trunk/tokenizer.json"}
            group["precisions"]["fp32"]["file"] = f"groups/{group['id']}/top.onnx"
        if f"groups/{group['id']}/wide.onnx" in files:
            names = {"file": f"groups/{group['id']}/wide.onnx", "tokenizer": f"groups/{group['id']}/ngrams.npz"}
            group["wide"] = Wide(**names, weight=0.7, model_weight=1.1, parity=PARITY).model_dump(mode="json")
    text = Manifest.model_validate(content).model_dump_json(indent=2)
    (directory / "manifest.json").write_text(text, encoding="utf-8")


def _entry(output: str) -> Trunk:
    return Trunk(
        tokenizer="trunk/tokenizer.json",
        precisions={"fp32": TrunkPrecision(file="trunk/trunk.onnx", texts=1, cosine=1.0, max_difference=0.0)},
        inputs=["input_ids", "attention_mask"],
        pad_id=0,
        pad_multiple=8,
        output=output,
        width=2 * WIDTH if output == "pooled" else WIDTH,
    )


def _weights(name: str, rows: int, columns: int) -> np.ndarray:
    """Return a matrix that its name makes."""
    draw = np.random.default_rng(list(name.encode()))
    return (draw.normal(size=(rows, columns)) / np.sqrt(rows)).astype(np.float32)


def _tokenizer() -> Tokenizer:
    """One token for each word."""
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return tokenizer


def _of_tokens() -> tuple[_Graph, str]:
    """Return a graph of token ids, and its mask as floats."""
    graph = _Graph({name: (TensorProto.INT64, ["B", "T"]) for name in ("input_ids", "attention_mask")})
    return graph, graph.floats("attention_mask")


def _lower(graph: _Graph, mask: str, output: str) -> str:
    """Add the trunk's part."""
    first = graph.block(graph.embedded("input_ids"), mask, "first")
    if output == "hidden":
        return first
    second = graph.block(first, mask, "second")
    return graph.op("Concat", *(graph.pooled(hidden, mask) for hidden in (first, second)), axis=1)


def _upper(graph: _Graph, below: str, mask: str, group: str, output: str, labels: list[str], tags: bool) -> str:
    """Add the group's part."""
    if output == "pooled":
        return graph.op("MatMul", below, _weights(f"{group} head", 2 * WIDTH, len(labels)))
    hidden = graph.block(below, mask, group)
    hidden = hidden if tags else graph.pooled(hidden, mask)
    return graph.op("MatMul", hidden, _weights(f"{group} head", WIDTH, len(labels)))


def _shape(labels: list[str], tags: bool) -> list[object]:
    return ["B", *(["T"] if tags else []), len(labels)]


def _trunk(path: Path, output: str) -> None:
    graph, mask = _of_tokens()
    shape = ["B", 2 * WIDTH] if output == "pooled" else ["B", "T", WIDTH]
    graph.save(_lower(graph, mask, output), shape, path)


def _top(path: Path, group: str, output: str, labels: list[str], tags: bool) -> None:
    if output == "pooled":
        graph = _Graph({"features": (TensorProto.FLOAT, ["B", 2 * WIDTH])})
        logits = _upper(graph, "features", "", group, output, labels, tags)
    else:
        inputs = {
            "hidden_states": (TensorProto.FLOAT, ["B", "T", WIDTH]),
            "attention_mask": (TensorProto.INT64, ["B", "T"]),
        }
        graph = _Graph(inputs)
        logits = _upper(graph, "hidden_states", graph.floats("attention_mask"), group, output, labels, tags)
    graph.save(logits, _shape(labels, tags), path)


def _whole(path: Path, group: str, output: str, labels: list[str], tags: bool) -> None:
    graph, mask = _of_tokens()
    logits = _upper(graph, _lower(graph, mask, output), mask, group, output, labels, tags)
    graph.save(logits, _shape(labels, tags), path)


def _ngrams(directory: Path, labels: list[str]) -> None:
    """Write a linear model over n-grams: the sum of what each n-gram of a text says."""
    characters, words = (
        np.unique(counted.ngrams) for counted in (character_ngrams(TEXTS, 2, 3), word_ngrams(TEXTS, 1))
    )
    table = NGramTable(2, 3, 1, characters, words)
    table.save(directory / "ngrams.npz")
    says = _weights("n-grams", table.rows, len(labels))
    says[0] = 0
    graph = _Graph({"input_ids": (TensorProto.INT64, ["B", "T"])})
    rows = graph.op("Div", "input_ids", np.array([COUNTS]))
    logits = graph.op("ReduceSum", graph.op("Gather", says, rows), np.array([1]), keepdims=0)
    graph.save(logits, ["B", len(labels)], directory / "wide.onnx")
