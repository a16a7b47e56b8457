"""Many clients at once, each with a connection of its own, and what became of every request."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

LOST = 0
"""Instead of a status: the connection ended before the answer was whole."""

REFUSED = -1
"""The connection was not taken: nobody has read the request."""


@dataclass(frozen=True)
class Said:
    """What came back for one request."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: dict[str, object] = field(default_factory=dict)

    @property
    def code(self) -> str | None:
        """That of the error."""
        error = self.content.get("error")
        return str(error["code"]) if isinstance(error, dict) else None


def request(texts: Iterable[str], language: str | None = "hau", *, keep: bool = False) -> bytes:
    """Return a request in bytes."""
    body = json.dumps({"texts": list(texts), "language": language}).encode()
    head = f"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + (b"" if keep else b"Connection: close\r\n") + b"\r\n" + body


async def read(reader: asyncio.StreamReader) -> Said:
    """Read one answer."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Said(int(first.split()[1]), headers, json.loads(body) if body else {})
    except (OSError, asyncio.IncompleteReadError):
        return Said(LOST)


async def ask(port: int, data: bytes) -> Said:
    """Send one request and return what became of it."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return Said(REFUSED)
    try:
        writer.write(data)
        return await read(reader)
    finally:
        writer.close()


async def keep_asking(port: int, data: bytes, over: asyncio.Event, said: list[Said]) -> None:
    """Ask again and again, on one connection as long as it lasts, until it is over."""
    connection = None
    while not over.is_set():
        if connection is None:
            try:
                connection = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                said.append(Said(REFUSED))
                await asyncio.sleep(0.02)
                continue
        reader, writer = connection
        writer.write(data)
        said.append(await read(reader))
        if said[-1].status == LOST or said[-1].headers.get("connection") == "close":
            writer.close()
            connection = None
    if connection is not None:
        connection[1].close()


def under_load(port: int, clients: int, data: bytes, during: Callable[[list[Said]], Awaitable[object]]) -> list[Said]:
    """Let so many clients ask all the time while something happens; return what became of every request."""

    async def run() -> list[Said]:
        over, said = asyncio.Event(), list[Said]()
        asking = [asyncio.create_task(keep_asking(port, data, over, said)) for _ in range(clients)]
        try:
            await answered(said, clients)
            await during(said)
        finally:
            over.set()
        await asyncio.gather(*asking)
        return said

    return asyncio.run(run())


async def answered(said: list[Said], more: int, seconds: float = 60) -> None:
    """Wait until so many more requests have come to an end."""
    wanted = len(said) + more
    async with asyncio.timeout(seconds):
        while len(said) < wanted:
            await asyncio.sleep(0.005)


def statuses(said: Iterable[Said]) -> Counter[int]:
    """Return how many answers had each status."""
    return Counter(one.status for one in said)
