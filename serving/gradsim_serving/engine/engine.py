"""The engine: admits requests to a bounded queue and works on them in a few threads, in batches by group.

A free thread preprocesses admitted jobs (identify, route, tokenise) if no other thread does; else it runs the
scheduler's next batch. So a lone request goes through one thread without any wait, and under load texts gather into
batches while others run. How it was chosen: docs/design/batching.md.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Mapping, Sequence

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.admission import AdmissionQueue, ThroughputEstimate
from gradsim_serving.engine.completion import PendingJobs, complete, fail
from gradsim_serving.engine.execution import BatchRunner
from gradsim_serving.engine.job import Job, JobResult, JobSlice, QueuedText
from gradsim_serving.engine.preprocessing import Preprocessor, given_routes, naming_endpoints
from gradsim_serving.engine.scheduler import Batch, Scheduler
from gradsim_serving.observing.observer import Observer
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Policy
from gradsim_shared.routing import Route
from gradsim_shared.segments import Languages, Sent

FOREVER = float("inf")

LAST_BATCH_SECONDS = 20.0
"""How long a stop waits for batches that run: a large one on few cores takes some seconds."""

CANARY = "123 abc"


class Engine:
    """Answers texts from the bundles that are served now.

    Args:
        observer: Receives metrics; ``None``: they are dropped.
        runners: Batches that run at the same time.
        queue_texts: Texts that may be queued.
        batch_tokens: A batch is full at so many tokens.
        batch_wait_seconds: Longest time that a free thread waits for texts that are being preprocessed.
        spare_tokens: Padding that costs about as much as one more run of a model.
        check_given: Share of the texts with a given language that are identified as well, for a metric only.
    """

    def __init__(
        self,
        observer: Observer | None = None,
        *,
        runners: int = 1,
        queue_texts: int = 4096,
        batch_tokens: int = 2048,
        batch_wait_seconds: float = 0.002,
        spare_tokens: int = 64,
        check_given: float = 0.0,
    ) -> None:
        self._observer = observer or Observer()
        self._served: Mapping[str, Served] = {}
        self._queue_texts = queue_texts
        self._batch_wait = batch_wait_seconds
        self._preprocessor = Preprocessor(self._observer, fail, check_given)
        self._batch_runner = BatchRunner(self._observer, fail, batch_tokens, spare_tokens)
        self._changed = threading.Condition()
        # guarded by the condition:
        self._admission = AdmissionQueue()
        self._scheduler = Scheduler(batch_tokens)
        self._is_preprocessing = False
        self._free_runners = runners
        self._throughput = ThroughputEstimate(runners)
        self._stopped = False
        # of the event loop:
        self._pending: PendingJobs | None = None
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"gradsim-engine-{number}", daemon=True)
            for number in range(runners + 1)  # one more, which preprocesses while all runners run
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def serve(self, bundles: Mapping[str, Served]) -> None:
        """Answer from these bundles from now on; requests admitted before are answered from the old ones."""
        self._served = dict(bundles)

    @property
    def served(self) -> Mapping[str, Served]:
        """The bundles that answer now, by endpoint."""
        return self._served

    async def answer(
        self,
        endpoint: str,
        texts: Sequence[Sent],
        language: Languages,
        *,
        policy: Policy | None = None,
        deadline: float | None = None,
    ) -> JobResult:
        """Return one result for each text, in their order.

        Args:
            endpoint: Such as ``/sentiment``.
            texts: One or more texts.
            language: Of all texts, or one for each, of a pair also two; ``None``: it is to be identified.
            policy: For texts of uncertain language; ``None``: the bundle's.
            deadline: On the clock of ``time.monotonic``; after it nothing is begun. ``None``: no limit.

        Raises:
            RequestError: ``unknown_language``, ``language_count``, ``unsupported_language``, ``not_ready``,
                ``shutting_down``, ``overloaded`` (with ``retry_after``, seconds), ``timeout`` or ``internal_error``.
        """
        served = self._require_served(endpoint)
        try:
            routes = given_routes(served, texts, language)
        except RequestError as error:
            raise naming_endpoints(error, language, endpoint, self._served) from None
        loop, pending = asyncio.get_running_loop(), self._pending
        if pending is None or pending.loop is not loop:
            pending = self._pending = PendingJobs(loop, self._observer)
        job = Job(served, texts, routes, policy, FOREVER if deadline is None else deadline, loop.create_future())
        self._admit(job)
        return await pending.wait(job)

    def check(self, served: Served, group: str, seconds: float, *, only_in_memory: bool = False) -> None:
        """Let a group answer a canary as it answers requests: through queue, threads and model.

        Args:
            served: A bundle; it need not be served yet.
            group: Of that bundle.
            seconds: How long it may take.
            only_in_memory: Skip the canary if the model is not in memory when its turn comes.

        Raises:
            Exception: What the model raised.
            RequestError: ``shutting_down``: the engine has stopped.
            TimeoutError: There was no result in time.
        """
        future, route = concurrent.futures.Future[JobResult](), Route(None, None, group, None, "given")
        deadline = time.monotonic() + seconds
        job = Job(served, [CANARY], [route], None, deadline, future, canary=True, only_in_memory=only_in_memory)
        self._enqueue(job)
        try:
            future.result(seconds)
        finally:
            job.ended = True

    def close(self) -> None:
        """Refuse requests from now on; those admitted are answered."""
        self._closing = True

    async def stop(self, seconds: float) -> None:
        """Refuse requests, finish those admitted, and end the threads; what takes longer is refused too."""
        self.close()
        if self._pending is not None and not await self._pending.drain(seconds):
            self._pending.close()
        await asyncio.to_thread(self.end, LAST_BATCH_SECONDS)

    def end(self, seconds: float | None = None) -> None:
        """End the threads once their jobs are done, within ``seconds``; one inside a model aborts Python's exit."""
        self.close()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        limit = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(None if limit is None else max(0.0, limit - time.monotonic()))

    def _require_served(self, endpoint: str) -> Served:
        if self._closing:
            raise RequestError("the service is being stopped", code="shutting_down")
        served = self._served.get(endpoint)
        if served is None:
            raise RequestError("the models are being loaded; try again in a moment", code="not_ready")
        return served

    def _admit(self, job: Job) -> None:
        """Enqueue a job, unless the queues are full or its deadline has passed."""
        if job.deadline <= time.monotonic():
            self._observer.dropped(job.served.endpoint, "timeout")
            raise RequestError("the answer took too long; send fewer texts in a request", code="timeout")
        queued = self._admission.texts + self._scheduler.texts
        if queued and queued + len(job.texts) > self._queue_texts:
            message, seconds = f"{queued} texts are waiting; try again", self._throughput.retry_after_seconds(queued)
            raise RequestError(message, code="overloaded", retry_after=seconds)
        self._enqueue(job)

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            if self._stopped:  # no thread would ever take it
                raise RequestError("the service is being stopped", code="shutting_down")
            self._admission.add(job)
            if len(self._admission) == 1 and not self._is_preprocessing:  # else a thread has been notified already
                self._changed.notify()

    def _work(self) -> None:
        """Preprocess or run batches until the end: the main function of each thread."""
        while self._step():
            pass  # a call for each step: a waiting thread has no local variable that keeps an old bundle in memory

    def _step(self) -> bool:
        slices, batch = self._next()
        if slices:
            self._preprocess(slices)
        elif batch is not None:
            self._run(batch)
        return bool(slices) or batch is not None

    def _next(self) -> tuple[list[JobSlice], Batch | None]:
        """Wait for something to do; both empty means the end."""
        with self._changed:
            while True:
                can_run = self._free_runners > 0
                if self._admission and not self._is_preprocessing and not (can_run and self._scheduler.full):
                    slices = self._admission.take(time.monotonic())
                    if slices:
                        self._is_preprocessing = True
                        return slices, None
                wait = self._batch_wait_left() if can_run and self._scheduler.texts else None
                if wait is not None and wait <= 0:
                    batch = self._scheduler.take(time.monotonic())
                    self._report_queues()
                    if batch is not None:
                        self._free_runners -= 1
                        if self._admission and not self._is_preprocessing:
                            self._changed.notify()
                        return [], batch
                    continue
                if self._stopped:
                    return [], None
                self._changed.wait(wait)

    def _batch_wait_left(self) -> float:
        """Return for how many seconds a free runner should wait for more texts of the batch."""
        if not self._is_preprocessing or self._scheduler.full:
            return 0.0
        oldest = self._scheduler.oldest()
        return 0.0 if oldest is None else oldest + self._batch_wait - time.monotonic()

    def _report_queues(self) -> None:
        """Report the queue lengths that changed; under the lock, so that the last report is the true one."""
        for endpoint, queue, texts in self._scheduler.changes():
            self._observer.queued(endpoint, queue, texts)

    def _preprocess(self, slices: Sequence[JobSlice]) -> None:
        queued: list[QueuedText] = []
        try:
            queued = self._preprocessor.process(slices)
        except BaseException as error:  # a defect of ours; if the thread ended, no request would be answered any more
            for job_slice in slices:
                fail(job_slice.job, error, None)
        finally:
            with self._changed:
                self._is_preprocessing = False
                self._scheduler.add(queued)
                self._report_queues()
                if self._admission or (self._free_runners > 1 and self._scheduler.has_several_batches):
                    self._changed.notify()  # this thread does one thing next; there is work for another

    def _run(self, batch: Batch) -> None:
        begin = time.monotonic()
        completed: list[Job] = []
        try:
            completed = self._batch_runner.run(batch)
        except BaseException as error:  # as above
            for job in dict.fromkeys(text.job for text in batch.texts):
                fail(job, error, None)
        finally:
            seconds = time.monotonic() - begin
            texts = sum(not text.job.canary for text in batch.texts)
            with self._changed:
                self._free_runners += 1
                if texts:
                    self._throughput.record(texts, seconds)
        complete(completed)
