"""Send requests over raw sockets, as many as are answered or as a Poisson process brings, and say how it went.

A process of its own, with nothing but the standard library: every request is ready as bytes before the first is sent,
and of an answer only status and length are read, so that the load takes little from the cores that it shares with the
service. ``load.py SETTINGS`` reads JSON from a file (the fields of ``Settings``) and prints JSON (``Outcome``).

A latency of an open loop counts from the moment at which the request was due, so that a late sender hides nothing.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import json
import random
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

LOST = 0
"""Stands for the status of a request whose connection broke, or that nobody answered."""

UNSENT = -1
"""Stands for the status of a request for which no connection was ever free."""


@dataclass(frozen=True)
class Settings:
    """What to send.

    Attributes:
        port: Of the service, on 127.0.0.1.
        path: Such as ``/sentiment``.
        bodies: A file of JSON bodies, one a line; they are sent in turn, from the beginning when they are all sent.
        texts: Texts in each body.
        clients: Of a closed loop: each has one request under way at any time.
        rate: Requests a second of an open loop; ``None``: a closed loop.
        seconds: How long is measured.
        warm_up: Seconds of the same traffic before.
        patience: Seconds to wait for the last answers.
        connections: Of an open loop, at most: what is due while all wait for answers is sent later, and its latency
            counts from when it was due. Without a bound an overload would meet the limits of ports and files first.
        seed: Of the Poisson process.
    """

    port: int
    path: str
    bodies: str
    texts: int
    clients: int
    rate: float | None
    seconds: float
    warm_up: float
    patience: float = 40.0
    connections: int = 8192
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What was answered in the measured time.

    Attributes:
        texts_per_second: In answers of status 200.
        statuses: Status -> requests; 0: lost; -1: never sent.
        p50, p99, longest: Milliseconds of answers of status 200; ``None`` without any.
        load_cores: Cores that this process used.
        late: Milliseconds: median by which requests of an open loop were sent too late.
        minutes: Requests of status 200 in each minute.
    """

    texts_per_second: float
    statuses: dict[int, int]
    p50: float | None
    p99: float | None
    longest: float | None
    load_cores: float
    late: float
    minutes: list[int]


