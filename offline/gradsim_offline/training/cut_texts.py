"""Count the texts that are longer than the maximum length and are truncated, in training and in service."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gradsim_offline.core.dataset import SPLITS, Dataset
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.training.task import Task

_WHOLE = 1 << 30  # more tokens than a text has
_MOST = 0.95  # of the texts: a length that holds so many is named

Cut = Mapping[str, Mapping[str, int]]
"""Split -> language -> number of texts that are cut; without those of which there are none."""


def count_cut(dataset: Dataset, encoder: str | Path, *, task: Task, maximum_length: int) -> tuple[Cut, int]:
    """Read every text whole, and count those that are longer than the maximum length.

    Sentences whose words are tagged, and contexts of questions, are read in windows; they count where a single word, a
    question, or the end of a context is cut.

    Returns:
        The counts, and how many tokens 95 % of the texts have at most (a multiple of 8); of those 0.

    Raises:
        ModelError: The tokenizer cannot be loaded.
    """
    tokenizer, _ = load_tokenizer(encoder, maximum_length=maximum_length)
    reader = task.decoder.Reader(tokenizer, maximum_length if dataset.read_whole else _WHOLE)
    cut: dict[str, dict[str, int]] = {}
    lengths: list[int] = []
    for split in SPLITS:
        for code in dataset.languages:
            inputs = [example.input for example in dataset.split(code, split)]
            if not inputs:
                continue
            reading = reader.read(inputs)
            counted = [] if dataset.read_whole else [len(ids) for ids in reading.ids]
            if count := len(reading.cut) + sum(length > maximum_length for length in counted):
                cut.setdefault(split, {})[code] = count
            lengths += counted
    covering = 8 * math.ceil(np.quantile(lengths, _MOST) / 8) if lengths else 0
    return cut, covering


def describe_cut(cut: Cut, dataset: Dataset, maximum_length: int, covering: int = 0) -> str:
    """Describe in one line how many texts are cut, in which language most, and what to set; empty where none is."""
    if not cut:
        return ""
    parts = []
    for split in (split for split in SPLITS if split in cut):
        counts = dataset.counts(split)
        share = {code: count / counts[code] for code, count in cut[split].items()}
        most = max(share, key=share.__getitem__)
        total, whole = sum(cut[split].values()), sum(counts.values())
        parts.append(f"{total} of {whole} {split} ({total / whole:.0%}; most in {most}: {share[most]:.0%})")
    counted = f"texts longer than maximum_length = {maximum_length} tokens are cut: {', '.join(parts)}"
    if covering <= maximum_length:
        return f"{counted}; a larger value (--set maximum_length=...) reads more, where the encoder can"
    return (
        f"{counted}; --set maximum_length={covering} reads {_MOST:.0%} of the texts whole, where the encoder can, and "
        "takes longer; else training reads their beginning, and long_texts says how they are answered"
    )
