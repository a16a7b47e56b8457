"""Fine-tune one model on the labelled texts of some languages, and keep its best dev epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gradsim_offline.core import plugins
from gradsim_offline.core.arithmetic import set_precision
from gradsim_offline.core.dataset import AnyExample, Dataset
from gradsim_offline.core.run_directory import WORK, write_json
from gradsim_offline.core.training_settings import Schedule, Training
from gradsim_offline.models.loading import copy_tokenizer, load_tokenizer
from gradsim_offline.training.batching import Row, plan, steps_per_epoch
from gradsim_offline.training.checkpoint import Position
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.linear_start import trunk_below
from gradsim_offline.training.loop import Observer, train
from gradsim_offline.training.strategy import Strategy, StrategyContext, load_strategy
from gradsim_offline.training.trained import HALVES, DevTexts, TrainedModel
from gradsim_offline.training.trunk_batches import on_trunk
from gradsim_offline.training.trunk_texts import open_outputs
from gradsim_shared.errors import SettingsError

RESULT = "training.json"
_MOST_EPOCHS = 6  # of which each has its line
_DATA_WORDS = 7  # keeps the random stream that draws a sample apart from the others


def fine_tune(
    dataset: Dataset,
    members: Sequence[str],
    served: Sequence[str],
    directory: Path,
    *,
    context: TrainingContext,
    settings: Schedule,
    new_head: bool = True,
    observe: Callable[[nn.Module, Sequence[Row]], Observer] | None = None,
    strategy: Callable[[StrategyContext], Strategy] | None = None,
    data_seed: int | None = None,
) -> None:
    """Train on all members, judge on the served languages, write the model of the best epoch to ``directory``.

    Args:
        dataset: Where the examples come from.
        members: Languages to train on.
        served: Languages whose plain mean dev score chooses the epoch.
        directory: Gets the model in Hugging Face form, its tokenizer, and training.json.
        context: Task, encoder to start from, maximum length, seed, device, precision, progress; ``log`` gets each
            epoch's figures.
        settings: The schedule, and the share of each language's training texts to use.
        new_head: Start with a new head; ``False`` goes on with the one that the encoder was saved with.
        observe: Makes an observer of the backward passes from the model and the training rows; for plain training.
        strategy: Makes the strategy; ``None``: the one that the settings name.
        data_seed: Draws the share of the texts, and the halves; ``None``: the context's seed.

    Raises:
        SettingsError: The strategy is not possible with these data, or not while gradients are watched.
    """
    task, seed, progress = context.task, context.seed, context.progress
    trunk = trunk_below(context.encoder)  # of a top, which reads its outputs
    outputs = open_outputs(trunk.directory, trunk.outputs) if trunk else None
    reads = trunk.directory if trunk else context.encoder
    tokenizer, pad_id = load_tokenizer(reads, maximum_length=context.maximum_length)
    torch.manual_seed(seed)  # the new head
    model: Any = task.load_model(context.encoder, dataset.labels, new_head=new_head)
    set_precision(model, context.precision)
    number = {language: i for i, language in enumerate(dataset.languages)}
    drawing = seed if data_seed is None else data_seed

    reader = task.decoder.Reader(tokenizer, context.maximum_length)
    chosen = {code: sample(dataset.split(code, "train"), settings.fraction, drawing, number[code]) for code in members}

    def encode(code: str, examples: Sequence[AnyExample]) -> list[Row]:
        return task.encode(reader, examples, dataset.labels, language=number[code], seed=drawing)

    rows = [row for code, examples in chosen.items() for row in encode(code, examples)]
    given = StrategyContext(
        languages=dataset.languages,
        examples=chosen,
        rows=rows,
        encode=encode,
        lay_out=lambda some: on_trunk(task.collate(some, pad_id), some, outputs),
        batch_size=settings.batch_size,
        options=None,
        seed=seed,
    )
    chosen_strategy = strategy(given) if strategy else make_strategy(given, settings, watched=observe is not None)
    dev = DevTexts.of(dataset, served, reader=reader, task=task, seed=drawing)
    trained = TrainedModel(model, task.decoder, reader, dataset.labels, pad_id, context.device, outputs)
    metric = task.metric(dataset.labels)

    def evaluate() -> dict[str, float]:
        scores = dev.scores(trained)
        names = {"score": metric, **{half: half for half in HALVES}}
        return {name: float(np.mean([row[column] for row in scores.values()])) for name, column in names.items()}

    epochs = epochs_for(len(rows), settings)
    lengths = [len(row.ids) for row in rows]
    with progress.bar("training", epochs * steps_per_epoch(len(rows), settings.batch_size)) as advance:
        end = train(
            model,
            lambda epoch: plan(lengths, settings.batch_size, seed=seed, epoch=epoch),
            on_trunk(task.collate(rows, pad_id), rows, outputs),
            epochs=epochs,
            learning_rate=settings.learning_rate,
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
            clip=settings.clip,
            seed=seed,
            device=context.device,
            evaluate=evaluate if dev.examples else None,
            checkpoints=directory / WORK,
            advance=advance,
            log=context.log,
            observer=observe(model, rows) if observe else None,
            strategy=chosen_strategy,
            sparse_rate=settings.sparse_rate,
        )
    for epoch in _shown(end):
        score = f", dev {metric} {100 * epoch['score']:.2f}" if "score" in epoch else ""
        best = "  <- kept" if epoch["epoch"] == end.best_epoch + 1 else ""
        progress.note(
            f"  epoch {epoch['epoch']:.0f}/{epochs}: loss {epoch['loss']:.3f}{score}{_conflicts(epoch)}{best}"
        )
    dev.tune(trained, directory)
    model.to("cpu").save_pretrained(directory)
    if trunk is None:
        copy_tokenizer(context.encoder, directory)
    else:
        trunk.save(directory)
    write_json(
        directory / RESULT,
        {
            "members": list(members),
            "served": list(served),
            "judged": list(dev.examples),
            "texts": sum(map(len, chosen.values())),
            "rows": len(rows),
            "epochs": epochs,
            "best_epoch": end.best_epoch + 1,
            "strategy": settings.strategy if isinstance(settings, Training) else "mixed",
            "pad_id": pad_id,
            "history": end.history,
        },
    )


def epochs_for(texts: int, settings: Schedule) -> int:
    """Return how many epochs to train: as set, or more where they would give fewer than ``minimum_steps`` steps."""
    steps = steps_per_epoch(texts, settings.batch_size)
    return max(settings.epochs, math.ceil(settings.minimum_steps / max(1, steps)))


def make_strategy(context: StrategyContext, settings: Schedule, *, watched: bool = False) -> Strategy:
    """Make the strategy that the settings name; a mere schedule names none, and is trained plainly.

    Args:
        context: What it is made from; the options are put in.
        settings: Name it and its options.
        watched: Whether something watches the gradients: then training is plain.

    Raises:
        SettingsError: It is not possible with these options and data, or not while gradients are watched.
    """
    name, given = (settings.strategy, settings.strategy_options) if isinstance(settings, Training) else ("mixed", {})
    if watched and name != "mixed":
        raise SettingsError(f"strategy {name}: gradients are measured in plain training only; use mixed there")
    options = plugins.options("strategies", name, given)
    return load_strategy(name).make(replace(context, options=options))


def _shown(end: Position) -> list[dict[str, float]]:
    """Return the epochs that people read of: all; of many, the first, the best and the last."""
    if len(end.history) <= _MOST_EPOCHS:
        return end.history
    return [end.history[i] for i in sorted({0, end.best_epoch, len(end.history) - 1})]


def _conflicts(epoch: dict[str, float]) -> str:
    """Word what a strategy found in an epoch."""
    if "compared" not in epoch:
        return ""
    if not epoch["compared"]:
        return ", no gradients to compare"
    return f", {epoch['conflicts']:.0f} conflicts in {epoch['compared']:.0f} (mean cosine {epoch['cosine']:.2f})"


def sample(examples: Sequence[AnyExample], fraction: float, seed: int, language: int) -> list[AnyExample]:
    """Draw a share of a language's examples, at least one, in their order."""
    if fraction >= 1:
        return list(examples)
    count = max(1, round(fraction * len(examples)))
    chosen = np.random.default_rng([seed, language, _DATA_WORDS]).choice(len(examples), count, replace=False)
    return [examples[i] for i in sorted(chosen)]
