"""Under BentoML each request goes to our app, and none that was answered leaves a task."""

from __future__ import annotations

import os
import subprocess
import sys

from real_server import ROOT, SOURCES

REQUESTS = 50
MANY_REQUESTS = f"""
import asyncio, httpx
import gradsim_serving.service as service

async def main():
    app = service.Gradsim.to_asgi()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        statuses = [(await client.get("/livez")).text for _ in range({REQUESTS})]
    print(statuses.count('{{"status":"live"}}'), len(asyncio.all_tasks()))

asyncio.run(main())
"""


def test_requests_go_to_our_app_and_leave_no_task(tiny, tmp_path):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADSIM", "BENTOML"))}
    kept |= {"PYTHONPATH": SOURCES, "GRADSIM_BUNDLES": str(tiny), "BENTOML_HOME": str(tmp_path)}
    command = [sys.executable, "-c", MANY_REQUESTS]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == [str(REQUESTS), "1"], done.stderr


def test_nothing_private_of_the_stack_is_imported():
    """Private parts of uvicorn, Starlette, FastAPI and BentoML change without notice."""
    for path in (ROOT / "serving").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].split(".")[0] in STACK:
                names = [*words[1].split("."), *(word.strip(",()") for word in words[3:])]
                assert not [name for name in names if name.startswith("_")], f"{path}: {line}"
                assert not words[1].startswith("uvicorn."), f"{path}: {line}"


STACK = {"uvicorn", "starlette", "fastapi", "bentoml", "_bentoml_impl", "_bentoml_sdk", "bentoml_cli"}
