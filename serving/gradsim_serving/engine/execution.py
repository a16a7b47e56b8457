"""Batch execution: run a group's model and decode its logits; where that fails, only the failing text's job fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_serving.engine.completion import Fail, skip
from gradsim_serving.engine.job import Job, QueuedText, TextResult
from gradsim_serving.engine.scheduler import Batch
from gradsim_serving.observing.observer import Observer
from gradsim_shared.decoding import Decoded, Logits, mixed_logits, probabilities, said
from gradsim_shared.group_model import GroupModel


class BatchRunner:
    """Runs batches; several threads may, at the same time.

    Args:
        observer: Counts batches, times and predictions.
        fail: Ends the job of a text whose result cannot be computed.
        chunk_tokens: Most tokens that run together, padding counted.
        spare_tokens: Padding that costs about as much as one more run of the model.
    """

    def __init__(self, observer: Observer, fail: Fail, chunk_tokens: int, spare_tokens: int) -> None:
        self._observer = observer
        self._fail = fail
        self._chunk_tokens = chunk_tokens
        self._spare_tokens = spare_tokens
        self._lock = threading.Lock()

    def run(self, batch: Batch) -> list[Job]:
        """Run a batch and return the jobs that it completes."""
        served, model = batch.served, batch.served.models[batch.group]
        if not model.in_memory and all(text.job.only_in_memory for text in batch.texts):
            for text in batch.texts:
                skip(text.job)
            return []
        if not all(text.job.canary for text in batch.texts):  # a canary does not count as use in the model cache
            model.mark_used()
        begin = time.monotonic()
        for job in dict.fromkeys(text.job for text in batch.texts):
            if "queue" not in job.seconds:  # of a job in several batches the first counts
                waited = max(0.0, begin - job.arrived - sum(job.seconds.values()))
                job.add_seconds("queue", waited)
                self._observer.stage(served.endpoint, "queue", waited)
        completed: list[Job] = []
        self._run(batch, batch.texts, completed)
        return completed

    def _run(self, batch: Batch, texts: Sequence[QueuedText], completed: list[Job]) -> None:
        """Run texts together; if that fails, run each half of them, down to the failing text."""
        endpoint, model = batch.served.endpoint, batch.served.models[batch.group]
        begin = time.perf_counter()
        try:
            logits = self._logits(endpoint, batch.group, model, texts)
            if logits is None:
                return
            ran = time.perf_counter()
            ready, mixed = self._mixed(texts, logits, batch.served.manifest.labels)
            decoded = model.decode(
                mixed, [text.job.texts[text.index] for text in ready], [text.reading for text in ready]
            )
            results = [_result(*pair, batch.served.title) for pair in zip(ready, decoded, strict=True)]
            labels = [said(prediction) for prediction in decoded]
        except BaseException as error:  # whatever a graph raises, panics in Rust too: no other job may fail
            if len(texts) == 1:
                self._fail(texts[0].job, error, texts[0].index)
                return
            half = len(texts) // 2
            for part in (texts[:half], texts[half:]):
                if _any_live(part):  # a job has ended with its first failing text
                    self._run(batch, part, completed)
            return
        self._add_results(batch, ready, results, labels, completed)
        done = time.perf_counter()
        for stage, seconds in (("run", ran - begin), ("decode", done - ran)):
            self._observer.stage(endpoint, stage, seconds)
            for job in dict.fromkeys(text.job for text in texts):
                job.add_seconds(stage, seconds)

    def _logits(self, endpoint: str, group: str, model: GroupModel, texts: Sequence[QueuedText]) -> list[Logits] | None:
        """Return each text's logits, ``[units, labels]``; ``None``: all jobs have ended."""
        windows = [ids for text in texts for ids in text.reading.ids]
        lengths = [len(ids) for ids in windows]
        outputs: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(windows)
        for number, rows in enumerate(model.chunks(lengths, self._chunk_tokens, self._spare_tokens)):
            if number and not _any_live(texts):  # a long text has many chunks
                return None
            for row, output in zip(rows, model.run_chunk([windows[row] for row in rows]), strict=True):
                outputs[row] = output
            padded = len(rows) * model.padded(lengths[rows[-1]])
            self._observer.batch(endpoint, group, len(rows), sum(lengths[row] for row in rows), padded)
        logits, first = [], 0
        for text in texts:
            last = first + len(text.reading.ids)
            logits.append(model.gather(text.reading, outputs[first:last]))
            first = last
        return model.with_wide([text.reading for text in texts], logits)

    def _mixed(
        self, texts: Sequence[QueuedText], logits: Sequence[Logits], labels: Sequence[str]
    ) -> tuple[Sequence[QueuedText], Sequence[Logits]]:
        """Return the texts whose groups have all run, and the logits to decode.

        A text with several groups has the logarithm of the sum over groups of P(group) times softmax of its logits.
        """
        if all(text.mixture is None for text in texts):
            return texts, logits
        ready: list[QueuedText] = []
        mixed: list[Logits] = []
        for text, of_group in zip(texts, logits, strict=True):
            mixture = text.mixture
            if mixture is None:
                ready.append(text)
                mixed.append(of_group)
                continue
            weighted = text.weight * probabilities(of_group, labels)
            with self._lock:
                mixture.truncated |= bool(text.reading.cut)
                mixture.probabilities[text.group] = weighted
                if len(mixture.probabilities) < mixture.groups:
                    continue
            ready.append(text)
            mixed.append(mixed_logits(mixture.probabilities.values()))
        return ready, mixed

    def _add_results(
        self,
        batch: Batch,
        ready: Sequence[QueuedText],
        results: Sequence[TextResult],
        labels: Sequence[Sequence[str]],
        completed: list[Job],
    ) -> None:
        """Add the results to their jobs, and count the labels of each."""
        for text, result, of_text in zip(ready, results, labels, strict=True):
            text.job.results[text.index] = result
            if text.job.canary:
                continue
            counts = Counter(of_text).items() if len(of_text) > 1 else [(label, 1) for label in of_text]
            for label, count in counts:
                self._observer.predicted(batch.served.endpoint, text.route.language, label, count)
        with self._lock:
            for job in dict.fromkeys(text.job for text in ready):
                if len(job.results) == len(job.texts) and not job.complete:
                    job.complete = True
                    completed.append(job)


def _any_live(texts: Sequence[QueuedText]) -> bool:
    """Whether a caller still waits for any of these texts."""
    now = time.monotonic()
    return any(text.job.is_live(now) for text in texts)


def _result(text: QueuedText, decoded: Decoded, title: str) -> TextResult:
    """Return the result for one text; it is truncated if any of its groups' models did not read all of it."""
    truncated = bool(text.reading.cut) if text.mixture is None else text.mixture.truncated
    return TextResult(decoded.prediction, text.route, truncated, title)
