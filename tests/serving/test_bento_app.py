"""Under BentoML requests go to our app; of BentoML's middleware only tracing is kept, and no timers are left."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
from real_server import ROOT, SOURCES
from starlette.applications import Starlette
from starlette.middleware import Middleware

from gradsim_serving.bento_app import BentoApp
from gradsim_shared.errors import SettingsError

REQUESTS = 50
MANY_REQUESTS = f"""
import asyncio, httpx, sys
import gradsim_serving.service as service

async def main():
    app = service.Gradsim.to_asgi()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        statuses = [(await client.get("/livez")).status_code for _ in range({REQUESTS})]
    found = getattr(asyncio.get_running_loop(), "_scheduled"), asyncio.all_tasks()
    print(statuses.count(200), len(found[0]), len(found[1]))

asyncio.run(main())
"""
NOT_INSTALLED = "import gradsim_serving.service as service; service.Gradsim()"


def run(code: str, bundle: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the BentoML service has one bundle."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADSIM", "BENTOML"))}
    kept |= {"PYTHONPATH": SOURCES, "GRADSIM_BUNDLES": str(bundle), "BENTOML_DO_NOT_TRACK": "True", **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120, check=False)


def test_requests_leave_no_timer_and_no_task(tiny, tmp_path):
    done = run(MANY_REQUESTS, tiny, BENTOML_HOME=str(tmp_path))
    assert done.stdout.split() == [str(REQUESTS), "0", "1"], done.stderr


def test_a_worker_whose_app_was_not_installed_ends_with_one_line(tiny, tmp_path):
    done = run(NOT_INSTALLED, tiny, BENTOML_HOME=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: the service does not know BentoML ")
    assert "Install the version of constraints.txt" in line


class Spans:
    """Stands for what makes spans."""

    def __init__(self, app, mark):
        self.app, self.mark = app, mark

    async def __call__(self, scope, receive, send):
        """Mark a request."""
        await self.app({**scope, "path": self.mark}, receive, send)


def asked(bento_app: BentoApp, bentoml_app: object) -> list[tuple[str, str]]:
    """Send one request, and return which app got it."""
    heard: list[tuple[str, str]] = []

    async def ours(scope, receive, send):
        heard.append(("ours", scope["path"]))

    bento_app.app = ours
    asyncio.run(bento_app.in_place_of(bentoml_app)({"type": "http", "path": "/x"}, None, None))
    return heard


def no(error: object) -> None:
    """Never called."""
    raise AssertionError(error)


def test_tracing_is_the_only_middleware_of_bentoml_that_is_kept_and_only_where_traces_are_asked_for():
    kind = type("OpenTelemetryMiddleware", (Spans,), {})
    bentoml_app = Starlette(middleware=[Middleware(kind, mark="/traced")])
    assert asked(BentoApp(no, traced=True, on_error=no), bentoml_app) == [("ours", "/traced")]
    assert asked(BentoApp(no, traced=False, on_error=no), bentoml_app) == [("ours", "/x")]


def test_an_unknown_version_of_bentoml_is_refused():
    with pytest.raises(SettingsError, match="its app has no OpenTelemetryMiddleware"):
        BentoApp(no, traced=True, on_error=no).in_place_of(Starlette())
    with pytest.raises(SettingsError, match="its service has no method to_asgi"):
        BentoApp(no, traced=False, on_error=no).install(object())
