"""One graph that holds all models of an ensemble, against a session for each of them, averaged in numpy.

The baseline is the single model. Both ways answer the same AfriSenti dev texts, tokenised beforehand, on one thread,
in interleaved blocks of one process; ratios are of neighbours. The models have the shape that a build trains, and
weights that differ. First for ``mini``, whose models have the n-gram hashing in common, then for an XLM-R.

    python bench/ensemble.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _report

WAYS = ("single", "one graph", "several sessions")
Batches = list[dict[str, Any]]


def main() -> None:
    """Measure and report."""
    import _mini
    import torch

    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoder", metavar="DIR", help="a mini encoder; none: one is made, untrained")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="AfriSenti; none: $GRADSIM_DATA/afrisenti")
    parser.add_argument("--models", type=_report.at_least(2), default=3, help="of the ensemble  [3]")
    parser.add_argument("--texts", type=_report.at_least(32), default=96, help="of a block  [96]")
    parser.add_argument("--batch", type=_report.at_least(2), default=32, help="texts at once, beside single ones  [32]")
    parser.add_argument("--layers", type=_report.at_least(1), default=4, help="of the XLM-R  [4]")
    parser.add_argument("--width", type=_report.at_least(32), default=256, help="of the XLM-R  [256]")
    parser.add_argument("--repeats", type=_report.at_least(5), default=7, help="blocks of each way  [7]")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    content = _report.start()
    dataset = _mini.load_data(chosen.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        encoder = chosen.encoder or _mini.make_encoder(dataset, Path(folder))
        texts = [example.text for code in dataset.languages for example in dataset.split(code, "dev")]
        ids, pad_id, vocabulary = read(encoder, texts[:: max(1, len(texts) // chosen.texts)][: chosen.texts])
        large = Path(folder) / "xlmr"
        encoders = {"mini": encoder, "xlmr": _mini.make_xlmr(vocabulary, chosen.layers, chosen.width, large)}
        for name, path in encoders.items():
            ways = prepare(path, dataset.labels, chosen.models, Path(folder))
            for size in (1, chosen.batch):
                batches = lay_out(ids, size, pad_id)
                content[f"{name}, {size} texts"] = compare(ways, batches, chosen.repeats, f"{name}, {size} at once")
    _report.finish(chosen.json, content)


def read(encoder: str, texts: Sequence[str]) -> tuple[list[list[int]], int, int]:
    """Return the texts' token ids, the id of the padding and the size of the vocabulary."""
    import _mini

    from gradsim_offline.models.loading import load_tokenizer

    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=_mini.RECIPE.maximum_length)
    reader = _mini.task.decoder.Reader(tokenizer, _mini.RECIPE.maximum_length)
    return reader.read(texts).ids, pad_id, tokenizer.get_vocab_size()


def lay_out(ids: Sequence[Sequence[int]], size: int, pad_id: int) -> Batches:
    """Return the texts in batches, shortest first, as the service lays them out."""
    from gradsim_offline.training.batching import pad

    ordered = sorted(ids, key=len)
    batches = [pad(ordered[start : start + size], pad_id) for start in range(0, len(ordered), size)]
    return [{name: tensor.numpy() for name, tensor in batch.items()} for batch in batches]


def prepare(encoder: str, labels: Sequence[str], count: int, folder: Path) -> dict[str, Callable[[Any], Any]]:
    """Export the models in both ways, check that they agree, and return what answers a batch."""
    import _mini
    import numpy as np
    import torch

    from gradsim_offline.bundle.onnx import export
    from gradsim_offline.training.ensemble import Ensemble

    models = []
    for seed in range(count):
        torch.manual_seed(seed)
        model = _mini.task.load_model(encoder, labels, new_head=True).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        models.append(model)
    export(Ensemble(models, "probabilities"), folder / "whole.onnx", task=_mini.task)
    for number, model in enumerate(models):
        export(model, folder / f"{number}.onnx", task=_mini.task)
    sizes = {name: (folder / f"{name}.onnx").stat().st_size / 1e6 for name in ("whole", "0")}
    print(f"{models[0].config.model_type}: {sizes['whole']:.1f} MB in one file, {sizes['0']:.1f} MB for each model")
    whole, *each = (open_session(folder / f"{name}.onnx") for name in ("whole", *range(count)))

    def averaged(batch: Any) -> Any:  # noqa: ANN401 - arrays
        logits = np.stack([session.run(None, batch)[0] for session in each])  # [models, texts, labels]
        chances = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.log((chances / chances.sum(axis=-1, keepdims=True)).mean(axis=0))

    ways = {
        "single": lambda batch: each[0].run(None, batch)[0],
        "one graph": lambda batch: whole.run(None, batch)[0],
        "several sessions": averaged,
    }
    sample = {name: np.array([[5, 6, 7, 8]]) if name == "input_ids" else np.ones((1, 4), np.int64) for name in INPUTS}
    np.testing.assert_allclose(ways["one graph"](sample), averaged(sample), atol=1e-4)
    return ways


INPUTS = ("input_ids", "attention_mask")


def open_session(path: Path) -> Any:  # noqa: ANN401 - onnxruntime's
    """Open a model as the service does, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(ways: dict[str, Callable[[Any], Any]], batches: Batches, repeats: int, title: str) -> dict[str, Any]:
    """Time all batches in each way, print and return the figures."""
    for answer in ways.values():  # warm
        for batch in batches[:10]:
            answer(batch)
    texts = sum(len(batch["input_ids"]) for batch in batches)
    milliseconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _, way in _report.interleaved(WAYS, repeats):
        started = time.perf_counter()
        for batch in batches:
            ways[way](batch)
        milliseconds[way].append(1000 * (time.perf_counter() - started) / texts)
    against = {base: {way: _report.ratios(milliseconds[way], milliseconds[base]) for way in WAYS} for base in WAYS[:2]}
    print(f"{title}; {repeats} x {texts} texts:")
    _report.table(
        ["way", "milliseconds per text", "ratio to single", "ratio to one graph"],
        [
            [way, _report.in_words(milliseconds[way]), *(_report.in_words(against[base][way]) for base in against)]
            for way in WAYS
        ],
    )
    ratios = {base: {way: _report.spread(values) for way, values in rows.items()} for base, rows in against.items()}
    return {"milliseconds": milliseconds, "ratio": ratios}


if __name__ == "__main__":
    _report.run(main)
