"""What is rejected before it is a request is counted and logged too: invalid HTTP, header timeouts, preflights."""

from __future__ import annotations

import json
import time
from typing import Any

import fake_engine
import pytest

from gradsim_serving.http.server import FAST

PLACES = [pytest.param(True, marks=pytest.mark.skipif(not FAST, reason="httptools or uvloop is missing")), False]


class Heard:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def request(self, **line: Any) -> None:
        """Remember a line."""
        self.lines.append(line)


def counted(service: fake_engine.Running, code: str, status: int, endpoint: str = "other") -> float:
    """Return how many requests were counted so."""
    start = f'gradsim_requests_total{{code="{code}",endpoint="{endpoint}",status="{status}"}} '
    lines = service.metrics.text().decode().splitlines()
    return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


@pytest.mark.parametrize("fast", PLACES)
def test_invalid_http_is_counted_and_has_a_request_id(tiny, fast):
    log = Heard()
    with fake_engine.running(tiny, log=log, fast=fast) as service:
        head, _, content = service.raw(b"no HTTP\r\n\r\n").partition(b"\r\n\r\n")
        assert json.loads(content)["error"]["code"] == "invalid_http"
        assert counted(service, "invalid_http", 400) == 1
    (line,) = log.lines
    assert (line["endpoint"], line["status"], line["code"], line["texts"]) == ("other", 400, "invalid_http", 0)
    assert f"x-request-id: {line['request_id']}".encode() in head.lower().split(b"\r\n")


@pytest.mark.parametrize("fast", PLACES)
def test_a_header_timeout_is_counted_and_a_silent_connection_is_not(tiny, fast):
    log = Heard()
    with fake_engine.running(tiny, log=log, header_seconds=0.2, fast=fast) as service:
        with service.socket() as silent, service.socket() as slow:
            slow.sendall(b"GET /livez HTTP/1.1\r\nHost:")
            assert (silent.recv(1), slow.recv(1)) == (b"", b"")
        assert counted(service, "header_timeout", 408) == 1
    (line,) = log.lines
    assert (line["endpoint"], line["status"], line["code"]) == ("other", 408, "header_timeout")
    assert line["seconds"] == 0.2


def test_preflights_are_counted_and_have_ids(tiny):
    log = Heard()
    with fake_engine.running(tiny, log=log, cors_origins=("https://example.org",)) as service:
        asked = {"Access-Control-Request-Method": "POST", "X-Request-Id": "mine"}
        allowed = service.client.options("/sentiment", headers={"Origin": "https://example.org", **asked})
        refused = service.client.options("/nothing", headers={"Origin": "https://evil.example", **asked})
        assert [one.status_code for one in (allowed, refused)] == [200, 403]
        assert [one.headers["x-request-id"] for one in (allowed, refused)] == ["mine", "mine"]
        end = time.monotonic() + 20
        while len(log.lines) < 2:  # an answer is sent before it is counted
            assert time.monotonic() < end
            time.sleep(0.01)
        assert counted(service, "none", 200, "/sentiment") == counted(service, "forbidden", 403) == 1
    assert [(line["request_id"], line["status"]) for line in log.lines] == [("mine", 200), ("mine", 403)]
