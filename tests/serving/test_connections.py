"""What happens on one connection below the service: on Python's parser, and on the one in C where it is installed."""

from __future__ import annotations

import json
import socket
import time

import fake_engine
import pytest
from requests_and_errors import head, whole

from gradsim_serving.http.server import FAST, protocol_class

BODY = json.dumps({"texts": ["a b"]}).encode()
GET = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n"
CHUNKED = b"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", params=[pytest.param(True, marks=pytest.mark.skipif(not FAST, reason="none")), False])
def service(tiny, request):
    with fake_engine.running(tiny, fast=request.param) as running:
        yield running


fast_only = pytest.mark.skipif(not FAST, reason="httptools or uvloop is not installed")


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(piece[:3]) for piece in answer.split(b"HTTP/1.1 ")[1:]]


def is_refused(answer: bytes) -> bool:
    """Say whether this is one refusal, in the form of all errors, and nothing else."""
    first, _, content = answer.partition(b"\r\n\r\n")
    is_closed = b"connection: close" in first.lower().split(b"\r\n")
    return is_closed and statuses(answer) == [400] and json.loads(content)["error"]["code"] == "invalid_http"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\nno header\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\na b: c\r\n\r\n",
        b"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /sentiment HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\n",
        b"POST /sentiment HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"\x16\x03\x01\x00\xee",
        b"no HTTP\r\n",
        CHUNKED + b"nonsense\r\n",
    ],
)
def test_invalid_http_is_refused_once(service, sent):
    assert is_refused(service.raw(sent + b"\r\n"))


@fast_only
@pytest.mark.parametrize(
    "sent",
    [
        head(BODY, "Transfer-Encoding: chunked"),
        head(BODY, f"Content-Length: {len(BODY)}"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: t\r\n\r\n",
        b"CONNECT /x HTTP/1.1\r\nHost: t\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_refused(tiny, sent):
    with fake_engine.running(tiny, fast=True) as service:
        assert is_refused(service.raw(sent))


@fast_only
@pytest.mark.parametrize("lines", [b"A: " + b"a" * 2**17 + b"\r\n", b"A: b\r\n" * 2**14])
def test_large_headers_are_refused(tiny, lines):
    with fake_engine.running(tiny, fast=True) as service:
        answer = service.raw(b"GET /livez HTTP/1.1\r\nHost: t\r\n" + lines + b"\r\n")
        assert answer == b"" or is_refused(answer)  # who goes on sending may see the connection end before the answer
        assert statuses(service.raw(GET[:-2] + b"A: " + b"a" * 60_000 + b"\r\n\r\n")) == [200]


@pytest.mark.parametrize("start", [b"GET /livez HTTP/1.1\r\nHost: t\r\nA: ", CHUNKED + b"5;"])
def test_endless_headers_and_chunks_are_refused(service, start):
    with service.socket() as connection:
        connection.sendall(start)
        for _ in range(64):
            try:
                connection.sendall(b"a" * 4096)
                time.sleep(0.001)
            except OSError:  # it is refused already
                break
        else:
            pytest.fail("it took 256 KiB")


def test_headers_behind_a_body_are_none(service):
    chunks = b"%x\r\n%s\r\n0\r\nX-Request-Id: mine\r\nX-Request-Timeout-Ms: 0\r\n\r\n" % (len(BODY), BODY)
    answer = service.raw(CHUNKED + chunks)
    assert statuses(answer) == [200]
    assert b"mine" not in answer


def test_requests_before_one_that_is_no_http_are_answered(service):
    with service.socket() as connection:
        connection.sendall(GET + head(json.dumps({"texts": ["wait 0.1"]}).encode()) + GET + b"no HTTP\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(answer) == [200, 200, 200, 400]


@fast_only
def test_only_so_many_requests_wait(tiny):
    with fake_engine.running(tiny, fast=True) as service:
        assert statuses(service.raw(GET * 65)) == [200] * 65
        assert statuses(service.raw(GET * 500)) == [200] * 65 + [400]


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_upgrade_headers_are_ignored(service, upgrade):
    asked = head(BODY, f"Upgrade: {upgrade}", "Connection: upgrade")
    assert statuses(service.raw(asked + asked + GET)) == [200, 200, 200]
    assert statuses(service.raw(asked[:-3])) in ([], [400])  # of a body that is not whole nothing is made


def test_a_path_may_be_escaped(service):
    assert statuses(service.raw(GET.replace(b"/livez", b"/l%69vez?a=%00"))) == [200]
    assert statuses(service.raw(GET.replace(b"/livez", b"*"))) == [404]


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


@fast_only
def test_a_client_that_hangs_up_with_requests_waiting_ends_its_work(tiny):
    with fake_engine.running(tiny, fast=True) as service:
        with service.socket() as connection:
            connection.sendall(head(json.dumps({"texts": ["wait 20"]}).encode()) + b"GET /li")
            time.sleep(0.2)
        for _ in range(100):
            if service.engine.dropped:
                break
            time.sleep(0.02)
        assert service.engine.dropped == 1


@pytest.mark.parametrize("fast", [pytest.param(True, marks=fast_only), False])
def test_a_connection_is_closed_when_it_is_idle_or_sends_nothing_but_lines(tiny, fast):
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            await send({"type": "http.response.body", "body": b"}"})

    with fake_engine.serving(app, 0.3, fast, timeout_keep_alive=1, lifespan="off") as port:
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for _ in range(3):
                time.sleep(0.2)
                connection.sendall(GET)
                whole(connection)
            assert connection.recv(1) == b""
            assert time.monotonic() - begin > 1.5  # a second after the last request, not after the first
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(GET)
            whole(connection)
            with pytest.raises(OSError):
                for _ in range(200):
                    connection.sendall(b"\r\n")
                    time.sleep(0.02)


def test_the_parser_is_chosen():
    assert protocol_class(False).__name__ == "Connection"
    if FAST:
        assert protocol_class().__name__ == "FastConnection"
