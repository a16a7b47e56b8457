"""What uvicorn does with one connection below the service, on both of its parsers."""

from __future__ import annotations

import json
import re

import fake_engine
import pytest
from requests_and_errors import head, whole

from gradsim_serving.server import FAST

BODY = json.dumps({"texts": ["a b"]}).encode()
GET = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n"
CHUNKED = b"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", params=[pytest.param(True, marks=pytest.mark.skipif(not FAST, reason="none")), False])
def service(tiny, request):
    with fake_engine.running(tiny, fast=request.param) as running:
        yield running


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\r\nHost: t\r\nno header\r\n\r\n",
        b"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x00\xee",
        b"no HTTP\r\n",
        CHUNKED + b"nonsense\r\n",
    ],
)
def test_invalid_http_is_refused_once(service, sent):
    answer = service.raw(sent + b"\r\n")
    assert statuses(answer) == [400]
    assert b"connection: close" in answer.lower()


def test_a_path_may_be_escaped(service):
    assert statuses(service.raw(GET.replace(b"/livez", b"/l%69vez?a=%00"))) == [200]


@pytest.mark.parametrize("sent", [GET.replace(b"1.1", b"1.0"), GET.replace(b"Host", b"Connection: close\r\nHost")])
def test_connection_close_is_obeyed(service, sent):
    with service.socket() as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(answer) == [200]
    assert b"connection: close" in answer.lower()


def test_expect_100_continue_is_answered(service):
    with service.socket() as connection:
        connection.sendall(head(b"", "Expect: 100-continue", length=len(BODY)))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(BODY)
        assert b" 200 " in whole(connection)


def test_the_body_of_a_request_that_is_answered_already_is_passed_over(service):
    with service.socket() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n")
        assert b" 200 " in whole(connection)
        connection.sendall(b"xyz" + GET)
        assert b" 200 " in whole(connection)


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_a_body_behind_an_offer_to_upgrade_is_read_or_its_loss_is_named(service, upgrade):
    """Java's HTTP client offers h2c with each first request; of the two parsers one passes the body over."""
    with service.socket() as connection:
        connection.sendall(head(BODY, f"Upgrade: {upgrade}", "Connection: upgrade"))
        answer = whole(connection)
    assert statuses(answer) == [200] or (statuses(answer) == [400] and b"upgrade_refused" in answer)
    with service.socket() as connection:
        connection.sendall(GET.replace(b"Host", f"Upgrade: {upgrade}\r\nConnection: upgrade\r\nHost".encode()))
        assert b" 200 " in whole(connection)
