"""What a GPU makes of training and answering, in one call of a few minutes; weights and texts are random.

- measuring: steps with the languages' gradients from hooks, against plain steps over the same batches, for each N;
- training: the product's loop against the Hugging Face Trainer with its defaults: model, texts, batch size and epochs
  are equal (the Trainer's part takes the package accelerate);
- memory: the most that was allocated on the GPU, or the process's;
- answering: the exported model in onnxruntime, CUDA against the CPU, and how far fp16 logits are from fp32 ones.

What cannot be had on a machine is said and left out. The smallest form runs anywhere in seconds.

    python bench/gpu.py --json gpu.json
    python bench/gpu.py --layers 2 --width 64 --vocabulary 200 --languages 3 --steps 2 --repeats 3
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import _mini
import _report
import torch
from torch import nn

from gradsim_offline.bundle.onnx import export
from gradsim_offline.core.arithmetic import Precision, choose_arithmetic, mixed_precision, set_precision
from gradsim_offline.core.devices import keep_memory, resolve_device
from gradsim_offline.core.training_settings import Training
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.tasks.text_classification import PLUGIN as TASK
from gradsim_offline.training.batching import Row, pad, plan
from gradsim_offline.training.loop import train
from gradsim_runtime.sessions import SessionSettings, choose_provider, open_session

LABELS = ("negative", "neutral", "positive")
PAD, FIRST = 1, 5  # ids of the padding, and of the first piece
SHORTEST, LONGEST = 8, 64  # tokens of a text
LOOP, TRAINER = "the product's loop", "Hugging Face Trainer, defaults"


def main() -> None:
    """Measure and report."""
    parser = _report.arguments(__doc__ or "")
    number = _report.at_least(1)
    parser.add_argument("--layers", type=number, default=12, help="of the encoder  [12, as XLM-R-base]")
    parser.add_argument("--width", type=_report.at_least(64), default=768, help="of the encoder  [768]")
    parser.add_argument("--vocabulary", type=_report.at_least(100), default=250_002, help="pieces  [250002]")
    parser.add_argument("--languages", type=number, nargs="+", default=[12, 27], metavar="N", help="[12 27]")
    parser.add_argument("--batch-size", type=number, default=32, help="texts of a step  [32]")
    parser.add_argument("--steps", type=number, default=20, help="steps of a block  [20]")
    parser.add_argument("--repeats", type=_report.at_least(3), default=5, help="blocks of each kind  [5]")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda  [auto]")
    chosen = parser.parse_args()
    content = _report.start()
    keep_memory()
    device = resolve_device(chosen.device)
    precision = choose_arithmetic("auto", device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU: nothing here is about one"
    print(f"device: {device}, {name}; the product computes in {precision.precision}: {precision.reason}")
    with tempfile.TemporaryDirectory() as folder:
        encoder = _mini.make_xlmr(chosen.vocabulary, chosen.layers, chosen.width, Path(folder) / "encoder")
        content["measuring"] = {n: measuring(encoder, n, chosen, device, precision.precision) for n in chosen.languages}
        content["training"] = training(encoder, chosen, device, precision.precision, Path(folder))
        content["answering"] = answering(encoder, chosen, Path(folder))
    _report.finish(chosen.json, content)


def texts(count: int, languages: int, vocabulary: int) -> list[Row]:
    """Draw rows of random pieces and lengths."""
    draw = random.Random(0)
    return [
        Row(
            tuple(draw.randrange(FIRST, vocabulary) for _ in range(draw.randint(SHORTEST, LONGEST))),
            (draw.randrange(len(LABELS)),),
            draw.randrange(languages),
            i % 2,
        )
        for i in range(count)
    ]


def measuring(
    encoder: str, languages: int, chosen: argparse.Namespace, device: torch.device, precision: Precision
) -> dict[str, Any]:
    """Return the ratios of watched to plain steps, and the most memory that each took."""
    rows = texts(chosen.batch_size * chosen.steps, languages, chosen.vocabulary)
    trainee = _mini.new_trainee(encoder, LABELS, device)
    set_precision(trainee.model, precision)
    lay_out = TASK.collate(rows, PAD)
    batches = _mini.batches(rows, chosen.steps, chosen.batch_size)
    ways: dict[str, GradientObserver | None] = {"plain": None}
    for layer in ("head.out", "head", f"encoder.{chosen.layers - 1}"):
        ways[layer] = GradientObserver(trainee.model, rows, [layer], languages, projection=65_536)

    def step(indices: Sequence[int], observer: GradientObserver | None) -> None:
        def backward() -> None:
            with mixed_precision(trainee.model):
                loss = trainee.forward(lay_out(indices, 0, 0)).loss
            loss.backward()

        if observer is None:
            backward()
        else:
            with observer.watch(indices):
                backward()
        trainee.clip()
        trainee.step()

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    memory = {}
    for observer in ways.values():
        step(batches[0], observer)
    for _, name in _report.interleaved([*ways], chosen.repeats):
        _forget_peak(device)
        trainee.wait()
        started = time.perf_counter()
        for batch in batches:
            step(batch, ways[name])
        trainee.wait()
        seconds[name].append(time.perf_counter() - started)
        memory[name] = peak_gigabytes(device)
    ratios = {name: _report.ratios(found, seconds["plain"]) for name, found in seconds.items()}
    milliseconds = {name: [1000 * value / len(batches) for value in found] for name, found in seconds.items()}
    print(f"\nmeasuring, N = {languages}")
    head = ["tracked", "ms per step", "ratio to plain", "peak GB"]
    rows_shown = [
        [name, _report.in_words(milliseconds[name], 1), _report.in_words(ratios[name]), f"{memory[name]:.2f}"]
        for name in ways
    ]
    _report.table(head, rows_shown)
    return {"seconds": seconds, "ratios": ratios, "peak_gigabytes": memory}


def training(
    encoder: str, chosen: argparse.Namespace, device: torch.device, precision: Precision, folder: Path
) -> dict[str, Any]:
    """Return samples per second of one epoch each, in turns, and the peak of memory."""
    rows = texts(chosen.batch_size * chosen.steps, 1, chosen.vocabulary)
    runs: dict[str, Callable[[], None]] = {LOOP: lambda: _with_loop(encoder, rows, chosen, device, precision)}
    if find_spec("accelerate") is None:
        print("the Hugging Face Trainer takes another package, left out: pip install accelerate")
    else:
        runs[TRAINER] = lambda: _with_trainer(encoder, rows, chosen, device, folder)
    per_second: dict[str, list[float]] = {name: [] for name in runs}
    memory = {}
    for repeat, name in _report.interleaved([*runs], chosen.repeats + 1):
        _forget_peak(device)
        started = time.perf_counter()
        runs[name]()
        if repeat:  # the first warms up
            per_second[name].append(len(rows) / (time.perf_counter() - started))
        memory[name] = peak_gigabytes(device)
    shown = [
        [
            name,
            _report.in_words(found, 0),
            _report.in_words(_report.ratios(per_second[LOOP], found)),
            f"{memory[name]:.2f}",
        ]
        for name, found in per_second.items()
    ]
    _report.table(["training", "texts per second", "the loop is faster by", "peak GB"], shown)
    return {"per_second": per_second, "peak_gigabytes": memory}


def _with_loop(
    encoder: str, rows: Sequence[Row], chosen: argparse.Namespace, device: torch.device, precision: Precision
) -> None:
    model: Any = TASK.load_model(encoder, LABELS)
    set_precision(model, precision)
    lengths = [len(row.ids) for row in rows]
    with tempfile.TemporaryDirectory() as checkpoints:
        train(
            model,
            lambda epoch: plan(lengths, chosen.batch_size, seed=0, epoch=epoch),
            TASK.collate(rows, PAD),
            **Training(epochs=1).model_dump(include={"epochs", "learning_rate", "warmup", "weight_decay", "clip"}),
            seed=0,
            device=device,
            evaluate=None,
            checkpoints=Path(checkpoints),
            advance=lambda _: None,
            log=lambda **_: None,
        )


def _with_trainer(
    encoder: str, rows: Sequence[Row], chosen: argparse.Namespace, device: torch.device, folder: Path
) -> None:
    from transformers import Trainer, TrainingArguments, logging
    from transformers.utils.logging import disable_progress_bar

    logging.set_verbosity_error()
    disable_progress_bar()
    model: Any = TASK.load_model(encoder, LABELS)
    given = TrainingArguments(
        str(folder / "trainer"),
        per_device_train_batch_size=chosen.batch_size,
        num_train_epochs=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=device.type == "cpu",
    )

    def collate(some: Sequence[Row]) -> dict[str, Any]:
        return {**pad([row.ids for row in some], PAD), "labels": torch.tensor([row.labels[0] for row in some])}

    given.remove_unused_columns = False
    Trainer(model, given, data_collator=collate, train_dataset=list(rows)).train()  # type: ignore[arg-type]


def answering(encoder: str, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return texts per second of the exported model by provider, and how far half precision is from single."""
    model: nn.Module = TASK.load_model(encoder, LABELS).eval()
    export(model, folder / "model.onnx", task=TASK)
    rows = texts(chosen.batch_size, 1, chosen.vocabulary)
    batch = pad([row.ids for row in rows], PAD)
    feed = {name: tensor.numpy() for name, tensor in batch.items()}
    found: dict[str, Any] = {}
    auto = choose_provider("auto")
    for provider in dict.fromkeys(["cpu", auto.provider]):
        session = open_session(folder / "model.onnx", SessionSettings(provider))
        names = {entry.name for entry in session.get_inputs()}
        given = {name: value for name, value in feed.items() if name in names}
        session.run(None, given)
        times = []
        for _ in range(chosen.repeats):
            started = time.perf_counter()
            session.run(None, given)
            times.append(time.perf_counter() - started)
        found[provider] = len(rows) / statistics.median(times)
        print(f"onnxruntime, {provider}: {found[provider]:.0f} texts per second, batches of {len(rows)}")
    if "cuda" not in found:
        print(f"no CUDA in onnxruntime, left out: {auto.why}")
    if torch.cuda.is_available():
        found["fp16_difference"] = _half_precision(
            model.cuda(), {name: tensor.cuda() for name, tensor in batch.items()}
        )
        print(f"fp16 beside fp32: the largest difference of a logit is {found['fp16_difference']:.1e}")
    return found


@torch.no_grad()
def _half_precision(model: nn.Module, batch: dict[str, torch.Tensor]) -> float:
    single = model(**batch).logits
    half = model.half()(**batch).logits
    return float((half.float() - single).abs().max())


def peak_gigabytes(device: torch.device) -> float:
    """Return the most memory since the last reset: of the GPU, else of this process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    _report.run(main)
