"""How the languages' gradients agree in a trained model (Xu & Murray, Figure 1), on texts that it did not train on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gradsim_offline.core.dataset import AnyExample, Dataset
from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.experiments.few_shot.shots import Shots
from gradsim_offline.pipeline.model_store import ModelStore
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.measures.gradient import compare
from gradsim_offline.training.batching import to_device
from gradsim_offline.training.strategies.mixed import backward
from gradsim_offline.training.trained import open_trained
from gradsim_offline.training.trunk_batches import on_trunk

TEXTS = 200  # of a language, at most
_BATCH = 32
_TEXTS_WORD = 29  # keeps the random stream that draws texts apart from the others


def texts_for(dataset: Dataset, source: str, shots: Shots, seed: int) -> Shots:
    """Draw the texts whose gradients are compared: up to 200 of each language, none of them trained on.

    Of a target, training texts that are no shots; of the source, dev texts. Where there are none: those trained on.
    They choose nothing, and no score depends on them.

    Args:
        dataset: All there is.
        source: The source language.
        shots: Of each target.
        seed: Of the draw.
    """
    texts: dict[str, Sequence[AnyExample]] = {}
    for code in (source, *shots):
        if code == source:
            pool = dataset.split(code, "dev") or dataset.split(code, "train")
        else:
            used = set(shots[code])
            pool = [example for example in dataset.split(code, "train") if example not in used] or shots[code]
        random = np.random.default_rng([seed, dataset.languages.index(code), _TEXTS_WORD])
        chosen = random.permutation(len(pool))[:TEXTS]
        texts[code] = [pool[i] for i in sorted(chosen.tolist())]
    return texts


def similarities(
    model: Path,
    texts: Mapping[str, Sequence[AnyExample]],
    languages: Sequence[str],
    store: ModelStore,
    measuring: Measuring,
) -> Measured:
    """Return the cosines of the languages' mean gradients in a model as it is, without dropout.

    Args:
        model: Its directory.
        texts: Of each language.
        languages: The order of the matrix.
        store: How it was trained.
        measuring: Its ``layers`` are tracked, its ``projection`` holds.
    """
    started = time.monotonic()
    task, labels = store.task, store.dataset.labels
    length = store.settings.maximum_length
    opened = open_trained(model, labels, task=task, maximum_length=length, device=store.device)
    rows = [
        row
        for i, code in enumerate(languages)
        for row in task.encode(opened.reader, texts[code], labels, language=i, seed=0)
    ]
    lay_out = on_trunk(task.collate(rows, opened.pad_id), rows, opened.outputs)
    layers, projection = measuring.layers, measuring.projection
    observer = GradientObserver(opened.model, rows, layers, len(languages), projection=projection)
    opened.model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for start in range(0, len(order), _BATCH):
        indices = order[start : start + _BATCH]
        with observer.watch(indices):
            backward(opened.model, to_device(lay_out(indices, 0, 0), store.device))
        opened.model.zero_grad(set_to_none=True)
    observer.end_epoch()
    return compare(observer.epochs, observer.shares, languages, measuring, time.monotonic() - started)
