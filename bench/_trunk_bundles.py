"""Bundles of one pre-trained encoder under random linear heads: groups on a shared trunk, or whole models."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gradsim_shared.bundle import file_entry
from gradsim_shared.manifest import (
    Fallback,
    FileEntry,
    Group,
    Grouping,
    Identifier,
    Language,
    Manifest,
    Parity,
    Precision,
    Provenance,
    Similarity,
    Trunk,
    TrunkPrecision,
)

LABELS = ["negative", "neutral", "positive"]
LENGTH = 128
Form = Literal["fp32", "int8"]
FORMS: tuple[Form, ...] = ("fp32", "int8")
_PARITY = Parity(texts=0, max_difference=0, label_agreement=1)
_NOT_YET = FileEntry(sha256="0" * 64, size=0)


def export(encoder: Path, blocks: Sequence[int], path: Path) -> int:
    """Write an encoder whose output are the means over tokens of some blocks' outputs; return its width."""
    import torch
    from torch import Tensor, nn
    from transformers import AutoModel

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(encoder, attn_implementation="eager", add_pooling_layer=False)

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            """Return [texts, width]."""
            output = self.encoder(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
            mask = attention_mask[..., None].float()
            states = [output.hidden_states[block] for block in blocks]
            return torch.cat([(each * mask).sum(1) / mask.sum(1) for each in states], dim=1)

    model = Pooled().eval()
    ones = torch.ones(2, 8, dtype=torch.int64)
    axes = {name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask")} | {"features": {0: "texts"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about shapes
        torch.onnx.export(
            model,
            (ones, ones),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["features"],
            dynamic_axes=axes,
            opset_version=18,
            dynamo=False,
        )
    return int(model.encoder.config.hidden_size * len(blocks))


def with_head(trunk: Path, path: Path, head: np.ndarray) -> None:
    """Write a whole model: a trunk's graph with a linear head at its end."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(trunk))
    model.graph.initializer.append(numpy_helper.from_array(head, "head"))
    model.graph.node.append(helper.make_node("MatMul", ["features", "head"], ["logits"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", head.shape[1]]))
    onnx.save(model, str(path))


def in_form(model: Path, form: Form, target: Path) -> None:
    """Write a model as it is, or in 8 bits as a build takes them."""
    import onnx

    from gradsim_offline.models.eight_bits import in_eight_bits

    if form == "fp32":
        target.write_bytes(model.read_bytes())
    else:
        onnx.save(in_eight_bits(onnx.load(str(model))), str(target))


def linear(path: Path, head: np.ndarray) -> None:
    """Write a linear model over features."""
    from onnx import TensorProto, helper, numpy_helper, save

    shapes = {"features": ["B", len(head)], "logits": ["B", head.shape[1]]}
    features, logits = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes.items())
    node = helper.make_node("MatMul", ["features", "head"], ["logits"])
    graph = helper.make_graph([node], "top", [features], [logits], [numpy_helper.from_array(head, "head")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))


def on_trunk(target: Path, trunk: Path, width: int, tokenizer: Path, groups: Mapping[str, Sequence[str]]) -> Path:
    """Write a bundle whose groups, by name, share a trunk and have a random linear head each; return it."""
    (target / "trunk").mkdir(parents=True)
    (target / "trunk/trunk.onnx").write_bytes(trunk.read_bytes())
    (target / "trunk/tokenizer.json").write_bytes(tokenizer.read_bytes())
    entries = []
    for number, (group, codes) in enumerate(groups.items()):
        (target / "groups" / group).mkdir(parents=True)
        linear(target / f"groups/{group}/top.onnx", random_head(width, number))
        entries.append(_entry(group, codes, "top.onnx", "trunk/tokenizer.json", "trunk"))
    entry = Trunk(
        tokenizer="trunk/tokenizer.json",
        precisions={"fp32": TrunkPrecision(file="trunk/trunk.onnx", texts=0, cosine=1, max_difference=0)},
        inputs=["input_ids", "attention_mask"],
        pad_id=_pad_id(tokenizer),
        output="pooled",
        width=width,
    )
    return _write(target, groups, entries, entry)


def whole(target: Path, models: Sequence[Path], tokenizer: Path, groups: Mapping[str, Sequence[str]]) -> Path:
    """Write a bundle whose groups have a whole model each; return it."""
    entries = []
    for model, (group, codes) in zip(models, groups.items(), strict=True):
        (target / "groups" / group).mkdir(parents=True)
        (target / f"groups/{group}/model.onnx").write_bytes(model.read_bytes())
        (target / f"groups/{group}/tokenizer.json").write_bytes(tokenizer.read_bytes())
        entry = _entry(group, codes, "model.onnx", f"groups/{group}/tokenizer.json", "tokens")
        entries.append(entry.model_copy(update={"pad_id": _pad_id(tokenizer)}))
    return _write(target, groups, entries, None)


def random_head(width: int, seed: int) -> np.ndarray:
    """Return ``[width, labels]``."""
    return np.random.default_rng(seed).normal(size=(width, len(LABELS))).astype(np.float32)


def _entry(group: str, codes: Sequence[str], file: str, tokenizer: str, reads: Literal["tokens", "trunk"]) -> Group:
    return Group(
        id=group,
        members=list(codes),
        tokenizer=tokenizer,
        precisions=_precisions(f"groups/{group}/{file}"),
        reads=reads,
        inputs=["features"] if reads == "trunk" else ["input_ids", "attention_mask"],
        pad_id=0,
    )


def _precisions(file: str) -> dict[str, Precision]:
    return {"fp32": Precision(file=file, parity=_PARITY, latency_milliseconds=10)}


def _pad_id(tokenizer: Path) -> int:
    content: dict[str, Any] = json.loads(tokenizer.read_text(encoding="utf-8"))
    ids = {token["content"]: token["id"] for token in content["added_tokens"]}
    return int(ids.get("<pad>", ids.get("[PAD]", 0)))


def _write(target: Path, groups: Mapping[str, Sequence[str]], entries: list[Group], trunk: Trunk | None) -> Path:
    """Write the manifest, and an identifier that is never asked: languages are given."""
    import fasttext

    with tempfile.TemporaryDirectory() as scratch:
        lines = Path(scratch) / "lines.txt"
        lines.write_text("".join(f"__label__{code} {code}\n" for codes in groups.values() for code in codes) * 1000)
        options = {"dim": 10, "bucket": 0, "thread": 11, "verbose": 0}  # of other sizes, memory is left unset
        fasttext.train_supervised(str(lines), **options).save_model(str(target / "identifier.ftz"))
    (target / "similarity.json").write_text("{}")
    paths = [path for path in target.rglob("*") if path.is_file()]
    manifest = Manifest(
        format=1 if trunk is None else 2,
        name=target.name,
        version="1",
        task="text_classification",
        labels=LABELS,
        metric="weighted_f1",
        maximum_length=LENGTH,
        languages=[
            Language(code=code, name=code, group=group, collective_similarity={}, counts={})
            for group, codes in groups.items()
            for code in codes
        ],
        trunk=trunk,
        groups=entries,
        similarity=Similarity(measure="given"),
        grouping=Grouping(solver="given", singleton_score="self", score=0, bound=0, proven=True),
        identifier=Identifier(
            labels={f"__label__{code}": code for codes in groups.values() for code in codes}, threshold=0.5
        ),
        fallback=Fallback(group=next(iter(groups))),
        provenance=Provenance(created="", data="", data_fingerprint="0" * 64, model="e", seed=0, versions={}),
        files={path.relative_to(target).as_posix(): file_entry(path) for path in paths},
    )
    (target / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    return target
