"""The whole service with its log on: what a line holds, and that a full disk fails no request."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gradsim_serving.app import create_app
from gradsim_serving.options import Options

SECRET = "Wannan fim yana da kyau sosai"


@contextmanager
def serving(bundle: Path, log_file: Path) -> Iterator:
    client = pytest.importorskip("starlette.testclient")
    app = create_app([bundle], Options(threads=1, log_requests=True, log_file=log_file))
    with client.TestClient(app) as service:
        end = time.monotonic() + 30
        while service.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        yield service


def test_lines_name_requests_stages_and_groups_but_never_a_text_or_a_path(tiny, tmp_path):
    path = tmp_path / "log"
    with serving(tiny, path) as service:
        body = {"texts": [SECRET, SECRET]}
        assert service.post("/sentiment", json=body, headers={"X-Request-Id": "mine-1"}).status_code == 200
        service.post("/sentiment", json={"texts": [SECRET], "language": "xxx"})
        service.post("/sentiment", content=f'{{"texts": ["{SECRET}"')
        service.get(f"/{SECRET}?q={SECRET}")
    written = path.read_text()
    assert SECRET not in written
    assert "Wannan" not in written
    requests = [line for line in map(json.loads, written.splitlines()) if line["event"] == "request"]
    mine = next(line for line in requests if line["request"] == "mine-1")
    assert (mine["endpoint"], mine["status"], mine["code"], mine["texts"]) == ("/sentiment", 200, None, 2)
    assert mine["groups"] == ["g0"]
    assert {"total", "identify", "tokenise", "queue", "run", "decode"} <= mine["milliseconds"].keys()
    assert {line["code"] for line in requests} >= {"unknown_language", "not_found"}
    assert {line["endpoint"] for line in requests} == {"/sentiment", "/readyz", "other"}


def test_a_full_disk_fails_no_request(tiny):
    with serving(tiny, Path("/dev/full")) as service:
        for _ in range(5):
            assert service.post("/sentiment", json={"texts": [SECRET]}).status_code == 200
        end = time.monotonic() + 20
        while not re.search(r'gradsim_log_lines_total\{fate="dropped"\} [1-9]', service.get("/metrics").text):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert service.post("/sentiment", json={"texts": [SECRET]}).status_code == 200
