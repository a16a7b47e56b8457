"""How the target of a request may be written, and the prefix of a proxy before it; on both servers."""

from __future__ import annotations

import socket

import fake_engine
import httpx
import pytest
from click.testing import CliRunner
from real_server import Server

from gradsim_client import Client
from gradsim_serving.cli import main


@pytest.fixture(scope="module", params=["direct", "bentoml", "plain"])
def port(request, tiny):
    """Both servers, and `gradsim-serve` on Python's own parser."""
    if request.param == "plain":
        with fake_engine.running(tiny, fast=False, root_path="/gradsim") as running:
            yield running.port
    else:
        server: Server = request.getfixturevalue(request.param)
        yield server.client.base_url.port


def ask(port: int, method: str, target: str, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Send a request with this target, as it is; return status, headers and body."""
    head = [
        f"{method} {target} HTTP/1.1",
        "Host: any.host",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    first, _, content = answer.partition(b"\r\n\r\n")
    status, *headers = first.decode().split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    return int(status.split()[1]), named, content


@pytest.mark.parametrize(
    "target",
    [
        "http://any.host/livez",
        "HTTPS://any.host:80/livez?a=/b",
        "http://u:p@[::1]/l%69vez",
        "http://any.host/gradsim/livez",
    ],
)
def test_a_target_in_absolute_form_is_read_as_its_path(port, target):
    status, _, content = ask(port, "GET", target)
    assert (status, content) == (200, b'{"status":"live"}')
    status, headers, content = ask(port, "HEAD", target)
    assert (status, headers["content-length"], content) == (200, "17", b"")
    status, headers, _ = ask(port, "OPTIONS", target)
    assert (status, headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_texts_are_answered_at_a_target_in_absolute_form(port):
    json, body = "Content-Type: application/json", b'{"texts": ["a b"], "language": "hau"}'
    assert ask(port, "POST", "http://any.host/sentiment", json, body=body)[0] == 200
    assert ask(port, "POST", "http://any.host/nothing", json, body=body)[0] == 404
    assert ask(port, "GET", "http://any.host/http://any.host/livez")[0] == 404


def test_paths_are_answered_with_the_prefix_of_a_proxy_and_without_it(port):
    for path in ("/livez", "/gradsim/livez", "/", "/gradsim/", "/gradsim/openapi.json"):
        assert ask(port, "GET", path)[0] == 200, path
    for path in ("/gradsim/gradsim/livez", "/gradsimlivez", "/gradsim", "/other/livez"):
        assert ask(port, "GET", path)[0] == 404, path


def test_the_document_names_the_prefix(tiny, port):
    document = httpx.get(f"http://127.0.0.1:{port}/openapi.json", timeout=10).json()
    assert document["servers"] == [{"url": "/gradsim"}]
    with fake_engine.running(tiny) as service:
        assert "servers" not in service.client.get("/openapi.json").json()
        assert service.client.get("/gradsim/livez").status_code == 404


def test_a_request_under_the_prefix_is_counted_at_its_endpoint_and_the_client_knows_prefixes(tiny):
    with fake_engine.running(tiny, root_path="/gradsim") as service:
        with Client(f"http://127.0.0.1:{service.port}/gradsim") as client:
            assert client.answer(["a b"])[0].label == "positive"
        assert 'endpoint="/sentiment",status="200"} 1.0' in service.client.get("/metrics").text


@pytest.mark.parametrize("prefix", ["gradsim", "/a//b", "//", "/a?b", "/a b", "http://host/gradsim"])
def test_what_is_no_prefix_is_refused_in_one_line(tiny, prefix):
    result = CliRunner().invoke(main, [str(tiny), "--root-path", prefix])
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith("Error: Invalid value for '--root-path'")
