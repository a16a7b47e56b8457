"""Batch execution: run the models and decode their logits; where that fails, only the failing text's job fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.completion import Fail, skip
from gradsim_serving.engine.job import Job, QueuedText, TextResult
from gradsim_serving.engine.models_run import ModelsRun, OfGroup, any_live
from gradsim_serving.engine.scheduler import Batch
from gradsim_serving.observing.observer import Observer
from gradsim_shared.decoding import Decoded, Logits, said


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
        served, texts = batch.served, self._to_run(batch)
        begin = time.monotonic()
        for job in dict.fromkeys(text.job for text in texts):
            if "queue" not in job.seconds:  # of a job in several batches the first counts
                waited = max(0.0, begin - job.arrived - sum(job.seconds.values()))
                job.add_seconds("queue", waited)
                self._observer.stage(served.endpoint, "queue", waited)
        completed: list[Job] = []
        if texts:
            self._run(served, texts, completed)
        return completed

    def _to_run(self, batch: Batch) -> list[QueuedText]:
        """Return the texts of a batch without canaries for which a model would have to be loaded."""
        by_group: dict[str, list[QueuedText]] = {}
        for text in batch.texts:
            by_group.setdefault(text.group, []).append(text)
        skipped: set[str] = set()
        for group, texts in by_group.items():
            model = batch.served.models[group]
            if not model.in_memory and all(text.job.only_in_memory for text in texts):
                skipped.add(group)
                for text in texts:
                    skip(text.job)
            elif not all(text.job.canary for text in texts):  # a canary does not count as use in the model cache
                model.mark_used()
        return [text for text in batch.texts if text.group not in skipped]

    def _run(self, served: Served, texts: Sequence[QueuedText], completed: list[Job]) -> None:
        """Run texts of one queue together; those that fail are run again in halves, down to the failing text."""
        begin = time.perf_counter()
        run = ModelsRun(served, texts, self._observer)
        try:
            if not run.run(self._chunk_tokens, self._spare_tokens):
                return
        except BaseException as error:  # whatever a graph raises, panics in Rust too: no other job may fail
            self._run_halves(served, texts, error, completed)
            return
        seconds = {"run": time.perf_counter() - begin, "decode": 0.0}
        done: list[QueuedText] = []
        failed: list[tuple[Sequence[QueuedText], BaseException]] = []
        for of_group in run.groups.values():
            try:
                begin = time.perf_counter()
                logits = run.logits(of_group)
                seconds["run"] += (ran := time.perf_counter()) - begin
                answers = self._answers(served, of_group, logits)
                seconds["decode"] += time.perf_counter() - ran
            except BaseException as error:  # of this group's texts only
                failed.append((of_group.texts, error))
                continue
            self._add_results(served, *answers, completed)
            done += of_group.texts
        for stage, taken in seconds.items():
            if done:
                self._observer.stage(served.endpoint, stage, taken)
            for job in dict.fromkeys(text.job for text in done):
                job.add_seconds(stage, taken)
        for texts_of_group, reason in failed:
            self._run_halves(served, texts_of_group, reason, completed)

    def _run_halves(
        self, served: Served, texts: Sequence[QueuedText], error: BaseException, completed: list[Job]
    ) -> None:
        """Run each half of texts that failed together; one that failed alone ends its job."""
        if len(texts) == 1:
            self._fail(texts[0].job, error, texts[0].index)
            return
        half = len(texts) // 2
        for part in (texts[:half], texts[half:]):
            if any_live(part):  # a job has ended with its first failing text
                self._run(served, part, completed)

    def _answers(
        self, served: Served, of_group: OfGroup, logits: Sequence[Logits]
    ) -> tuple[Sequence[QueuedText], Sequence[TextResult], Sequence[Sequence[str]]]:
        """Return the texts whose groups have all run, their results, and what is counted of each."""
        ready, mixed = self._mixed(of_group, logits, served.manifest.labels)
        texts, readings = [text.job.texts[text.index] for text in ready], [text.reading for text in ready]
        decoded = of_group.model.decode(mixed, texts, readings)
        results = [_result(*pair, served.title) for pair in zip(ready, decoded, strict=True)]
        return ready, results, [said(prediction) for prediction in decoded]

    def _mixed(
        self, of_group: OfGroup, logits: Sequence[Logits], labels: Sequence[str]
    ) -> tuple[Sequence[QueuedText], Sequence[Logits]]:
        """Return the texts whose groups have all run, and the logits to decode.

        A text with several groups has those of the sum over groups of P(group) times their probabilities.
        """
        texts, decoder = of_group.texts, of_group.model.decoder
        if all(text.mixture is None for text in texts):
            return texts, logits
        ready: list[QueuedText] = []
        mixed: list[Logits] = []
        for text, own in zip(texts, logits, strict=True):
            mixture = text.mixture
            if mixture is None:
                ready.append(text)
                mixed.append(own)
                continue
            weighted = text.weight * decoder.probabilities(own, labels)
            with self._lock:
                mixture.truncated |= bool(text.reading.cut)
                mixture.probabilities[text.group] = weighted
                if len(mixture.probabilities) < mixture.groups:
                    continue
            ready.append(text)
            mixed.append(decoder.mixed_logits(mixture.probabilities.values()))
        return ready, mixed

    def _add_results(
        self,
        served: Served,
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
                self._observer.predicted(served.endpoint, text.route.language, label, count)
        with self._lock:
            for job in dict.fromkeys(text.job for text in ready):
                if len(job.results) == len(job.texts) and not job.complete:
                    job.complete = True
                    completed.append(job)


def _result(text: QueuedText, decoded: Decoded, title: str) -> TextResult:
    """Return the result for one text; it is truncated if any of its groups' models did not read all of it."""
    truncated = bool(text.reading.cut) if text.mixture is None else text.mixture.truncated
    return TextResult(decoded.prediction, text.route, truncated, title)
