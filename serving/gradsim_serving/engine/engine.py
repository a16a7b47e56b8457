"""Answers texts: requests come in here, wait in a bounded queue, and are worked off by a few threads.

A thread that is free reads what has come (identify, route, tokenise), if no other reads; else it runs the batch whose
oldest text has waited longest. So a lone request goes through one thread without waiting for anything, and under load
texts gather while others run. How it was chosen: docs/design/batching.md.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Mapping, Sequence

from gradsim_serving.bundles.endpoints import named_elsewhere
from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.coming import Coming
from gradsim_serving.engine.desk import Desk
from gradsim_serving.engine.job import Answers, Job, Part, Waiting
from gradsim_serving.engine.outcome import deliver, fail
from gradsim_serving.engine.pace import Pace
from gradsim_serving.engine.queues import Batch, Queues
from gradsim_serving.engine.reading import Reading, given_routes
from gradsim_serving.engine.running import Running
from gradsim_serving.observing.observer import Observer, Silent
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Policy
from gradsim_shared.routing import Route

FOREVER = float("inf")

LAST_BATCH_SECONDS = 20.0
"""How long the end waits for batches that have begun: a large one on few cores takes some seconds."""

CANARY = "123 abc"


class Engine:
    """Answers texts from the bundles that are served now.

    Args:
        observer: Told of everything that happens; ``None``: nobody is.
        runners: Batches that run at the same time.
        queue_texts: Texts that may wait.
        batch_tokens: A batch is full at so many tokens.
        batch_wait_seconds: Longest time that a free thread waits for texts that are being read.
        spare_tokens: So much padding costs about as much as one more run of a model.
        check_given: Share of the texts with a given language that are identified as well, only to be counted.
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
        self._observer = observer or Silent()
        self._served: Mapping[str, Served] = {}
        self._queue_texts = queue_texts
        self._wait = batch_wait_seconds
        self._reading = Reading(self._observer, fail, check_given)
        self._running = Running(self._observer, fail, batch_tokens, spare_tokens)
        self._changed = threading.Condition()
        # guarded by the condition:
        self._coming = Coming()
        self._queues = Queues(batch_tokens)
        self._is_reading = False
        self._free_runners = runners
        self._pace = Pace(runners)
        self._ended = False
        # of the event loop:
        self._desk: Desk | None = None
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"gradsim-engine-{number}", daemon=True)
            for number in range(runners + 1)  # one more, which reads while all runners run
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def serve(self, bundles: Mapping[str, Served]) -> None:
        """Answer from these bundles from now on; requests that have come before are answered from the old ones."""
        self._served = dict(bundles)

    @property
    def served(self) -> Mapping[str, Served]:
        """The bundles that answer now, under their endpoints."""
        return self._served

    async def answer(
        self,
        endpoint: str,
        texts: Sequence[str],
        language: str | Sequence[str | None] | None,
        *,
        policy: Policy | None = None,
        deadline: float | None = None,
    ) -> Answers:
        """Return one answer for each text, in their order.

        Args:
            endpoint: Such as ``/sentiment``.
            texts: One or more texts.
            language: Of all texts, or one for each; ``None`` means that it is to be identified.
            policy: What becomes of a text whose language is not sure; ``None``: as the bundle says.
            deadline: On the clock of ``time.monotonic``; after it nothing is begun. ``None`` means no limit.

        Raises:
            RequestError: ``unknown_language``, ``language_count``, ``unsupported_language``, ``not_ready``,
                ``shutting_down``, ``overloaded``, ``timeout`` or ``internal_error``.
        """
        served = self._ready(endpoint)
        try:
            routes = given_routes(served, texts, language)
        except RequestError as error:
            routers = {other: bundle.router for other, bundle in self._served.items()}
            raise named_elsewhere(error, language, endpoint, routers) from None
        desk = self._desk
        loop = asyncio.get_running_loop()
        if desk is None or desk.loop is not loop:
            desk = self._desk = Desk(loop, self._observer)
        job = Job(served, texts, routes, policy, FOREVER if deadline is None else deadline, loop.create_future())
        self._admit(job)
        return await desk.outcome(job)

    def answer_here(
        self,
        endpoint: str,
        texts: Sequence[str],
        language: str | Sequence[str | None] | None,
        *,
        policy: Policy | None = None,
    ) -> Answers:
        """As ``answer``, for a caller without an event loop: waits in its own thread, as long as it takes.

        Raises:
            RequestError: As ``answer``, but never ``overloaded`` or ``timeout``.
        """
        served = self._ready(endpoint)
        future: concurrent.futures.Future[Answers] = concurrent.futures.Future()
        self._enter(Job(served, texts, given_routes(served, texts, language), policy, FOREVER, future))
        return future.result()

    def check(self, served: Served, group: str, seconds: float, *, only_in_memory: bool = False) -> None:
        """Let a group answer a canary as it answers requests: through queue, threads and model.

        Args:
            served: A bundle; it need not be served yet.
            group: Of that bundle.
            seconds: How long it may take.
            only_in_memory: A group whose model is not in memory when its turn comes need not answer.

        Raises:
            Exception: What the model did wrong.
            RequestError: ``shutting_down``: the engine has ended.
            TimeoutError: There was no answer in time.
        """
        future: concurrent.futures.Future[Answers] = concurrent.futures.Future()
        route = Route(None, None, group, None, "given")
        deadline = time.monotonic() + seconds
        job = Job(served, [CANARY], [route], None, deadline, future, canary=True, only_in_memory=only_in_memory)
        self._enter(job)
        try:
            future.result(seconds)
        finally:
            job.over = True

    def close(self) -> None:
        """Refuse requests from now on; those that have come are answered."""
        self._closing = True

    async def stop(self, seconds: float) -> None:
        """Refuse requests, finish those that have come, and end the threads; what takes longer is refused too."""
        self.close()
        if self._desk is not None and not await self._desk.empty(seconds):
            self._desk.close()
        await asyncio.to_thread(self.end, LAST_BATCH_SECONDS)

    def end(self, seconds: float | None = None) -> None:
        """Finish what has come, for so many seconds at most: Python aborts at its end while a thread is in a model."""
        self.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        limit = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(None if limit is None else max(0.0, limit - time.monotonic()))

    def _ready(self, endpoint: str) -> Served:
        if self._closing:
            raise RequestError("the service is being stopped", code="shutting_down")
        served = self._served.get(endpoint)
        if served is None:
            raise RequestError("the models are being loaded; try again in a moment", code="not_ready")
        return served

    def _admit(self, job: Job) -> None:
        """Take a request in, unless too many texts wait or its time is over."""
        if job.deadline <= time.monotonic():
            self._observer.dropped(job.served.endpoint, "timeout")
            raise RequestError("the answer took too long; send fewer texts in a request", code="timeout")
        waiting = self._coming.texts + self._queues.texts
        if waiting and waiting + len(job.texts) > self._queue_texts:
            message, seconds = f"{waiting} texts are waiting; try again", self._pace.seconds(waiting)
            raise RequestError(message, code="overloaded", retry_after=seconds)
        self._enter(job)

    def _enter(self, job: Job) -> None:
        with self._changed:
            if self._ended:  # no thread would ever look at it
                raise RequestError("the service is being stopped", code="shutting_down")
            self._coming.add(job)
            if len(self._coming) == 1 and not self._is_reading:  # else somebody has been told, or looks when it is done
                self._changed.notify()

    def _work(self) -> None:
        """Read or run, whatever is to be done, until the end."""
        while self._step():
            pass  # a call for each step: a thread that waits holds no request, and so no bundle that is served no more

    def _step(self) -> bool:
        parts, batch = self._next()
        if parts:
            self._read(parts)
        elif batch is not None:
            self._run(batch)
        return bool(parts) or batch is not None

    def _next(self) -> tuple[list[Part], Batch | None]:
        """Wait for something to do; both empty means the end."""
        with self._changed:
            while True:
                runs = self._free_runners > 0
                if self._coming and not self._is_reading and not (runs and self._queues.full):
                    parts = self._coming.take(time.monotonic())
                    if parts:
                        self._is_reading = True
                        return parts, None
                patience = self._patience() if runs and self._queues.texts else None
                if patience is not None and patience <= 0:
                    batch = self._queues.take(time.monotonic())
                    self._tell()
                    if batch is not None:
                        self._free_runners -= 1
                        if self._coming and not self._is_reading:
                            self._changed.notify()
                        return [], batch
                    continue
                if self._ended:
                    return [], None
                self._changed.wait(patience)

    def _patience(self) -> float:
        """Return for how many seconds a free runner should leave the texts that wait alone: more may come at once."""
        if not self._is_reading or self._queues.full:
            return 0.0
        oldest = self._queues.oldest()
        return 0.0 if oldest is None else oldest + self._wait - time.monotonic()

    def _tell(self) -> None:
        """Tell how many texts wait; while the lock is held, so that what is told last is true."""
        for endpoint, group, texts in self._queues.changes():
            self._observer.queued(endpoint, group, texts)

    def _read(self, parts: Sequence[Part]) -> None:
        found: list[Waiting] = []
        try:
            found = self._reading.read(parts)
        except BaseException as error:  # a fault of ours; a thread that ends would leave everybody waiting
            for part in parts:
                fail(part.job, error, None)
        finally:
            with self._changed:
                self._is_reading = False
                self._queues.add(found)
                self._tell()
                if self._coming or (self._free_runners > 1 and self._queues.more_than_one):
                    self._changed.notify()  # this thread does one thing next; there is work for another

    def _run(self, batch: Batch) -> None:
        begin = time.monotonic()
        finished: list[Job] = []
        try:
            finished = self._running.run(batch)
        except BaseException as error:  # the same
            for job in dict.fromkeys(waiting.job for waiting in batch.texts):
                fail(job, error, None)
        finally:
            seconds = time.monotonic() - begin
            texts = sum(not waiting.job.canary for waiting in batch.texts)
            with self._changed:
                self._free_runners += 1
                if texts:
                    self._pace.ran(texts, seconds)
        deliver(finished)
