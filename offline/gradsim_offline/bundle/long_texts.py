"""Choose by dev how texts of more tokens than the model reads at once are read: cut, or in windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gradsim_offline.core.bootstrap import times_drawn
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import open_trained
from gradsim_shared.manifest import LongTexts

FEWEST = 20  # dev texts that are cut; fewer choose nothing
SURE = 0.8  # share of the draws in which windows must score higher: they cost as many times as they are many
_DRAWS = 1000


@dataclass(frozen=True)
class Choice:
    """How long texts are read, and what chose it.

    Attributes:
        long_texts: As in the manifest.
        texts: Dev texts that are cut.
        scores: Of these texts, all languages together, the task's metric by way of reading; empty: too few to choose.
        wins: Share of bootstrap draws of them in which windows score higher.
    """

    long_texts: LongTexts
    texts: int
    scores: Mapping[str, float]
    wins: float = 0.0

    def describe(self, metric: str) -> str:
        """Return one line on it; empty where no dev text is cut."""
        if not self.texts:
            return ""
        if not self.scores:
            return (
                f"  long texts are cut: only {self.texts} dev texts are too long to tell whether windows are better "
                f"({FEWEST} would do); --set long_texts=windows reads long texts whole"
            )
        cut, windows = (f"{100 * self.scores[way]:.2f}" for way in ("cut", "windows"))
        read = "cut" if self.long_texts == "cut" else "read in windows"
        return (
            f"  long texts are {read}: {metric} of the {self.texts} dev texts that are too long is {cut} cut, "
            f"{windows} in windows (higher in {self.wins:.0%} of draws)"
        )


def choose_long_texts(
    dataset: Dataset, model: Path, *, task: Task, maximum_length: int, device: torch.device
) -> Choice:
    """Answer the dev texts that are cut both ways with the joint model, and choose the way that scores higher.

    Windows are chosen where they are surely better: a text in windows costs as much as so many texts.

    Args:
        dataset: Its dev texts are read.
        model: Directory of the joint model, which was trained on the texts as they are cut.
        task: Of the data set.
        maximum_length: Tokens that the model reads at once.
        device: Where it runs.
    """
    opened = partial(open_trained, model, dataset.labels, task=task, maximum_length=maximum_length, device=device)
    cutting = opened()
    examples = [example for code in dataset.languages for example in dataset.split(code, "dev")]
    examples = [examples[row] for row in cutting.read([example.input for example in examples]).cut]
    if len(examples) < FEWEST:
        return Choice("cut", len(examples), {})
    texts, gold = [example.input for example in examples], [example.gold for example in examples]
    times = times_drawn(len(gold), _DRAWS, np.random.default_rng(0)).astype(float)  # [draws, texts]
    scores, draws = {}, {}
    for way, trained in (("cut", cutting), ("windows", opened(long_texts="windows"))):
        counts = task.statistics(gold, trained.answers(texts), dataset.labels).astype(float)  # [texts, S]
        scores[way] = float(task.metric_from(counts.sum(axis=0), dataset.labels))
        draws[way] = task.metric_from(times @ counts, dataset.labels)  # [draws]
    wins = float((draws["windows"] > draws["cut"]).mean())
    return Choice("windows" if wins >= SURE else "cut", len(gold), scores, wins)
