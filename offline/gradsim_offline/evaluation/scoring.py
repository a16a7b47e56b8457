"""Score three columns per language: multilingual model, group model with the language known, whole service path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gradsim_offline.dataset import Dataset, Split
from gradsim_offline.encoders._loading import load_tokenizer
from gradsim_offline.evaluation.service_path import ServicePath
from gradsim_offline.progress import Progress
from gradsim_shared.manifest import Scores as Columns

COLUMNS = tuple(Columns.model_fields)  # multilingual, group, service
SCORED: tuple[Split, ...] = ("dev", "test")
Scores = dict[str, dict[str, dict[str, dict[str, float]]]]  # split -> language -> column -> metric


def score(
    dataset: Dataset,
    multilingual: Path,
    path: ServicePath,
    *,
    task: ModuleType,
    maximum_length: int,
    device: torch.device,
    progress: Progress,
) -> dict[str, Any]:
    """Score every language on dev and test.

    Returns:
        ``scores``: split, language, column, metric; ``averages``: split, column, the task's metric as plain mean
        over languages and as mean weighted by the number of texts; ``identifier``: split, language to accuracy;
        ``confusion``: of the identifier on test (dev where there is no test), language to taken-for to texts.
    """
    answer = _multilingual_answers(dataset, multilingual, task=task, maximum_length=maximum_length, device=device)
    scores: Scores = {}
    accuracy: dict[str, dict[str, float]] = {}
    confusion: dict[str, dict[str, dict[str, int]]] = {}
    with progress.bar("evaluating", len(SCORED) * len(dataset.languages)) as advance:
        for split in SCORED:
            for language in dataset.languages:
                examples = dataset.split(language, split)
                advance(f"{language} {split}")
                if not examples:
                    continue
                texts, gold = [example.text for example in examples], [example.label for example in examples]
                routes = path.routes(texts)
                predicted = {
                    "multilingual": answer(texts),
                    "group": path.labels(texts, path.routes(texts, language)),
                    "service": path.labels(texts, routes),
                }
                columns = {column: task.scores(gold, found, dataset.labels) for column, found in predicted.items()}
                scores.setdefault(split, {})[language] = columns
                taken = [route.language or "unknown" for route in routes]
                accuracy.setdefault(split, {})[language] = taken.count(language) / len(taken)
                confusion.setdefault(split, {})[language] = {code: taken.count(code) for code in sorted(set(taken))}
    return {
        "metric": task.METRIC,
        "scores": scores,
        "averages": {
            split: averages(scores[split], dataset.counts(split), task.METRIC) for split in SCORED if split in scores
        },
        "identifier": accuracy,
        "confusion": confusion.get("test") or confusion.get("dev", {}),
    }


def averages(
    scores: Mapping[str, Mapping[str, Mapping[str, float]]], counts: Mapping[str, int], metric: str
) -> dict[str, dict[str, float]]:
    """Return both averages of each column: ``plain`` over languages, ``weighted`` by the number of texts."""
    total = sum(counts[language] for language in scores)
    return {
        column: {
            "plain": sum(found[column][metric] for found in scores.values()) / len(scores),
            "weighted": sum(counts[code] * found[column][metric] for code, found in scores.items()) / total,
        }
        for column in COLUMNS
    }


def _multilingual_answers(
    dataset: Dataset, model_path: Path, *, task: ModuleType, maximum_length: int, device: torch.device
) -> Callable[[Sequence[str]], list[str]]:
    tokenizer, pad_id = load_tokenizer(model_path, maximum_length=maximum_length)
    model = task.load_model(model_path, dataset.labels).to(device)

    def answer(texts: Sequence[str]) -> list[str]:
        rows = task.encode_texts(tokenizer, texts)
        return [dataset.labels[i] for i in task.predict(model, rows, pad_id, device=device).argmax(axis=1)]

    return answer
