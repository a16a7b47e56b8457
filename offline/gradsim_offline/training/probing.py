"""Time a few batches of the kind that a build will run: random weights, but sizes and lengths of the real ones."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradsim_offline.core.arithmetic import Precision, mixed_precision, set_precision
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.training_settings import NGrams, Pretraining
from gradsim_offline.training.batching import IGNORED, pad, to_device
from gradsim_offline.training.encoders.mini import LONGEST_PIECE, mini_config
from gradsim_offline.training.linear import fit, training_texts
from gradsim_offline.training.linear_features import LinearFeatures
from gradsim_offline.training.linear_start import LinearStart
from gradsim_offline.training.optimizer import Optimizer

_BLOCKS = 3  # of a deeper encoder so many are timed, and the time is scaled
_VOCABULARY = 20_000  # of a pre-trained encoder's probe, at most; more rows change little but memory
_TEXTS = 900  # that linear models are timed on, at most
_EIGHT_BITS = 0.5  # of the time in 32 bits (bench/trunk.py)


@dataclass(frozen=True)
class Speed:
    """What a model's batches take here.

    Attributes:
        step: Seconds of a training step.
        read: Seconds in which a text is read, in a batch, without training.
        parameters: Of the whole model, which has the blocks that were not timed, too.
        memory: Bytes of this process at its largest, with what the untimed blocks would add.
    """

    step: float
    read: float
    parameters: int
    memory: int


def time_encoder(
    config: Any,  # noqa: ANN401 - a PretrainedConfig
    lengths: Sequence[int],
    batch_size: int,
    *,
    tagged: bool,
    trained_blocks: int | None,
    vocabulary: int,
    device: torch.device,
    precision: Precision,
) -> Speed:
    """Time steps and reading of an encoder of this configuration.

    Args:
        config: Sizes; blocks and vocabulary are changed for the probe.
        lengths: Tokens of texts of the data.
        batch_size: Texts per step.
        tagged: Words have tags.
        trained_blocks: Upper ones that are trained, above what only reads; ``None``: all.
        vocabulary: Pieces that the trained encoder will have.
        device: Where to compute.
        precision: Of the matrix products of a step.
    """
    blocks = int(config.num_hidden_layers)
    timed = min(blocks, _BLOCKS)
    model, whole = (_model(config, layers, min(vocabulary, _VOCABULARY), tagged=tagged) for layers in (timed, timed))
    set_precision(model, precision)
    batches = [to_device(batch, device) for batch in _batches(lengths, batch_size, model.config.vocab_size)]
    step = _step_seconds(model.to(device), batches, lambda batch: model(**batch).logits.float().square().mean())
    read = _read_seconds(whole.to(device).eval(), batches)
    per_block = sum(p.numel() for p in _one_block(model).parameters())
    missing = (blocks - timed) * per_block + (vocabulary - model.config.vocab_size) * int(config.hidden_size)
    trained = blocks if trained_blocks is None else trained_blocks
    below = 1.0 if trained_blocks is None else _EIGHT_BITS * max(1, blocks - trained) / blocks  # a frozen trunk's
    parameters = sum(p.numel() for p in model.parameters()) + max(0, missing)
    return Speed(
        step * trained / timed,
        read * blocks / timed * below,
        parameters,
        peak_memory() + (4 if trained_blocks is not None else 16) * max(0, missing),
    )


def time_mini(settings: Pretraining, lengths: Sequence[int], batch_size: int, *, tagged: bool) -> tuple[Speed, float]:
    """Time ``mini`` on the CPU: its fine-tuning, and the seconds of a step of masked language modelling."""
    from gradsim_offline.models.mini import MiniForMaskedLM

    config = mini_config(settings, settings.vocabulary, max(lengths))
    model = _model(config, settings.layers, settings.vocabulary, tagged=tagged)
    _spell(model)
    batches = _batches(lengths, batch_size, settings.vocabulary)
    step = _step_seconds(model, batches, lambda batch: model(**batch).logits.square().mean())
    read = _read_seconds(model.eval(), batches)
    masked = MiniForMaskedLM(config)
    hidden = _batches(lengths, settings.batch_size, settings.vocabulary)
    for batch in hidden:
        drawn = torch.rand(batch["input_ids"].shape) < settings.masked
        batch["labels"] = torch.where(drawn, batch["input_ids"], IGNORED)
    pretraining = _step_seconds(masked, hidden, lambda batch: masked(**batch).loss)
    return Speed(step, read, sum(p.numel() for p in model.parameters()), peak_memory()), pretraining


def time_linear(dataset: Dataset, settings: NGrams, maximum_length: int, seed: int) -> Callable[[int], float]:
    """Time n-gram models on two samples; return the seconds that a number of training texts takes.

    Between the samples and beyond them the time grows as a power of the number.
    """
    texts, gold = training_texts(dataset, dataset.languages, 1.0, seed)
    order = np.random.default_rng(seed).permutation(len(texts))[:_TEXTS]
    points = []
    for count in sorted({max(2, len(order) // 3), len(order)}):
        chosen = [texts[i] for i in order[:count]]
        started = time.perf_counter()
        _, vectors = LinearFeatures.of(chosen, LinearStart(settings), maximum_length)
        fit(vectors, gold[order[:count]], len(dataset.labels), settings.strengths, seed)
        points.append((count, time.perf_counter() - started))
    (few, short), (many, long) = points[0], points[-1]
    power = min(1.3, max(0.7, log(long / short) / log(many / few))) if many > few else 1.0
    return lambda number: float(long * (max(1, number) / many) ** power)


def peak_memory() -> int:
    """Return the most bytes that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _model(config: Any, blocks: int, vocabulary: int, *, tagged: bool) -> Any:  # noqa: ANN401 - Hugging Face's
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    if tagged:
        from gradsim_offline.models import mini_tagging  # noqa: F401 - registers itself
    smaller = type(config).from_dict({**config.to_dict(), "num_hidden_layers": blocks, "vocab_size": vocabulary})
    auto = AutoModelForTokenClassification if tagged else AutoModelForSequenceClassification
    return auto.from_config(smaller)


