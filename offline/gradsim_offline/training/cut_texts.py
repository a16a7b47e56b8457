"""Count the texts that are longer than the maximum length and are truncated, in training and in service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gradsim_offline.core.dataset import SPLITS, Dataset
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.training.task import Task

Cut = Mapping[str, Mapping[str, int]]
"""Split -> language -> number of texts that are cut; without those of which there are none."""


def count_cut(dataset: Dataset, encoder: str | Path, *, task: Task, maximum_length: int) -> Cut:
    """Read every text as it is read in training and in service, and count those that are cut.

    Sentences whose words are tagged are read in windows; they count where a single word is cut.

    Raises:
        ModelError: The tokenizer cannot be loaded.
    """
    tokenizer, _ = load_tokenizer(encoder, maximum_length=maximum_length)
    reader = task.decoder.Reader(tokenizer, maximum_length)
    cut: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        for code in dataset.languages:
            inputs = [example.input for example in dataset.split(code, split)]
            if inputs and (count := len(reader.read(inputs).cut)):
                cut.setdefault(split, {})[code] = count
    return cut


def describe_cut(cut: Cut, dataset: Dataset, maximum_length: int) -> str:
    """Describe in one line how many texts are cut, and in which language most; empty where none is."""
    if not cut:
        return ""
    windows = "" if dataset.tagged else "; training reads their beginning, and long_texts says how they are answered"
    parts = []
    for split in (split for split in SPLITS if split in cut):
        counts = dataset.counts(split)
        share = {code: count / counts[code] for code, count in cut[split].items()}
        most = max(share, key=share.__getitem__)
        total, whole = sum(cut[split].values()), sum(counts.values())
        parts.append(f"{total} of {whole} {split} ({total / whole:.0%}; most in {most}: {share[most]:.0%})")
    return (
        f"texts longer than maximum_length = {maximum_length} tokens are cut: {', '.join(parts)}; a larger value "
        f"(--set maximum_length=...) reads more of them, where the encoder can, and takes longer{windows}"
    )