class Connection(asyncio.Protocol):
    """One connection that is kept; one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.due = 0.0
        self.busy = False
        self._transport: asyncio.Transport | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self.due, self.busy, self._got = due, True, b""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        head = self._got.find(b"\r\n\r\n")
        if head < 0 or not self.busy:
            return
        headers = self._got[:head].lower()
        place = headers.find(b"content-length:")
        if place >= 0:
            length = int(headers[place + 15 :].split(b"\r\n", 1)[0])
            whole = len(self._got) >= head + 4 + length
        else:  # chunked
            whole = self._got.endswith(b"0\r\n\r\n")
        if whole:
            self.busy = False
            self.load.answered(self, int(headers[9:12]), closes=b"connection: close" in headers)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - of asyncio
        if self.busy:
            self.busy = False
            self.load.answered(self, LOST, closes=True)
        else:
            self.load.forget(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Load:
    """A closed or an open loop of requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        bodies = Path(settings.bodies).read_bytes().splitlines()
        self._requests = [_request(settings, body) for body in bodies]
        self._next = 0
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._overdue: collections.deque[float] = collections.deque()  # when they were due; no connection was free
        self._under_way = 0
        self._begin = self._end = 0.0
        self._found: list[tuple[float, float, int]] = []  # when answered, latency, status
        self._late: list[float] = []

    async def run(self) -> Outcome:
        """Send for as long as was asked, and wait for the last answers."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        self._begin = start + self.settings.warm_up
        self._end = self._begin + self.settings.seconds
        loop.call_at(self._begin, self._mark)
        self._used = _cpu_seconds()
        if self.settings.rate is None:
            await asyncio.gather(*(self._start(loop.time()) for _ in range(self.settings.clients)))
        else:
            await self._poisson(loop, start)
        await asyncio.sleep(max(0.0, self._end - loop.time()))
        used = _cpu_seconds() - self._used
        limit = loop.time() + self.settings.patience
        while (self._under_way or self._overdue) and loop.time() < limit:
            await asyncio.sleep(0.01)
        self._found += [(limit, 0.0, LOST)] * self._under_way + [(limit, 0.0, UNSENT)] * len(self._overdue)
        for connection in list(self._open):
            connection.close()
        return self._outcome(used)

    def answered(self, connection: Connection, status: int, *, closes: bool) -> None:
        """Note an answer, and send the next request of a closed loop."""
        now = asyncio.get_running_loop().time()
        self._under_way -= 1
        if connection.due >= self._begin or (now >= self._begin and self.settings.rate is None):
            self._found.append((now, now - connection.due, status))
        if closes:
            self.forget(connection)
            connection.close()
        if self.settings.rate is None:
            if now < self._end:
                if closes:
                    self._spawn(now)
                else:
                    self._send(connection, now)
        elif closes:
            if self._overdue:
                self._spawn(self._overdue.popleft())
        elif self._overdue:
            self._send(connection, self._overdue.popleft())
        else:
            self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _poisson(self, loop: asyncio.AbstractEventLoop, start: float) -> None:
        source, due = random.Random(self.settings.seed), start
        assert self.settings.rate is not None
        while True:
            due += source.expovariate(self.settings.rate)
            if due >= self._end:
                return
            if (wait := due - loop.time()) > 0.0005:  # the loop's clock is no finer
                await asyncio.sleep(wait)
            elif wait < -0.002:  # behind: answers must be read all the same
                await asyncio.sleep(0)
            if due >= self._begin:
                self._late.append(loop.time() - due)
            while self._idle and self._idle[-1] not in self._open:
                self._idle.pop()
            if self._idle:
                self._send(self._idle.pop(), due)
            elif len(self._open) + len(self._tasks) < self.settings.connections:
                self._spawn(due)
            else:
                self._overdue.append(due)

    def _spawn(self, due: float) -> None:
        task = asyncio.ensure_future(self._start(due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, due: float) -> None:
        """Open a connection and send the first request over it."""
        self._under_way += 1
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.settings.port)
        except OSError:
            self._under_way -= 1
            self._found.append((loop.time(), 0.0, LOST))
            if self.settings.rate is None and loop.time() < self._end:
                await asyncio.sleep(0.05)
                self._spawn(loop.time())
            return
        self._under_way -= 1
        self._open.add(connection)
        self._send(connection, due)

    def _send(self, connection: Connection, due: float) -> None:
        self._under_way += 1
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        connection.send(request, due)

    def _mark(self) -> None:
        self._used = _cpu_seconds()
        self._found.clear()

    def _outcome(self, used: float) -> Outcome:
        closed = self.settings.rate is None
        entries = [entry for entry in self._found if not closed or entry[0] < self._end]
        times = sorted(1000 * latency for _, latency, status in entries if status == 200)
        in_time = sum(status == 200 and now < self._end for now, _, status in entries)
        minutes = [0] * max(1, round(self.settings.seconds / 60))
        for now, _, status in entries:
            if status == 200:
                minutes[min(len(minutes) - 1, max(0, int((now - self._begin) / 60)))] += 1
        return Outcome(
            texts_per_second=in_time * self.settings.texts / self.settings.seconds,
            statuses=dict(sorted(collections.Counter(status for _, _, status in entries).items())),
            p50=_quantile(times, 0.50),
            p99=_quantile(times, 0.99),
            longest=times[-1] if times else None,
            load_cores=used / self.settings.seconds,
            late=1000 * (_quantile(sorted(self._late), 0.5) or 0.0),
            minutes=minutes,
        )


def _request(settings: Settings, body: bytes) -> bytes:
    head = f"POST {settings.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Read settings, send, print what was found."""
    load = Load(Settings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    gc.disable()  # pauses of ours would look like the service's
    time.sleep(0.05)
    print(json.dumps(asdict(asyncio.run(load.run()))))


if __name__ == "__main__":
    main()
