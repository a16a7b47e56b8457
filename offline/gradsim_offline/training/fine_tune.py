"""Fine-tune one model on the labelled texts of some languages, and keep its best dev epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn

from gradsim_offline.config import Training
from gradsim_offline.dataset import AnyExample, Dataset
from gradsim_offline.devices import keep_memory
from gradsim_offline.encoders._loading import copy_tokenizer, load_tokenizer
from gradsim_offline.progress import Progress
from gradsim_offline.stages import WORK, write_json
from gradsim_offline.training.batching import Row, plan, steps_per_epoch
from gradsim_offline.training.judging import HALVES, DevTexts
from gradsim_offline.training.loop import Observer, train
from gradsim_offline.training.trained import TrainedModel

RESULT = "training.json"
_DATA_WORDS = 7  # keeps the random stream that draws a sample apart from the others


def fine_tune(
    dataset: Dataset,
    members: Sequence[str],
    served: Sequence[str],
    directory: Path,
    *,
    task: ModuleType,
    encoder: str,
    settings: Training,
    maximum_length: int,
    seed: int,
    device: torch.device,
    progress: Progress,
    log: Callable[..., None],
    fraction: float = 1.0,
    observe: Callable[[nn.Module, Sequence[Row]], Observer] | None = None,
) -> None:
    """Train on all members, judge on the served languages, write the model of the best epoch to ``directory``.

    Args:
        dataset: Where the examples come from.
        members: Languages to train on.
        served: Languages whose plain mean dev score chooses the epoch.
        directory: Gets the model in Hugging Face form, its tokenizer, and training.json.
        task: The task's torch half.
        encoder: What to start from.
        settings: The schedule.
        maximum_length: Tokens; longer texts are cut.
        seed: The build's seed.
        device: Where to train.
        progress: Shows how far it is.
        log: Called with the figures of each epoch.
        fraction: Share of each language's training texts to use.
        observe: Makes an observer of the backward passes from the model and the training rows.
    """
    keep_memory()
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=maximum_length)
    torch.manual_seed(seed)  # the new head
    model = task.load_model(encoder, dataset.labels, new_head=True)
    number = {language: i for i, language in enumerate(dataset.languages)}

    reader = task.decoder.Reader(tokenizer, maximum_length)
    chosen = {code: _sample(dataset.split(code, "train"), fraction, seed, number[code]) for code in members}
    rows: list[Row] = [
        row
        for code, examples in chosen.items()
        for row in task.encode(reader, examples, dataset.labels, language=number[code], seed=seed)
    ]
    judged = {code: dataset.split(code, "dev") for code in served if dataset.split(code, "dev")}
    dev = DevTexts(judged, number, reader, task, seed)
    trained = TrainedModel(model, task.decoder, reader, dataset.labels, pad_id, device)
    metric = task.metric(dataset.labels)

    def evaluate() -> dict[str, float]:
        scores = dev.scores(trained)
        names = {"score": metric, **{half: half for half in HALVES}}
        return {name: float(np.mean([found[column] for found in scores.values()])) for name, column in names.items()}

    epochs = epochs_for(len(rows), settings)
    lengths = [len(row.ids) for row in rows]
    with progress.bar("training", epochs * steps_per_epoch(len(rows), settings.batch_size)) as advance:
        end = train(
            model,
            lambda epoch: plan(lengths, settings.batch_size, seed=seed, epoch=epoch),
            task.collate(rows, pad_id),
            epochs=epochs,
            learning_rate=settings.learning_rate,
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
            clip=settings.clip,
            seed=seed,
            device=device,
            evaluate=evaluate if judged else None,
            checkpoints=directory / WORK,
            advance=advance,
            log=log,
            observer=observe(model, rows) if observe else None,
            sparse_rate=settings.sparse_rate,
        )
    for epoch in end.history:
        score = f", dev {metric} {100 * epoch['score']:.2f}" if "score" in epoch else ""
        best = "  <- kept" if epoch["epoch"] == end.best_epoch + 1 else ""
        progress.note(f"  epoch {epoch['epoch']:.0f}/{epochs}: loss {epoch['loss']:.3f}{score}{best}")
    model.to("cpu").save_pretrained(directory)
    copy_tokenizer(encoder, directory)
    write_json(
        directory / RESULT,
        {
            "members": list(members),
            "served": list(served),
            "judged": list(judged),
            "texts": sum(map(len, chosen.values())),
            "rows": len(rows),
            "epochs": epochs,
            "best_epoch": end.best_epoch + 1,
            "pad_id": pad_id,
            "history": end.history,
        },
    )


def epochs_for(texts: int, settings: Training) -> int:
    """Return how many epochs to train: as set, or more where they would give fewer than ``minimum_steps`` steps."""
    steps = steps_per_epoch(texts, settings.batch_size)
    return max(settings.epochs, math.ceil(settings.minimum_steps / max(1, steps)))


def _sample(examples: Sequence[AnyExample], fraction: float, seed: int, language: int) -> list[AnyExample]:
    """Draw a share of a language's examples, at least one, in their order."""
    if fraction >= 1:
        return list(examples)
    count = max(1, round(fraction * len(examples)))
    chosen = np.random.default_rng([seed, language, _DATA_WORDS]).choice(len(examples), count, replace=False)
    return [examples[i] for i in sorted(chosen)]
