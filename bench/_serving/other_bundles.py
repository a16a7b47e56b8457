"""Bundles made from another for one question: as many groups as wanted of one size, or a large encoder."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import _report
import numpy as np

from _serving import systems, traffic
from _serving.compare import Shape, Timing, show
from _serving.load import Outcome
from gradsim_shared.bundle import file_entry

LAYERS, WIDTH, HEADS = 12, 768, 12
BATCHES = (1, 2, 4, 8, 16, 32, 64)
WINDOW = 512
"""Texts among which the sorted loop may choose those of like length."""


def with_groups(source: Path, target: Path, count: int) -> Path:
    """Write a bundle of 1 group, or of one for each language, whose models have the same weights; return it.

    The files differ by their description, so that the service takes each for a model of its own.
    """
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    codes = [language["code"] for language in manifest["languages"]]
    pattern = manifest["groups"][0]
    groups = {f"g{number}": [code] for number, code in enumerate(codes)} if count > 1 else {"g0": codes}
    graph = source / next(iter(pattern["precisions"].values()))["file"]
    for group in groups:
        folder = target / "groups" / group
        folder.mkdir(parents=True)
        shutil.copy(source / pattern["tokenizer"], folder / "tokenizer.json")
        _described(graph, folder / "model.onnx", group)
    _write(source, target, manifest, groups)
    return target


def large(
    source: Path, scratch: Path, texts: Sequence[str], timing: Timing, options: tuple[str, ...]
) -> dict[str, Any]:
    """Compare the service over a large encoder of random weights with a bare onnxruntime loop at its best batch."""
    bundle = _large_bundle(source, scratch / "large")
    loops = {name: Loop(bundle, texts, window) for name, window in (("in order", 1), ("sorted", WINDOW))}
    speeds = {name: {size: loop.speed(size, timing.seconds) for size in BATCHES} for name, loop in loops.items()}
    rows = [[size, *(f"{by_size[size]:.1f}" for by_size in speeds.values())] for size in BATCHES]
    print(f"\nbare onnxruntime loop, tokens ready, texts/s; sorted by length within {WINDOW} texts")
    _report.table(["batch", *loops], rows)
    best = {name: max(by_size, key=by_size.__getitem__) for name, by_size in speeds.items()}
    shape = Shape(16, clients=32)
    ours = systems.gradsim(bundle, options=options)
    bodies = traffic.write_bodies(texts, shape.texts, scratch / "bodies.jsonl")
    served: list[Outcome] = []
    bare: dict[str, list[float]] = {name: [] for name in loops}
    with systems.running(ours) as up:
        for _, name in _report.interleaved([ours.name, *loops], timing.repeats):
            if name != ours.name:
                up.freeze()
                bare[name].append(loops[name].speed(best[name], timing.seconds))
                up.thaw()
            else:
                limits = {"clients": shape.clients, "rate": None, "seconds": timing.seconds, "warm_up": timing.warm_up}
                served.append(systems.send(up, bodies, shape.texts, **limits))
    show(shape, {ours.name: served})
    for name, most in bare.items():
        ratios = _report.ratios([outcome.texts_per_second for outcome in served], most)
        print(f"against the bare loop {name}, batches of {best[name]}: {_report.in_words(ratios, 2)} (0.90 is asked)")
    return {"loops": speeds, "bare": bare, "service": [asdict(outcome) for outcome in served]}


def _large_bundle(source: Path, target: Path) -> Path:
    """Write a bundle of one group: XLM-R of 12 layers, 768 wide, random weights, the source's tokenizer."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    from gradsim_offline.bundle.onnx import export
    from gradsim_offline.tasks import text_classification

    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    pattern = manifest["groups"][0]
    folder = target / "groups" / "g0"
    folder.mkdir(parents=True)
    shutil.copy(source / pattern["tokenizer"], folder / "tokenizer.json")
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    torch.manual_seed(0)
    settings = XLMRobertaConfig(
        vocab_size=len(vocabulary) + 100,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=manifest["maximum_length"] + 4,
        pad_token_id=pattern["pad_id"],
        num_labels=len(manifest["labels"]),
    )
    export(XLMRobertaForSequenceClassification(settings), folder / "model.onnx", task=text_classification.PLUGIN)
    pattern["precisions"] = {"fp32": {**next(iter(pattern["precisions"].values()))}}
    pattern["precisions"]["fp32"]["latency_milliseconds"] = _latency(folder / "model.onnx")  # the service goes by it
    _write(source, target, manifest, {"g0": [language["code"] for language in manifest["languages"]]})
    return target


