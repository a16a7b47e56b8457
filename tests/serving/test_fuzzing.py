"""Malformed requests by the thousand: each gets an answer in the one form or none, and the service answers on."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from fuzzing import Sent, storm

from gradsim_serving.http.errors import CODES

PLAIN = {b"Invalid HTTP request received.", b""}  # the latter when another protocol was asked for
"""What uvicorn says to what is no HTTP (docs/http.md); everything else has our form."""


def check(server, count: int, seed: int) -> Counter[int]:
    """Send malformed requests, look at every answer, and return how many there were of each status."""
    port = server.client.base_url.port
    seen: Counter[int] = Counter()
    for sent in storm(port, count, seed):
        for status in statuses(sent):
            seen[status] += 1
    assert server.ask("Wannan fim yana da kyau").status_code == 200
    log = server.log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in log
    assert "internal error" not in log
    return seen


def statuses(sent: Sent) -> list[int]:
    """Check the answer, or the answers: damaged bytes may make two requests of one."""
    found, rest = [], sent.answer
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), sent
        status = int(head[9:12])
        assert status != 500, sent
        if status == 100:
            continue
        found.append(status)
        lengths = [line[16:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        length = int(lengths[0]) if lengths else len(rest)
        content, left = rest[:length], rest[length:]
        if status == 400 and content in PLAIN:
            rest = left
            continue
        assert status < 400 or is_ours(head, length), sent
        if content.startswith(b"HTTP/1.1 ") or not content:  # of HEAD, without its body
            rest = content + left
            continue
        rest = left
        if status >= 400:
            error = json.loads(content)["error"]
            if isinstance(error, dict):
                assert list(error) == ["code", "message", "index"], sent
                assert CODES[error["code"]][0] == status, sent
            assert "Traceback" not in str(error), sent
    return found


def is_ours(head: bytes, length: int) -> bool:
    """Say whether an error has a body of JSON, which of HEAD is not sent, and the id of the request."""
    lines = head.lower().split(b"\r\n")
    return b"content-type: application/json" in lines and length > 0 and b"\r\nx-request-id: " in head.lower()


def test_malformed_requests(direct):
    seen = check(direct, 2000, seed=1)
    assert {200, 204, 400, 404, 405, 415, 422} <= set(seen)


@pytest.mark.slow
def test_sixty_thousand_malformed_requests(server):
    check(server, 30_000, seed=2)  # at each of the two servers
