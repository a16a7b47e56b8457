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
from gradsim_offline.dataset import Dataset, Example
from gradsim_offline.devices import keep_memory
from gradsim_offline.encoders._loading import copy_tokenizer, load_tokenizer
from gradsim_offline.progress import Progress
from gradsim_offline.stages import WORK, write_json
from gradsim_offline.training.batching import Row, plan, steps_per_epoch
from gradsim_offline.training.loop import Observer, train

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

    def rows_of(language: str, examples: Sequence[Example]) -> list[Row]:
        rows: list[Row] = task.encode(tokenizer, examples, dataset.labels, language=number[language], seed=seed)
        return rows

    rows = [row for m in members for row in rows_of(m, _sample(dataset.split(m, "train"), fraction, seed, number[m]))]
    dev = {language: rows_of(language, dataset.split(language, "dev")) for language in served}
    judged = {language: found for language, found in dev.items() if found}

    def evaluate() -> dict[str, float]:
        scores = dev_scores(model, judged, dataset.labels, task=task, pad_id=pad_id, device=device)
        names = {"score": task.METRIC, "half_0": "half_0", "half_1": "half_1"}
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
        score = f", dev {task.METRIC} {100 * epoch['score']:.2f}" if "score" in epoch else ""
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
            "texts": len(rows),
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


def dev_scores(
    model: nn.Module,
    rows: dict[str, list[Row]],
    labels: Sequence[str],
    *,
    task: ModuleType,
    pad_id: int,
    device: torch.device,
) -> dict[str, dict[str, float]]:
    """Score a model per language, ``{language: {metric: 0 to 1}}``.

    ``half_0`` and ``half_1`` are the task's metric on two halves of the language's texts, for those who choose by one
    and judge by the other; a half without texts has the score of the whole.
    """
    everything = [row for language in rows for row in rows[language]]
    predicted = [labels[i] for i in task.predict(model, everything, pad_id, device=device).argmax(axis=1)]
    found, start = {}, 0
    for language, mine in rows.items():
        gold = [labels[row.label] for row in mine]
        answers = predicted[start : start + len(mine)]
        found[language] = task.scores(gold, answers, labels)
        for half in (0, 1):
            chosen = [i for i, row in enumerate(mine) if row.half == half] or range(len(mine))
            scores = task.scores([gold[i] for i in chosen], [answers[i] for i in chosen], labels)
            found[language][f"half_{half}"] = scores[task.METRIC]
        start += len(mine)
    return found


def _sample(examples: Sequence[Example], fraction: float, seed: int, language: int) -> list[Example]:
    """Draw a share of a language's examples, at least one, in their order."""
    if fraction >= 1:
        return list(examples)
    count = max(1, round(fraction * len(examples)))
    chosen = np.random.default_rng([seed, language, _DATA_WORDS]).choice(len(examples), count, replace=False)
    return [examples[i] for i in sorted(chosen)]
