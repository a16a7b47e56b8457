"""What a trained model answers to a data set's texts, kept small: the index of a label, or one per word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset, Gold, Split
from gradsim_offline.pipeline.model_store import ModelStore


def answers(model: Path, texts: Dataset, splits: Mapping[str, Split], store: ModelStore) -> dict[str, list[Any]]:
    """Return what a model answers to each text, by language: the index of a label, or one per word.

    Args:
        model: Its directory.
        texts: What to ask.
        splits: The languages to ask, and the split of each.
        store: How it was trained.
    """
    from gradsim_offline.training.trained import open_trained

    labels = texts.labels
    length = store.settings.maximum_length
    opened = open_trained(model, labels, task=store.task, maximum_length=length, device=store.device)
    index = {label: i for i, label in enumerate(labels)}
    return {
        code: [
            index[answer] if isinstance(answer, str) else [index[tag] for tag in answer]
            for answer in opened.answers([example.input for example in texts.split(code, split)])
        ]
        for code, split in splits.items()
    }


def as_labels(kept: Sequence[Any], labels: Sequence[str]) -> list[Gold]:
    """Return kept answers as labels: what ``answers`` wrote for one language, turned back."""
    return [labels[i] if isinstance(i, int) else tuple(labels[tag] for tag in i) for i in kept]
