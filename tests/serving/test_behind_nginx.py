"""The nginx example of docs/deploying.md: what it passes on, and what it keeps from the service."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from real_server import ROOT, free_port

from gradsim_client import Client

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

CONFIGURATION = """
daemon off;
pid {directory}/pid;
error_log {directory}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{server}
}}
"""


@pytest.fixture(scope="module")
def port(direct, tmp_path_factory) -> Iterator[int]:
    """Nginx as the page says, before the service; slow headers end after a second instead of ten."""
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    (server,) = re.findall(r"^    server \{\n.*?^    \}\n", page, re.MULTILINE | re.DOTALL)
    for said, here in (
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ("client_header_timeout 10s", "client_header_timeout 1s"),
        ("127.0.0.1:3000", f"127.0.0.1:{direct.client.base_url.port}"),
    ):
        assert said in server
        server = server.replace(said, here)
    file = directory / "nginx.conf"
    file.write_text(CONFIGURATION.format(directory=directory, server=server), encoding="utf-8")
    process = subprocess.Popen(["nginx", "-e", str(directory / "errors"), "-c", str(file)])
    wait_for(port, directory / "errors")
    yield port
    process.terminate()
    process.wait(20)


def wait_for(port: int, errors: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(errors.read_text(encoding="utf-8"))


def test_texts_are_answered_under_the_prefix(port):
    with Client(f"http://127.0.0.1:{port}/gradsim") as client:
        (one,) = client.answer(["Wannan fim yana da kyau sosai"])
        assert (one.label, one.route.language) == ("positive", "hau")
        assert client.ready()
    url = f"http://127.0.0.1:{port}/gradsim"
    many = httpx.post(f"{url}/models/sentiment", json={"inputs": ["Wannan fim"] * 256})
    assert (many.status_code, len(many.json())) == (200, 256)


def test_nobody_behind_it_reloads(port):
    assert httpx.post(f"http://127.0.0.1:{port}/gradsim/admin/reload").status_code == 403


def test_large_bodies_and_headers_end_there(port):
    url = f"http://127.0.0.1:{port}/gradsim"
    large = httpx.post(f"{url}/sentiment", content=b"x" * 2**21, headers={"Content-Type": "application/json"})
    assert (large.status_code, large.headers["server"].startswith("nginx")) == (413, True)
    assert httpx.get(f"{url}/livez", headers={"A": "a" * 2**17}).status_code == 400


@pytest.mark.parametrize("sent", [b"", b"GET /gradsim/livez HTTP/1.1\r\nHost: t\r\nA: "])
def test_slow_headers_end_there(port, sent):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        assert connection.recv(1000).partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Time-out")
