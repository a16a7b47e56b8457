"""How the target of a request may be written, and the prefix of a proxy before it; on both servers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_engine
import httpx
import pytest
from click.testing import CliRunner
from real_server import Server

from gradsim_client import Client
from gradsim_serving.cli import main
from gradsim_serving.http.api import build
from gradsim_serving.http.keys import keys_of
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_shared.bundle import read_manifest


@pytest.fixture(scope="module", params=["direct", "bentoml", "plain"])
def port(request, tiny):
    """Both servers, and `gradsim-serve` on Python's own parser."""
    if request.param == "plain":
        with fake_engine.running(tiny, fast=False, root_path="/gradsim") as running:
            yield running.port
    else:
        server: Server = request.getfixturevalue(request.param)
        yield server.client.base_url.port


@contextmanager
def client_of(
    bundle: Path, options: HttpOptions, endpoint: str = "/sentiment", **server: str
) -> Iterator[httpx.Client]:
    """A client of a service that answers at this endpoint, with these settings of uvicorn."""
    lifecycle = fake_engine.Lifecycle({endpoint: read_manifest(bundle)}, bundle)
    app = build(fake_engine.Engine(), lifecycle, Metrics(), options)
    with fake_engine.serving(app, **server) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


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


@pytest.mark.parametrize("prefix", ["", "/gradsim"])
def test_the_prefix_that_a_server_sets_opens_nothing(tiny, prefix):
    key = {"X-Api-Key": "alice-0123456789"}
    options = HttpOptions(root_path=prefix, keys=keys_of(key.values()), admin_keys=keys_of(["admin-0123456789"]))
    with client_of(tiny, options, root_path="/x") as client:  # which uvicorn puts before every path
        assert client.get("/livez").status_code == 200
        assert client.get(f"{prefix}/languages", headers=key).status_code == 200
        assert client.post("/admin/reload", headers=key).status_code == 403
        assert client.post(f"{prefix}/admin/reload", headers=key).status_code == 403
        assert 'endpoint="/admin/reload",status="403"} 2.0' in client.get("/metrics", headers=key).text


@pytest.mark.parametrize("name", ["predictions", "models-x", "v2topics"])
def test_an_endpoint_named_like_another_api_has_errors_of_our_form(tiny, name):
    with client_of(tiny, HttpOptions(), f"/{name}") as client:
        refused = client.post(f"/{name}", json={"texts": []})
        assert refused.json()["error"]["code"] == "no_texts"
        assert client.post(f"/models/{name}", json={}).json().keys() == {"error", "error_type"}
        assert client.post(f"/v2/models/{name}/infer", json={}).json()["error"].startswith("inputs")
        examples = client.get("/openapi.json").json()["paths"][f"/{name}"]["post"]["responses"]["422"]
        assert "code" in examples["content"]["application/json"]["examples"]["no_texts"]["value"]["error"]


@pytest.mark.parametrize("prefix", ["gradsim", "/a//b", "//", "/a?b", "/a b", "http://host/gradsim"])
def test_what_is_no_prefix_is_refused_in_one_line(tiny, prefix):
    result = CliRunner().invoke(main, [str(tiny), "--root-path", prefix])
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith("Error: Invalid value for '--root-path'")
