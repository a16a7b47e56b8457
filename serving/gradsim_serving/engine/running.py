"""Run a batch and make answers of it; when something goes wrong, only the guilty text's request fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_serving.engine.job import Answer, Job, Waiting
from gradsim_serving.engine.outcome import Fail, skip
from gradsim_serving.engine.queues import Batch
from gradsim_serving.observing.observer import Observer
from gradsim_shared.decoding import Decoded, Logits, mixed_logits, probabilities, said
from gradsim_shared.group_model import GroupModel


class Running:
    """Runs batches; several threads may, at the same time.

    Args:
        observer: Told of batches, times and what was answered.
        fail: Told of each text whose answer cannot be computed.
        chunk_tokens: Most tokens that run together, padding counted.
        spare_tokens: So much padding costs about as much as one more run of the model.
    """

    def __init__(self, observer: Observer, fail: Fail, chunk_tokens: int, spare_tokens: int) -> None:
        self._observer = observer
        self._fail = fail
        self._chunk_tokens = chunk_tokens
        self._spare_tokens = spare_tokens
        self._counting = threading.Lock()

    def run(self, batch: Batch) -> list[Job]:
        """Run a batch and return the requests that it was the last missing piece of."""
        served, model = batch.served, batch.served.models[batch.group]
        if not model.in_memory and all(waiting.job.only_in_memory for waiting in batch.texts):
            for waiting in batch.texts:
                skip(waiting.job)
            return []
        if not all(waiting.job.canary for waiting in batch.texts):  # canaries must not say which group is needed most
            model.asked()
        begin = time.monotonic()
        for job in dict.fromkeys(waiting.job for waiting in batch.texts):
            if "queue" not in job.seconds:  # of a request in several batches the first counts
                waited = max(0.0, begin - job.arrived - sum(job.seconds.values()))
                job.spent("queue", waited)
                self._observer.stage(served.endpoint, "queue", waited)
        finished: list[Job] = []
        self._run(batch, batch.texts, finished)
        return finished

    def _run(self, batch: Batch, texts: Sequence[Waiting], finished: list[Job]) -> None:
        """Run texts together; if that fails, run each half of them, down to the text that is guilty."""
        endpoint, model = batch.served.endpoint, batch.served.models[batch.group]
        begin = time.perf_counter()
        try:
            logits = self._logits(endpoint, batch.group, model, texts)
            if logits is None:
                return
            ran = time.perf_counter()
            ready, mixed = self._mixed(texts, logits, batch.served.manifest.labels)
            decoded = model.decode(
                mixed, [waiting.job.texts[waiting.index] for waiting in ready], [waiting.reading for waiting in ready]
            )
            answers = [_answer(*pair, batch.served.title) for pair in zip(ready, decoded, strict=True)]
            labels = [said(one) for one in decoded]
        except BaseException as error:  # whatever a graph can do wrong, panics in Rust too: nobody else may suffer
            if len(texts) == 1:
                self._fail(texts[0].job, error, texts[0].index)
                return
            half = len(texts) // 2
            for part in (texts[:half], texts[half:]):
                if _wanted(part):  # with the first guilty text its request is over
                    self._run(batch, part, finished)
            return
        self._finish(batch, ready, answers, labels, finished)
        done = time.perf_counter()
        for stage, seconds in (("run", ran - begin), ("decode", done - ran)):
            self._observer.stage(endpoint, stage, seconds)
            for job in dict.fromkeys(waiting.job for waiting in texts):
                job.spent(stage, seconds)

    def _logits(self, endpoint: str, group: str, model: GroupModel, texts: Sequence[Waiting]) -> list[Logits] | None:
        """Return each text's logits, ``[units, labels]``; ``None``: nobody wants them any more, some have not run."""
        pieces = [ids for waiting in texts for ids in waiting.reading.ids]
        lengths = [len(ids) for ids in pieces]
        outputs: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(pieces)
        for number, rows in enumerate(model.chunks(lengths, self._chunk_tokens, self._spare_tokens)):
            if number and not _wanted(texts):  # the first is begun anyway; a long text has many
                return None
            for row, output in zip(rows, model.run_chunk([pieces[row] for row in rows]), strict=True):
                outputs[row] = output
            padded = len(rows) * model.padded(lengths[rows[-1]])
            self._observer.batch(endpoint, group, len(rows), sum(lengths[row] for row in rows), padded)
        logits, first = [], 0
        for waiting in texts:
            last = first + len(waiting.reading.ids)
            logits.append(model.gather(waiting.reading, outputs[first:last]))
            first = last
        return logits

    def _mixed(
        self, texts: Sequence[Waiting], logits: Sequence[Logits], labels: Sequence[str]
    ) -> tuple[Sequence[Waiting], Sequence[Logits]]:
        """Return the texts that no other group has to answer, and what is to be decoded of them.

        A text with several groups has the logarithm of the sum over groups of P(group) times softmax of its logits.
        """
        if all(waiting.mixing is None for waiting in texts):
            return texts, logits
        ready, found = [], []
        for waiting, mine in zip(texts, logits, strict=True):
            mixing = waiting.mixing
            if mixing is None:
                ready.append(waiting)
                found.append(mine)
                continue
            chances = probabilities(mine, labels)
            with self._counting:
                mixing.cut |= bool(waiting.reading.cut)
                mixing.said[waiting.group] = waiting.weight * chances
                if len(mixing.said) < mixing.groups:
                    continue
            ready.append(waiting)
            found.append(mixed_logits(mixing.said.values()))
        return ready, found

    def _finish(
        self,
        batch: Batch,
        ready: Sequence[Waiting],
        answers: Sequence[Answer],
        labels: Sequence[Sequence[str]],
        finished: list[Job],
    ) -> None:
        """Note the answers, and count the labels of each."""
        for waiting, answer, mine in zip(ready, answers, labels, strict=True):
            waiting.job.answers[waiting.index] = answer
            if waiting.job.canary:
                continue
            counts = Counter(mine).items() if len(mine) > 1 else [(label, 1) for label in mine]
            for label, count in counts:
                self._observer.predicted(batch.served.endpoint, waiting.route.language, label, count)
        with self._counting:
            for job in dict.fromkeys(waiting.job for waiting in ready):
                if len(job.answers) == len(job.texts) and not job.complete:
                    job.complete = True
                    finished.append(job)


def _wanted(texts: Sequence[Waiting]) -> bool:
    """Whether anybody still waits for any of these texts."""
    now = time.monotonic()
    return any(waiting.job.wanted(now) for waiting in texts)


def _answer(waiting: Waiting, decoded: Decoded, title: str) -> Answer:
    """Return the answer for one text; it was cut if any of its groups' models did not read all of it."""
    cut = bool(waiting.reading.cut) if waiting.mixing is None else waiting.mixing.cut
    return Answer(decoded.prediction, waiting.route, cut, title)