def _spell(model: nn.Module) -> None:
    """Give the pieces of a mini without a tokenizer three letters each."""
    from gradsim_offline.models.mini import NGrams as Bag

    for layer in model.modules():
        if isinstance(layer, Bag):
            layer.spelling[:, :3] = torch.randint(97, 123, (len(layer.spelling), 3))
            layer.spelling[:, 3:LONGEST_PIECE] = 0


def _one_block(model: nn.Module) -> nn.Module:
    """Return a block of an encoder: the largest list of modules holds them."""
    lists = [layer for layer in model.modules() if isinstance(layer, nn.ModuleList) and len(layer)]
    return max(lists, key=lambda found: sum(p.numel() for p in found.parameters()))[0]


def _batches(lengths: Sequence[int], batch_size: int, vocabulary: int) -> list[dict[str, Tensor]]:
    """Return three batches, of short, middling and long texts, as the training's batches are sorted."""
    ordered = np.sort(np.asarray(lengths))
    random = np.random.default_rng(0)
    batches = []
    for part in np.array_split(ordered, 3):
        drawn = part[np.linspace(0, len(part) - 1, batch_size).astype(int)] if len(part) else ordered
        batches.append(pad([random.integers(10, vocabulary, int(each)).tolist() for each in drawn], 1))
    return batches


def _step_seconds(
    model: nn.Module, batches: Sequence[dict[str, Tensor]], loss_of: Callable[[dict[str, Tensor]], Tensor]
) -> float:
    device = next(model.parameters()).device
    optimizer = Optimizer(model.train(), weight_decay=0.01, device=device)

    def step(batch: dict[str, Tensor]) -> None:
        with mixed_precision(model):
            loss = loss_of(batch)
        loss.backward()
        optimizer.step(1e-5, 1.0)

    return _mean_seconds(step, batches, device)


def _read_seconds(model: nn.Module, batches: Sequence[dict[str, Tensor]]) -> float:
    with torch.inference_mode():
        seconds = _mean_seconds(lambda batch: model(**batch), batches, next(model.parameters()).device)
    return seconds / len(batches[0]["input_ids"])


def _mean_seconds(
    call: Callable[[dict[str, Tensor]], object], batches: Sequence[dict[str, Tensor]], device: torch.device
) -> float:
    """Return the mean time of a call; the first one warms up."""
    call(batches[0])
    started = time.perf_counter()
    for batch in batches:
        call(batch)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - started) / len(batches)