def _latency(model: Path, tokens: int = 24, times: int = 9) -> float:
    """Return the median milliseconds of a text of ``tokens`` tokens on one thread, as a build measures it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    ones = np.ones((1, tokens), np.int64)
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        session.run(None, {entry.name: ones for entry in session.get_inputs()})
        found.append(1000 * (time.perf_counter() - begin))
    return statistics.median(found)


def _write(source: Path, target: Path, manifest: dict[str, Any], groups: dict[str, list[str]]) -> None:
    """Write the manifest of a bundle with these groups, and copy what else it names."""
    pattern = manifest["groups"][0]
    precision = next(iter(pattern["precisions"].values()))
    manifest["groups"] = [
        {
            **pattern,
            "id": group,
            "members": members,
            "tokenizer": f"groups/{group}/tokenizer.json",
            "precisions": {"fp32": {**precision, "file": f"groups/{group}/model.onnx"}},
        }
        for group, members in groups.items()
    ]
    for language in manifest["languages"]:
        group = next(group for group, members in groups.items() if language["code"] in members)
        language |= {"group": group, "collective_similarity": {group: 0.0}, "assigned": None}
    manifest["fallback"]["group"] = next(iter(groups))
    manifest["assignment"] = None
    profiles = manifest["identifier"]["profiles"]
    for file in (manifest["identifier"]["file"], "similarity.json", *([profiles["file"]] if profiles else [])):
        shutil.copy(source / file, target / file)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    manifest["files"] = {str(path.relative_to(target)): file_entry(path).model_dump() for path in files}
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _described(graph: Path, target: Path, words: str) -> None:
    import onnx

    model = onnx.load(str(graph))
    model.doc_string = words
    onnx.save(model, str(target))


class Loop:
    """A bare loop that runs token ids which are ready in batches of a fixed size.

    Args:
        bundle: Its first group's model is run, with onnxruntime's own settings.
        texts: They are run again and again.
        window: Texts among which it may put those of like length together; 1: they run in their order.
    """

    def __init__(self, bundle: Path, texts: Sequence[str], window: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        group = manifest["groups"][0]
        tokenizer = Tokenizer.from_file(str(bundle / group["tokenizer"]))
        tokenizer.no_padding()
        tokenizer.enable_truncation(manifest["maximum_length"])
        ids = [encoded.ids for encoded in tokenizer.encode_batch(list(texts))]
        self._ids = [
            encoding
            for start in range(0, len(ids), window)
            for encoding in sorted(ids[start : start + window], key=len)
        ]
        self._pad = group["pad_id"]
        self._session = onnxruntime.InferenceSession(str(bundle / group["precisions"]["fp32"]["file"]))
        self._names = {entry.name for entry in self._session.get_inputs()}
        self._next = 0

    def speed(self, size: int, seconds: float) -> float:
        """Return texts a second in batches of ``size``."""
        self._run(size)
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            done += self._run(size)
        return done / (time.perf_counter() - begin)

    def _run(self, size: int) -> int:
        rows = self._ids[self._next : self._next + size]
        self._next = self._next + size if self._next + size < len(self._ids) else 0
        shape = (len(rows), max(map(len, rows)))
        tokens, mask = np.full(shape, self._pad, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(rows):
            tokens[row, : len(one)], mask[row, : len(one)] = one, 1
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        self._session.run(None, {name: inputs[name] for name in self._names})
        return len(rows)
