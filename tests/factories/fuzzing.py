"""Requests that are wrong in every way we can think of, over a socket: bodies, headers, and what is no HTTP at all."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass

WORDS = [
    "texts",
    "language",
    "policy",
    "hau",
    "amh",
    "soft",
    "reject",
    "best",
    "",
    " ",
    "a b",
    "ጥሩ ነው",
    "\x00",
    "👩🏽‍🚀",
]
VALUES = [
    None,
    True,
    0,
    -1,
    1e308,
    10**30,
    [],
    {},
    "",
    "a",
    ["a"],
    ["hau"],
    [None],
    {"texts": ["a"]},
    "\ud800",
    "é" * 300,
]
METHODS = ["POST", "POST", "POST", "POST", "GET", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "post", "P\x7f"]
OURS = ["/sentiment", "/sentiment", "/sentiment", "/ner", "/pos", "/", "/languages", "/livez", "/x", "/admin/reload"]
TASKS = ["/models/sentiment", "/models/ner", "/models/x", "/predict"]
PROTOCOL = ["/v2/models/sentiment/infer", "/v2/models/pos/infer", "/v2/models/ner", "/v2", "/v2/health/ready"]
PATHS = [*OURS, *TASKS, *PROTOCOL]
TYPES = [
    "application/json",
    "application/json",
    "application/json;charset=utf-16",
    "text/plain",
    "",
    "application/x+json",
]
HEADERS = [
    "X-Request-Timeout-Ms: 0",
    "X-Request-Timeout-Ms: 1",
    "X-Request-Timeout-Ms: -5",
    "X-Request-Id: \x01\x02",
    "X-Request-Id: " + "a" * 5000,
    "Authorization: Bearer",
    "Authorization: \xff\xfe",
    "X-Api-Key: ",
    "Expect: 100-continue",
    "Transfer-Encoding: gzip",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Upgrade: h2c",
    "no header",
    ": empty",
    "A: " + "b" * 70_000,
    "Origin: null",
    "Inference-Header-Content-Length: 5",
    "Inference-Header-Content-Length: -1",
    "Inference-Header-Content-Length: 80",
]


@dataclass(frozen=True)
class Sent:
    """What was sent, and what came back."""

    data: bytes
    answer: bytes


def body(rng: random.Random) -> bytes:
    """Return a body: a right one, a wrong one, or one that was damaged."""
    texts = [rng.choice(WORDS) for _ in range(rng.randrange(1, 4))]
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    more = {"parameters": {rng.choice(["binary_data_size", "x"]): rng.choice(VALUES)}} if rng.random() < 0.2 else {}
    value: object = rng.choice([{"texts": texts}, {"inputs": texts}, {"inputs": [{**tensor, **more}]}])
    for _ in range(rng.randrange(3)):
        value = {rng.choice(WORDS): rng.choice(VALUES), **value} if isinstance(value, dict) else [value]  # type: ignore[dict-item]
        if rng.random() < 0.2:
            value = rng.choice(VALUES)
    if isinstance(value, dict) and rng.random() < 0.5:
        value = {**value, rng.choice(["texts", "language", "policy", "inputs", "parameters"]): rng.choice(VALUES)}
    data = bytearray(json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass"))
    for _ in range(rng.choice([0, 0, 1, 1, 2, 8])):
        place = rng.randrange(len(data) + 1)
        change = rng.randrange(4)
        if change == 0:
            data[place:place] = rng.randbytes(rng.randrange(1, 5))
        elif change == 1:
            del data[place : place + rng.randrange(1, 9)]
        elif change == 2 and place < len(data):
            data[place] = rng.randrange(256)
        else:
            data[place:place] = rng.choice([b"[" * 300, b'"\\ud800"', b"NaN", b"\xef\xbb\xbf", b"1e999", b"{" * 50])
    return bytes(data)


def request(rng: random.Random) -> bytes:
    """Return a request; most are HTTP."""
    content = body(rng)
    lines = [f"{rng.choice(METHODS)} {rng.choice(PATHS)} HTTP/1.1", "Host: t", f"Content-Type: {rng.choice(TYPES)}"]
    lines.append(f"Content-Length: {len(content)}")
    lines += rng.sample(HEADERS, rng.choice([0, 0, 0, 0, 1, 2]))
    data = bytearray("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
    if rng.random() < 0.1:
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.05:
        data = bytearray(rng.randbytes(rng.randrange(1, 300)))
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def storm(port: int, count: int, seed: int) -> Iterator[Sent]:
    """Send so many requests, each on a connection of its own; a few hang up before the answer."""
    rng = random.Random(seed)
    for _ in range(count):
        data = request(rng)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            answer = b""
            try:
                connection.sendall(data)
                if rng.random() < 0.03:
                    continue
                connection.shutdown(socket.SHUT_WR)  # no more: who waits for the rest of a body need not
                while piece := connection.recv(65536):
                    answer += piece
            except (ConnectionError, BrokenPipeError):
                pass  # refused while it was sent
        yield Sent(data, answer)
