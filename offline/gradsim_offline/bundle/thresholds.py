"""The thresholds of a bundle's labels, where a text may have several: tuned on what its models answer to dev texts."""

from __future__ import annotations

import numpy as np

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.training.task import Task
from gradsim_runtime.predictor import Predictor
from gradsim_shared.decode.multi_label_classification import UNTUNED


def tuned(dataset: Dataset, predictor: Predictor, task: Task) -> list[float]:
    """Return a threshold for each label, of the highest F1 over the dev texts of all languages; without any, 0.5 each.

    Args:
        dataset: Its dev texts are answered, their languages known.
        predictor: The exported models, as the service will ask them.
        task: Tunes.
    """
    chances, gold = [], []
    for code in dataset.languages:
        examples = dataset.split(code, "dev")
        texts = [example.text for example in examples]
        answers = predictor.answers(texts, predictor.routes(texts, code))
        chances += [list(answer.decoded.prediction.scores.values()) for answer in answers]
        gold += [example.gold for example in examples]
    if task.tune is None or not gold:
        return [UNTUNED] * len(dataset.labels)
    return task.tune(np.array(chances), gold, dataset.labels)
